// Stop strings: ends a text before the first of them and holds back no more than could still become one.

export class StopStrings {
  private readonly stops: readonly string[];
  private held = "";

  constructor(stops: readonly string[]) {
    this.stops = stops.filter((stop) => stop !== "");
  }

  /** Takes the next text; returns what may be given on and whether a stop string was completed. */
  push(text: string): { give: string; stopped: boolean } {
    if (this.stops.length === 0) return { give: text, stopped: false };
    const all = this.held + text;
    let cut = -1;
    for (const stop of this.stops) {
      const at = all.indexOf(stop);
      if (at >= 0 && (cut < 0 || at < cut)) cut = at;
    }
    if (cut >= 0) {
      this.held = "";
      return { give: all.slice(0, cut), stopped: true };
    }
    const keep = this.heldLength(all);
    this.held = all.slice(all.length - keep);
    return { give: all.slice(0, all.length - keep), stopped: false };
  }

  /** The text is over: what was held back was no stop string. */
  end(): string {
    const rest = this.held;
    this.held = "";
    return rest;
  }

  /** Length of the longest end of `text` that begins a stop string. */
  private heldLength(text: string): number {
    let longest = 0;
    for (const stop of this.stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
