// Rate limits: how many requests and tokens a key may ask for in a minute, metered in this process's memory by token
// buckets: a minute's worth at once, and then as much as flows in. design.md tells what that means for replicas.
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";

/** Each per minute; null where it is not limited. */
export type RateLimits = { requests: number | null; tokens: number | null };

/** What was asked for is not there now; of the two the one that is longer in coming. */
export type RateExceeded = {
  what: keyof RateLimits;
  limit: number;
  asked: number;
  /** When it will be, if nobody else takes of them. At least 1. */
  waitMs: number;
};

/** How one of the limits stands. */
export type RateStanding = {
  limit: number;
  remaining: number;
  /** When all of it is there again. */
  resetMs: number;
};

/** Tokens that were taken beforehand, until it is known how many it were. */
export type TokenReservation = {
  readonly meter: RateMeter;
  /** Takes or gives back the difference to what was used. Once: further calls do nothing. */
  settle(usedTokens: number): void;
};

export type RateMeter = {
  readonly limits: RateLimits;
  /**
   * Takes a request and the most tokens that it can use, both or neither. One that asks for more tokens than a minute has
   * waits until none are used, and is paid off before the next: nothing waits forever, and no bound is exceeded twice.
   */
  take(tokens: number): Result<TokenReservation, RateExceeded>;
  standing(): { [what in keyof RateLimits]: RateStanding | null };
};

/**
 * Parts of one request or token: with so many, what flows in during a millisecond is `limit` parts, and all is in whole
 * numbers. The largest limit times this is an integer that a double holds exactly.
 */
const PARTS = 60_000;
/** Largest limit, per minute. */
export const MAX_RATE = 1_000_000_000;

type Bucket = { readonly limit: number; parts: number; atMs: number };

const bucketOf = (limit: number | null): Bucket | null =>
  limit === null ? null : { limit, parts: limit * PARTS, atMs: 0 };

/** Lets flow in what is due. A clock that was put back starts anew from there. */
function fill(bucket: Bucket | null, nowMs: number): void {
  if (bucket === null) return;
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  bucket.atMs = nowMs;
  bucket.parts = Math.min(bucket.limit * PARTS, bucket.parts + elapsedMs * bucket.limit);
}

/** How long until so many can be taken; 0 where they can now. */
function waitMs(bucket: Bucket | null, count: number): number {
  if (bucket === null) return 0;
  const missing = Math.min(count, bucket.limit) * PARTS - bucket.parts;
  return missing <= 0 ? 0 : Math.ceil(missing / bucket.limit);
}

function standingOf(bucket: Bucket | null): RateStanding | null {
  if (bucket === null) return null;
  const { limit, parts } = bucket;
  return {
    limit,
    remaining: Math.max(0, Math.floor(parts / PARTS)),
    resetMs: Math.ceil((limit * PARTS - parts) / limit),
  };
}

/** A meter on which nothing was taken yet. */
export function rateMeter({ nowMs }: Pick<Clock, "nowMs">, limits: RateLimits): RateMeter {
  const requests = bucketOf(limits.requests);
  const tokens = bucketOf(limits.tokens);
  const fillBoth = () => {
    const atMs = nowMs();
    fill(requests, atMs);
    fill(tokens, atMs);
  };
  const meter: RateMeter = {
    limits,
    take(count) {
      fillBoth();
      const forRequest = waitMs(requests, 1);
      const forTokens = waitMs(tokens, count);
      if (tokens && forTokens > forRequest)
        return err({ what: "tokens", limit: tokens.limit, asked: count, waitMs: forTokens });
      if (requests && forRequest > 0)
        return err({ what: "requests", limit: requests.limit, asked: 1, waitMs: forRequest });
      if (requests) requests.parts -= PARTS;
      if (tokens) tokens.parts -= count * PARTS;
      let open = true;
      return ok({
        meter,
        settle(used) {
          if (!open || !tokens) return;
          open = false;
          fill(tokens, nowMs());
          tokens.parts = Math.min(tokens.limit * PARTS, tokens.parts + (count - used) * PARTS);
        },
      });
    },
    standing() {
      fillBoth();
      return { requests: standingOf(requests), tokens: standingOf(tokens) };
    },
  };
  return meter;
}
