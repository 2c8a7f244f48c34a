// Key limits: what a request takes of its key's limits before it is a job, and OpenAI's headers that tell what is left.
import type { RateExceeded, RateMeter, RateStanding } from "../accounts/rate-limits.ts";
import type { JobSpec } from "../jobs/job.ts";
import type { Caller } from "./client-auth.ts";
import { errorResponse } from "./errors.ts";

/** Takes a request and its tokens from what its key may use now; the refusal where that is not enough. */
export function takeLimits({ key }: Caller, spec: JobSpec): Response | undefined {
  if (key === undefined || key.meter === null) return undefined;
  const taken = key.meter.take(spec.cost);
  if (!taken.ok) return exceeded(key.meter, key.name, taken.error);
  spec.reserved = taken.value;
  return undefined;
}

const UNITS = { requests: "requests per minute (RPM)", tokens: "tokens per minute (TPM)" };

function exceeded(meter: RateMeter, name: string, { what, limit, asked, waitMs }: RateExceeded): Response {
  const wanted = what === "tokens" ? `, requested ${asked}` : "";
  const message = `Rate limit reached for key '${name}' on ${UNITS[what]}: limit ${limit}${wanted}. Please try again in ${span(waitMs)}.`;
  const headers = { ...limitHeaders(meter), "retry-after": `${Math.ceil(waitMs / 1000)}` };
  return errorResponse("rate_limit_exceeded", message, { headers });
}

/** OpenAI's headers, of those limits that there are. */
export function limitHeaders(meter: RateMeter): Record<string, string> {
  const { requests, tokens } = meter.standing();
  return { ...headersOf("requests", requests), ...headersOf("tokens", tokens) };
}

const headersOf = (what: string, standing: RateStanding | null): Record<string, string> =>
  standing === null
    ? {}
    : {
        [`x-ratelimit-limit-${what}`]: `${standing.limit}`,
        [`x-ratelimit-remaining-${what}`]: `${standing.remaining}`,
        [`x-ratelimit-reset-${what}`]: span(standing.resetMs),
      };

/** A length of time as OpenAI writes it: `120ms`, `1.5s`, `6m0s`. */
export function span(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const seconds = `${(ms % 60_000) / 1000}s`;
  return ms < 60_000 ? seconds : `${Math.floor(ms / 60_000)}m${seconds}`;
}
