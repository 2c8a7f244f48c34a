// Poll session: what is known of one node while it polls, and the waiting that goes with it.
import type { Clock } from "../lib/clock.ts";
import type { DispatchFrame, ReadyFrame } from "../protocol/frames.ts";
import { type Delta, deltaCost } from "../protocol/generation.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { PolledAttempt } from "./polled-attempt.ts";
import type { Node, NodeChannel } from "./registry.ts";

/** What a poller serves, and whose calls count as its own: a key's public half, or an API key's id. */
export type Served = Pick<ReadyFrame, "name" | "device" | "backends" | "models" | "prices" | "model_prices"> & {
  holder: string;
};

export type PollRefusal =
  /** The attempt is not leased to this node, or not any more. */
  | "lease_lapsed"
  /** Nobody wants its answer any more. */
  | "job_cancelled"
  /** It has ended already. */
  | "already_completed";

/** How an attempt that a node had ended: what it hears when it asks again. */
export type Past = "completed" | "failed" | "cancelled" | "refused";

export type Ask = { limit: number; given: DispatchFrame[]; wake: () => void };
export type Session = {
  readonly node: Node;
  readonly channel: NodeChannel;
  readonly holder: string;
  /** What it serves, as JSON: told to the registry when it changes. */
  served: string;
  continues: boolean;
  readonly attempts: Map<string, PolledAttempt>;
  /** The last of those that ended. */
  readonly past: Map<string, Past>;
  readonly asks: Ask[];
};

/** How long a node that sends faster than its reader reads is held … */
const HOLD_MS = 8_000;
/** … and how much it may be ahead before it is told to send that again later: as much as an attempt is forgiven. */
const AHEAD_BYTES = 1024 * 1024;

/** An attempt and the node that has it. */
export type Leased = { pubkey: Pubkey; attempt: PolledAttempt };

export const REFUSALS: Record<Past, PollRefusal> = {
  completed: "already_completed",
  failed: "already_completed",
  cancelled: "job_cancelled",
  refused: "lease_lapsed",
};

/** Why the node cannot be given this, whatever it offered. */
export function cannot(
  { node, continues }: Session,
  { model, task = "chat", answered, body }: DispatchFrame,
): string | undefined {
  const offer = node.offers.find((one) => one.model === model);
  const tasks = offer?.info.tasks ?? ["chat"];
  if (!tasks.includes(task)) return `the node does no ${task}`;
  if (typeof body.n === "number" && body.n > 1 && offer?.info.features?.length === 0)
    return "the node gives one answer";
  // A text is gone on with as a longer prompt, which needs no skill.
  return answered !== undefined && task !== "completion" && !continues
    ? "the node cannot go on with another's answer"
    : undefined;
}

export const readyFrame = ({ holder: _, ...served }: Served): ReadyFrame => ({
  type: "ready",
  sig: "",
  ...served,
  slots: 0,
  attempts: [],
});

/** Waits for `holds`, looked at whenever the question is woken, but not longer than `limitMs` or its caller's stay. */
export async function until(
  clock: Clock,
  ask: Ask,
  limitMs: number,
  signal: AbortSignal,
  holds: () => boolean,
): Promise<void> {
  if (holds()) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => {
    if (holds()) resolve();
  };
  ask.wake = look;
  signal.addEventListener("abort", look);
  const cancel = clock.after(limitMs, resolve);
  await promise;
  cancel();
  signal.removeEventListener("abort", look);
  ask.wake = () => {};
}

/** Resolves when the reader has caught up, or after a while. */
export function held(clock: Clock, attempt: PolledAttempt): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(HOLD_MS, resolve);
  attempt.waiting.add(() => {
    cancel();
    resolve();
  });
  return promise;
}

/** More than the reader may be sent before it has read some. */
export const isTooFar = ({ spent, granted }: PolledAttempt, deltas: readonly Delta[]): boolean =>
  deltas.reduce((sum, delta) => sum + deltaCost(delta), spent) - granted > AHEAD_BYTES;

/** What the open questions of a node still want. */
export const room = ({ asks }: Session): number =>
  asks.reduce((sum, { limit, given }) => sum + limit - given.length, 0);
