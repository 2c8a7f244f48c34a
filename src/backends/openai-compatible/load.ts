// Load: what a server's metrics page says of how much it does.
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendLoad } from "../../protocol/frames.ts";
import type { BackendError } from "../backend.ts";
import { type Endpoint, requestText } from "../http.ts";
import { largestOf, parsePrometheus, type Sample, sumOf } from "./prometheus.ts";

const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const MAX_REQUESTS = 1_000_000;

/** Names of the gauges, newer ones first. */
export type Gauges = {
  running: readonly string[];
  waiting: readonly string[];
  /** Shares from 0 to 1; left out where the server has none. */
  cache?: readonly string[];
};

/** The load by `/metrics`. `pick` leaves samples out that count twice. */
export async function metricsLoad(
  server: Endpoint,
  gauges: Gauges,
  signal: AbortSignal,
  { path = "/metrics", pick }: { path?: string; pick?: (sample: Sample) => boolean } = {},
): Promise<Result<BackendLoad, BackendError>> {
  const answer = await requestText(server, path, MAX_PAGE_BYTES, signal);
  if (!answer.ok) return answer;
  const samples = parsePrometheus(answer.value);
  const running = sumOf(samples, gauges.running, pick);
  if (running === null) return err(NOT_SAID);
  const waiting = sumOf(samples, gauges.waiting, pick) ?? 0;
  return ok(loadOf(running, waiting, largestOf(samples, gauges.cache ?? [])));
}

/** Figures as the protocol takes them, whatever the server wrote. */
export function loadOf(running: number, waiting: number, cache: number | null): BackendLoad {
  return {
    running: requests(running),
    waiting: requests(waiting),
    cache: cache === null || !Number.isFinite(cache) ? null : Math.min(1, Math.max(0, cache)),
  };
}

const requests = (value: number): number => Math.min(MAX_REQUESTS, Math.max(0, Math.round(value)));

export const NOT_SAID: BackendError = { code: "backend_failed", message: "the backend does not tell its load" };
