// Serving: what this node can do now. Asks its backends at the start and every so often; a backend that is gone and
// comes back is noticed by itself, and one that breaks under a job is asked at once.
import type { Backend, BackendModel } from "../backends/backend.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { type BackendLoad, MAX_MODELS_PER_NODE, type ModelOffer, type ReadyFrame } from "../protocol/frames.ts";
import { type PricePatterns, type Prices, patternPrice } from "../protocol/prices.ts";
import { leastBusy, type Server, type ServingBackend, server } from "./balance.ts";

export type Serves = Pick<ReadyFrame, "backends" | "models" | "slots" | "prices" | "model_prices">;

export type ServingDeps = {
  clock: Clock;
  log: Log;
  backends: readonly Backend[];
  /** What its operator wants, asked whenever it is told. */
  terms: () => Terms;
};
export type Terms = {
  /** Jobs side by side; 0 asks the backends. */
  slots: number;
  prices: Prices;
  /** Of models that cost something else. */
  pricePatterns?: PricePatterns;
};

export type Serving = {
  now(): Serves;
  /** What the backends say of their own load, in their order; null where one says nothing. */
  loads(): readonly (BackendLoad | null)[];
  /** The backend that is to answer for the model; undefined where none has it. */
  backendOf(model: string): ServingBackend | undefined;
  /** The terms are others now. */
  termsChanged(): void;
  /** Asks all backends from now on; resolves when they answered or timed out. True when something changed. */
  refresh(): Promise<boolean>;
  stop(): void;
};

const REFRESH_MS = 15_000;
const ANSWER_MS = 5_000;
const LOAD_MS = 3_000;
/** A backend that is gone is asked again so soon, then half as often each time. */
const LOST_REFRESH_MS = 500;
/** Where neither the operator nor the backend says how much it runs side by side. */
export const SLOTS_UNKNOWN = 64;

export function serving(deps: ServingDeps, onChange: () => void): Serving {
  const { clock, log, backends } = deps;
  const models: BackendModel[][] = backends.map(() => []);
  /** Null: not asked yet. */
  const healthy: (boolean | null)[] = backends.map(() => null);
  const loads: (BackendLoad | null)[] = backends.map(() => null);
  const asking: (Promise<boolean> | undefined)[] = [];
  const cancelLost: (Cancel | undefined)[] = [];
  const servers: Server[] = backends.map((backend, i) =>
    server({ clock, backend, slots: () => slotsOf(backend), onUnreachable: () => announce(ask(i)) }),
  );
  let current = describe(deps, models, healthy);
  let asJson = "";
  let byModel = new Map<string, number[]>();
  let stopped = false;

  /** Asks one backend; true when what this node serves has changed by it. */
  const ask = (i: number): Promise<boolean> => {
    asking[i] ??= askOnce(i).finally(() => {
      asking[i] = undefined;
    });
    return asking[i];
  };
  /** An asking that is under way may have its answer from before what the caller did: it is waited for, not joined. */
  const askAnew = async (i: number): Promise<boolean> => {
    await Promise.allSettled([asking[i]]);
    return ask(i);
  };
  const askOnce = async (i: number): Promise<boolean> => {
    const backend = backends[i] as Backend;
    const { kind, url } = backend;
    const answer = await backend.models(AbortSignal.timeout(ANSWER_MS));
    const before = healthy[i];
    healthy[i] = answer.ok;
    if (answer.ok) {
      // A backend that is gone keeps its models in mind, unhealthy, and offers none.
      models[i] = answer.value;
      if (!before) log.info("backend is there", { kind, url, models: answer.value.length });
      void askLoad(i, backend);
    } else {
      loads[i] = null;
      if (before === true) log.warn("backend is gone", { kind, url, reason: answer.error.message });
      if (before !== false) lookFor(i, LOST_REFRESH_MS);
    }
    return settle();
  };
  const askLoad = async (i: number, backend: Backend): Promise<void> => {
    const load = await backend.load?.(AbortSignal.timeout(LOAD_MS));
    loads[i] = load?.ok === true && healthy[i] === true ? load.value : null;
  };
  /** Asks again soon, until it is there or as rare as the others. */
  const lookFor = (i: number, waitMs: number): void => {
    cancelLost[i]?.();
    if (stopped || waitMs >= REFRESH_MS) return;
    cancelLost[i] = clock.after(waitMs, () => {
      announce(ask(i), () => {
        if (!healthy[i]) lookFor(i, waitMs * 2);
      });
    });
  };
  const settle = (): boolean => {
    current = describe(deps, models, healthy);
    byModel = new Map();
    current.models.forEach(({ name, backend }, offer) => {
      if (!healthy[backend]) return;
      const all = byModel.get(name);
      if (all === undefined) byModel.set(name, [offer]);
      else all.push(offer);
    });
    const json = JSON.stringify(current);
    const changed = json !== asJson;
    asJson = json;
    return changed;
  };
  const announce = (asked: Promise<boolean>, then: () => void = () => {}): void => {
    asked.then(
      (changed) => {
        if (changed && !stopped) onChange();
        then();
      },
      (error: unknown) => log.error("asking a backend failed", { err: error }),
    );
  };
  const cancelRefresh = clock.every(REFRESH_MS, () => {
    for (const i of backends.keys()) announce(ask(i));
  });

  return {
    now: () => current,
    loads: () => loads,
    backendOf: (model) => leastBusy(current, byModel.get(model) ?? [], servers),
    termsChanged() {
      if (settle() && !stopped) onChange();
    },
    refresh: async () => (await Promise.all(backends.map((_, i) => askAnew(i)))).includes(true),
    stop() {
      stopped = true;
      cancelRefresh();
      for (const cancel of cancelLost) cancel?.();
    },
  };
}

const slotsOf = (backend: Backend): number => backend.slots() ?? SLOTS_UNKNOWN;

function describe(deps: ServingDeps, models: readonly BackendModel[][], healthy: readonly (boolean | null)[]): Serves {
  // Where several backends have a model, the one that answers itself goes before one that passes requests on.
  const offers = models
    .flatMap((list, backend) => list.map((model) => offerOf(model, backend)))
    .sort((a, b) => (a.path?.length ?? 0) - (b.path?.length ?? 0))
    .slice(0, MAX_MODELS_PER_NODE);
  const { slots, prices, pricePatterns = {} } = deps.terms();
  const asked = deps.backends.reduce((sum, backend, i) => sum + (healthy[i] ? slotsOf(backend) : 0), 0);
  return {
    backends: deps.backends.map(({ kind, continues, actions = {} }, i) => {
      return { kind, continues, healthy: healthy[i] ?? false, commands: Object.keys(actions) };
    }),
    models: offers,
    slots: Math.min(4096, slots || asked),
    prices,
    ...modelPrices(offers, pricePatterns),
  };
}

/** What is asked for those of the models that a pattern fits. */
function modelPrices(offers: readonly ModelOffer[], patterns: PricePatterns): Pick<Serves, "model_prices"> {
  const priced = offers.flatMap(({ name }) => {
    const prices = patternPrice(patterns, name);
    return prices === undefined ? [] : [[name, prices] as const];
  });
  return priced.length === 0 ? {} : { model_prices: Object.fromEntries(priced) };
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
