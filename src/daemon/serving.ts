// Serving: what this node can do now. Asks its backends at the start and every so often; a backend that is gone and
// comes back is noticed by itself.
import type { Backend, BackendModel } from "../backends/backend.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { MAX_MODELS_PER_NODE, type ModelOffer, type ReadyFrame } from "../protocol/frames.ts";

export type Serves = Pick<ReadyFrame, "backends" | "models" | "slots" | "prices">;

export type ServingDeps = {
  clock: Clock;
  log: Log;
  backends: readonly Backend[];
  /** Jobs side by side; 0 asks the backends. */
  slots: number;
  prices: Serves["prices"];
};

export type Serving = {
  now(): Serves;
  /** The backend that has the model, and the model's name there. */
  backendOf(model: string): Backend | undefined;
  /** Asks all backends; resolves when they answered or timed out. True when something changed. */
  refresh(): Promise<boolean>;
  stop(): void;
};

const REFRESH_MS = 15_000;
const ANSWER_MS = 5_000;
/** Where neither the operator nor the backend says how much it runs side by side. */
export const SLOTS_UNKNOWN = 64;

export function serving(deps: ServingDeps, onChange: () => void): Serving {
  let models: BackendModel[][] = deps.backends.map(() => []);
  let healthy: boolean[] = deps.backends.map(() => false);
  let asJson = "";
  let current = describe(deps, models, healthy);
  let backendByModel = new Map<string, Backend>();

  const refresh = async (): Promise<boolean> => {
    const answers = await Promise.all(deps.backends.map((backend) => backend.models(AbortSignal.timeout(ANSWER_MS))));
    answers.forEach((answer, i) => {
      if (answer.ok === healthy[i]) return;
      const { kind, url } = deps.backends[i] as Backend;
      if (answer.ok) deps.log.info("backend is there", { kind, url, models: answer.value.length });
      else if (healthy[i]) deps.log.warn("backend is gone", { kind, url, reason: answer.error.message });
    });
    healthy = answers.map((answer) => answer.ok);
    // A backend that is gone keeps its models in mind, unhealthy, and offers none.
    models = answers.map((answer, i) => (answer.ok ? answer.value : (models[i] ?? [])));
    current = describe(deps, models, healthy);
    backendByModel = new Map();
    for (const offer of current.models) {
      const backend = deps.backends[offer.backend];
      if (backend && healthy[offer.backend] && !backendByModel.has(offer.name)) backendByModel.set(offer.name, backend);
    }
    const json = JSON.stringify(current);
    const changed = json !== asJson;
    asJson = json;
    return changed;
  };
  const stop = deps.clock.every(REFRESH_MS, () => {
    refresh().then(
      (changed) => changed && onChange(),
      (error: unknown) => deps.log.error("asking the backends failed", { err: error }),
    );
  });
  return { now: () => current, backendOf: (model) => backendByModel.get(model), refresh, stop };
}

function describe(deps: ServingDeps, models: readonly BackendModel[][], healthy: readonly boolean[]): Serves {
  // Where several backends have a model, the one that answers itself goes before one that passes requests on.
  const offers = models
    .flatMap((list, backend) => list.map((model) => offerOf(model, backend)))
    .sort((a, b) => (a.path?.length ?? 0) - (b.path?.length ?? 0));
  const asked = deps.backends.reduce(
    (sum, backend, i) => sum + (healthy[i] ? (backend.slots() ?? SLOTS_UNKNOWN) : 0),
    0,
  );
  return {
    backends: deps.backends.map(({ kind, continues }, i) => ({ kind, continues, healthy: healthy[i] ?? false })),
    models: offers.slice(0, MAX_MODELS_PER_NODE),
    slots: Math.min(4096, deps.slots || asked),
    prices: deps.prices,
  };
}

function offerOf(model: BackendModel, backend: number): ModelOffer {
  return {
    name: model.name,
    context_length: model.contextLength,
    digest: model.digest,
    loaded: model.loaded,
    quantization: model.quantization,
    demo: model.demo,
    ...(model.tasks === undefined ? {} : { tasks: [...model.tasks] }),
    ...(model.features === undefined ? {} : { features: [...model.features] }),
    ...(model.path === undefined ? {} : { path: [...model.path] }),
    backend,
  };
}
