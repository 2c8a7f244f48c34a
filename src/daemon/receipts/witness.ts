// Witness: what this node saw of its attempts itself, kept in memory for as long as their receipts may take to come, so
// that it vouches for nothing it knows to be wrong. Bounded: what is forgotten cannot be compared.
import type { DispatchFrame } from "../../protocol/frames.ts";
import type { Delta } from "../../protocol/generation.ts";
import type { Prices } from "../../protocol/prices.ts";
import type { KeptAttempt } from "../kept-attempts.ts";
import type { Serves } from "../serving.ts";
import type { PriceMemory } from "./price-memory.ts";

export type Witness = {
  readonly attempt: string;
  readonly model: string;
  /** It answered from the beginning: no other attempt was before it. */
  readonly isFirst: boolean;
  /** Most tokens of the answer; null where the request does not say. */
  readonly limit: number | null;
  /** The request as it came. */
  readonly request: string;
  /** The least and the most that this node asked for lately, µ$ per million tokens. */
  readonly prices: { least: Prices; most: Prices };
  /** Of the answer; empty until it has ended. */
  deltas: readonly Delta[];
  /** Null until it has ended. */
  end: KeptAttempt["end"];
  /** The coordinator has its end, and did not call it off before: the answer counts as it ended here. */
  counts: boolean;
  calledOff: boolean;
};

export type Witnesses = {
  /** What the coordinator is told of prices, as it is told. */
  announced(serves: Pick<Serves, "prices" | "model_prices">): void;
  /** `message`: the text that the frame came in. */
  dispatched(frame: DispatchFrame, message: string): void;
  ended(attempt: KeptAttempt): void;
  /** The coordinator wants it stopped, ended or not. */
  cancelled(attempt: string): void;
  /** The coordinator has its end. */
  acknowledged(attempt: string): void;
  /** All attempts of a job that ended here and are remembered. */
  ofJob(jobId: string): readonly Witness[];
  forget(witness: Witness): void;
};

const MAX_WITNESSES = 4096;
const MAX_BYTES = 32 * 1024 * 1024;
export function witnesses({ prices }: { prices: PriceMemory }): Witnesses {
  /** By attempt, the oldest first. */
  const all = new Map<string, { witness: Witness; bytes: number }>();
  const byJob = new Map<string, Set<string>>();
  let bytes = 0;

  const drop = (attempt: string) => {
    bytes -= all.get(attempt)?.bytes ?? 0;
    all.delete(attempt);
    const others = byJob.get(jobOf(attempt));
    others?.delete(attempt);
    if (others?.size === 0) byJob.delete(jobOf(attempt));
  };
  const trim = () => {
    for (const oldest of all.keys()) {
      if (all.size <= MAX_WITNESSES && bytes <= MAX_BYTES) return;
      drop(oldest);
    }
  };

  return {
    announced: prices.announced,
    dispatched(frame, message) {
      drop(frame.attempt);
      const request = bodyText(message, frame.attempt);
      const asked = prices.asked(frame.model);
      if (request === undefined || asked === undefined) return;
      const witness: Witness = {
        attempt: frame.attempt,
        model: frame.model,
        isFirst: frame.attempt.endsWith(".1") && frame.answered === undefined,
        limit: limitOf(frame),
        request,
        prices: asked,
        deltas: [],
        end: null,
        counts: false,
        calledOff: false,
      };
      all.set(frame.attempt, { witness, bytes: request.length * 2 });
      const ofJob = byJob.get(jobOf(frame.attempt)) ?? new Set();
      byJob.set(jobOf(frame.attempt), ofJob.add(frame.attempt));
      bytes += request.length * 2;
      trim();
    },
    ended({ id, deltas, bytes: size, end }) {
      const kept = all.get(id);
      if (!kept) return;
      kept.witness.deltas = deltas;
      kept.witness.end = end;
      kept.bytes += size;
      bytes += size;
      trim();
    },
    cancelled(attempt) {
      const kept = all.get(attempt);
      if (kept) kept.witness.calledOff = true;
    },
    acknowledged(attempt) {
      const kept = all.get(attempt);
      if (kept) kept.witness.counts = !kept.witness.calledOff;
    },
    ofJob: (jobId) =>
      [...(byJob.get(jobId) ?? [])].flatMap((attempt) => {
        const witness = all.get(attempt)?.witness;
        return witness && witness.end !== null ? witness : [];
      }),
    forget: ({ attempt }) => drop(attempt),
  };
}

const jobOf = (attempt: string): string => attempt.slice(0, attempt.lastIndexOf("."));

const positive = (value: unknown): number | null =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : null;

function limitOf({ body, max_tokens }: DispatchFrame): number | null {
  const limit = max_tokens ?? positive(body.max_completion_tokens) ?? positive(body.max_tokens);
  return limit === null ? null : limit * (positive(body.n) ?? 1);
}

/**
 * The request's own text within the message that brought it: coordinators put a dispatch's body last and as it came.
 * Undefined where it is written in another way.
 */
export function bodyText(message: string, attempt: string): string | undefined {
  const frameAt = message.indexOf(`"attempt":"${attempt}"`);
  const nameAt = message.indexOf(',"body":', frameAt);
  if (frameAt < 0 || nameAt < 0) return undefined;
  const from = nameAt + ',"body":'.length;
  if (message[from] !== "{") return undefined;
  const to = endOfObject(message, from);
  return to === undefined ? undefined : message.slice(from, to);
}

const SIGNS = /["{}]/g;

/** Where the object that begins at `from` ends. The text was parsed before, so it is JSON. */
function endOfObject(text: string, from: number): number | undefined {
  let depth = 0;
  for (let at = next(text, from); at >= 0; at = next(text, at + 1)) {
    const sign = text[at];
    if (sign === "{") depth++;
    else if (sign === "}") {
      if (--depth === 0) return at + 1;
    } else at = endOfString(text, at);
  }
  return undefined;
}

function next(text: string, from: number): number {
  SIGNS.lastIndex = from;
  return SIGNS.exec(text)?.index ?? -1;
}

/** The closing quote of the string that opens at `from`. */
function endOfString(text: string, from: number): number {
  let at = text.indexOf('"', from + 1);
  while (at > 0 && isEscaped(text, at)) at = text.indexOf('"', at + 1);
  return at < 0 ? text.length : at;
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text[at - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}
