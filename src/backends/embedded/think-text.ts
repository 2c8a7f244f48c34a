// Think text: parts what a model thinks from what it answers: `<think>…</think>` at the beginning, as Qwen, DeepSeek and
// others write it.

const OPEN = "<think>";
const CLOSE = "</think>";

/** The model's template knows such thoughts. */
export const templateThinks = (template: string | null): boolean => template?.includes(CLOSE) === true;

/** A prompt that ends inside the thoughts: its template has opened them already. */
export const endsThinking = (prompt: string): boolean => /<think>\s*$/.test(prompt);

/** Puts an end to thoughts that a prompt has opened, so that an answer follows. */
export const THOUGHTS_END = `\n${CLOSE}\n\n`;

export class ThinkText {
  private state: "begin" | "inside" | "gap" | "answer";
  private held = "";

  /** `opened`: the prompt ends inside the thoughts. */
  constructor(opened: boolean) {
    this.state = opened ? "inside" : "begin";
  }

  /** Holds back no more than could still become a mark. */
  push(text: string): { reasoning: string; content: string } {
    this.held += text;
    let reasoning = "";
    if (this.state === "begin") this.begin();
    if (this.state === "inside") reasoning = this.inside();
    if (this.state === "gap") {
      this.held = this.held.trimStart();
      if (this.held !== "") this.state = "answer";
    }
    return { reasoning, content: this.state === "answer" ? this.all() : "" };
  }

  /** The text is over. */
  end(): { reasoning: string; content: string } {
    const rest = this.state === "gap" ? "" : this.all();
    return this.state === "inside" ? { reasoning: rest, content: "" } : { reasoning: "", content: rest };
  }

  private begin(): void {
    const text = this.held.trimStart();
    if (text.startsWith(OPEN)) {
      this.held = text.slice(OPEN.length);
      this.state = "inside";
    } else if (!OPEN.startsWith(text)) this.state = "answer";
  }

  private inside(): string {
    const at = this.held.indexOf(CLOSE);
    if (at >= 0) {
      const thought = this.held.slice(0, at);
      this.held = this.held.slice(at + CLOSE.length);
      this.state = "gap";
      return thought;
    }
    const keep = heldLength(this.held);
    const thought = this.held.slice(0, this.held.length - keep);
    this.held = this.held.slice(this.held.length - keep);
    return thought;
  }

  private all(): string {
    const { held } = this;
    this.held = "";
    return held;
  }
}

/** Length of the longest end of `text` that begins the closing mark. */
function heldLength(text: string): number {
  for (let length = Math.min(CLOSE.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(CLOSE.slice(0, length))) return length;
  }
  return 0;
}
