// Standing: whether this node takes jobs, and if not, who held it and why. Several may hold it at once: its operator,
// a coordinator's command, its schedule, a foreign load. It takes jobs again when the last of them lets go.
import type { Cancel, Clock } from "../../lib/clock.ts";
import type { HeartbeatFrame } from "../../protocol/frames.ts";

/** As it goes into heartbeats. */
export type Standing = { status: HeartbeatFrame["status"]; reason: string | null };

/** `operator`: `infernet pause`. `command`: a coordinator's `drain`. `care`: schedule or foreign load. */
export type Holder = "operator" | "command" | "care";

export type Gate = {
  now(): Standing;
  /** Who holds it, the most telling first. */
  holders(): readonly Holder[];
  /** Takes no more jobs. What runs may go on, for `drainMs` where the holder is in a hurry. Again: another reason. */
  hold(holder: Holder, reason: string): void;
  /** Lets go; false where it did not hold. */
  release(holder: Holder): boolean;
};

export type GateDeps = {
  clock: Clock;
  /** Running jobs may go on for so long; then they are handed back. */
  drainMs(): number;
  /** The standing is another one. */
  changed(standing: Standing): void;
  /** The time is over: whatever still runs goes back to its coordinator. */
  handBack(reason: string): void;
};

/** An operator's word tells more than what a machine saw. */
const ORDER: readonly Holder[] = ["operator", "command", "care"];
/** Whom running jobs are in the way of. A coordinator that drains a node wants them to end there. */
const IN_A_HURRY: readonly Holder[] = ["operator", "care"];
const REASON_CHARS = 256;

export const AVAILABLE: Standing = { status: "available", reason: null };

export function gate(deps: GateDeps): Gate {
  const reasons = new Map<Holder, string>();
  let current = AVAILABLE;
  let cancelHandBack: Cancel | null = null;

  const update = () => {
    const holder = ORDER.find((one) => reasons.has(one));
    const reason = holder === undefined ? null : (reasons.get(holder) ?? null);
    const status = holder === undefined ? "available" : holder === "command" ? "draining" : "paused";
    hurry();
    if (status === current.status && reason === current.reason) return;
    current = { status, reason };
    deps.changed(current);
  };
  const hurry = () => {
    const hurried = IN_A_HURRY.some((one) => reasons.has(one));
    if (!hurried) {
      cancelHandBack?.();
      cancelHandBack = null;
    } else cancelHandBack ??= deps.clock.after(deps.drainMs(), () => deps.handBack(current.reason ?? "paused"));
  };
  return {
    now: () => current,
    holders: () => ORDER.filter((one) => reasons.has(one)),
    hold(holder, reason) {
      reasons.set(
        holder,
        Array.from(reason)
          .slice(0, REASON_CHARS / 2)
          .join("")
          .slice(0, REASON_CHARS),
      );
      update();
    },
    release(holder) {
      const held = reasons.delete(holder);
      if (held) update();
      return held;
    },
  };
}
