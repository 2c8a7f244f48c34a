// Balance: several backends of a node that have the same model share its jobs.
import type { Backend, GenerateRequest } from "../backends/backend.ts";
import type { Clock } from "../lib/clock.ts";
import type { ModelOffer, ReadyFrame } from "../protocol/frames.ts";

/** What a job needs of a backend. */
export type ServingBackend = Pick<Backend, "kind" | "generate">;

/** A backend, and what it does for this node now. */
export type Server = ServingBackend & {
  /** Requests of this node that run there, as a share of what it runs side by side. */
  busy(): number;
  /** It asked to be left alone for now. */
  resting(): boolean;
};

export type ServerDeps = {
  clock: Clock;
  backend: Backend;
  /** How much it runs side by side, as far as is known. */
  slots(): number;
  /** A request found nobody there, or lost its connection. */
  onUnreachable(): void;
};

export function server({ clock, backend, slots, onUnreachable }: ServerDeps): Server {
  let running = 0;
  let restsUntilMs = 0;
  return {
    kind: backend.kind,
    busy: () => running / Math.max(1, slots()),
    resting: () => clock.nowMs() < restsUntilMs,
    async generate(request: GenerateRequest, emit, signal) {
      running++;
      try {
        const result = await backend.generate(request, emit, signal);
        if (!result.ok && result.error.code === "backend_unreachable") onUnreachable();
        if (!result.ok && result.error.retryAfterMs !== undefined) {
          restsUntilMs = clock.nowMs() + result.error.retryAfterMs;
        }
        return result;
      } finally {
        running--;
      }
    },
  };
}

/**
 * The backend for a model that `offers` (places in `serves.models`, best first) are of. The coordinator knows the first
 * of them, so others take jobs only where they promise no less.
 */
export function leastBusy(
  { models, backends }: Pick<ReadyFrame, "models" | "backends">,
  offers: readonly number[],
  servers: readonly Server[],
): Server | undefined {
  const first = models[offers[0] ?? -1];
  if (first === undefined) return undefined;
  let best = servers[first.backend];
  for (const place of offers.slice(1)) {
    const offer = models[place];
    const other = offer === undefined ? undefined : servers[offer.backend];
    if (offer === undefined || other === undefined || best === undefined) continue;
    const continues = backends[offer.backend]?.continues === true || backends[first.backend]?.continues !== true;
    if (continues && promisesNoLess(offer, first) && isFreer(other, best)) best = other;
  }
  return best;
}

const isFreer = (one: Server, other: Server): boolean =>
  one.resting() === other.resting() ? one.busy() < other.busy() : other.resting();

function promisesNoLess(offer: ModelOffer, first: ModelOffer): boolean {
  const takes = first.context_length === null || (offer.context_length ?? 0) >= first.context_length;
  const isSame = offer.digest === first.digest && offer.quantization === first.quantization;
  // Where it came from was compared with the first one's path: another could lead a request back.
  const isSameWay = (offer.path ?? []).join() === (first.path ?? []).join();
  return takes && isSame && isSameWay && hasAll(offer.tasks, first.tasks) && hasAll(offer.features, first.features);
}

/** A list that is not there stands for all. */
const hasAll = (has: readonly string[] | undefined, wanted: readonly string[] | undefined): boolean =>
  has === undefined || wanted?.every((one) => has.includes(one)) === true;
