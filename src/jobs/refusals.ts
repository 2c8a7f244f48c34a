// Refusals: whether a job can be served at all, by which of its models, and if not, why not: in words that say what to
// change.
import { modelsAllowed } from "../accounts/key-rights.ts";
import type { Node, Offer, Registry } from "../registry/registry.ts";
import { type Demand, mayUse, refersTo, taskBits } from "../scheduler/wishes.ts";
import type { Board } from "./board.ts";
import type { Job, JobError, JobSpec } from "./job.ts";

export type SubmitError = JobError & {
  code:
    | "model_not_found"
    | "model_not_allowed"
    | "no_matching_node"
    | "no_nodes_online"
    | "draining"
    | "queue_full"
    | "storage_failed"
    | "context_length_exceeded"
    | "insufficient_credit"
    | "spend_limit";
};

/** What of a job decides who may serve it. */
export type Asking = Pick<JobSpec, "kind" | "task" | "wishes" | "minContext" | "trail" | "allowed"> & {
  demands: readonly Demand[];
};

/** Every model the job may be served by, as they are named here, in order. */
export const modelsOf = (
  { registry }: Board,
  { model, fallbacks, allowed }: Pick<JobSpec, "model" | "fallbacks" | "allowed">,
): readonly string[] =>
  fallbacks.length === 0
    ? modelsAllowed(allowed, model, registry.modelsNamed(model))
    : [...new Set([model, ...fallbacks].flatMap((name) => modelsAllowed(allowed, name, registry.modelsNamed(name))))];

/** Gives the job the model to begin with and those left to fall back to; or says why none can serve. */
export function chooseModel(board: Board, job: Job): SubmitError | undefined {
  if (board.draining) return { code: "draining", message: "the coordinator is shutting down; try again" };
  const models = modelsOf(board, job);
  // The same answer whether it is here or not.
  if (models.length === 0 && job.allowed !== null)
    return { code: "model_not_allowed", message: `this API key may not use the model '${job.model}'` };
  const begin = (at: number) => {
    job.model = models[at] as string;
    job.rest = models.slice(at + 1);
    return undefined;
  };
  const ready = models.findIndex((model) => isReady(board, job, model));
  if (ready >= 0) return begin(ready);
  const refusals = models.map((model) => refusal(board, job, model));
  const waitable = refusals.indexOf(undefined);
  if (waitable >= 0) return begin(waitable);
  // One answer for all: that of the model that was asked for first.
  const [first] = refusals;
  if (first === undefined) return { code: "model_not_found", message: notServed(board.registry, job, job.model) };
  const all = `none of ${models.join(", ")} can serve: ${first.message}`;
  return models.length === 1 ? first : { ...first, message: all };
}

/** Somebody serves it, takes work, and is what the job asks for. */
function isReady({ registry }: Board, asking: Asking, model: string): boolean {
  const offers = registry.offersFor(model, asking.trail);
  return offers.some((offer) => isAtWork(offer.node) && mayServe(asking, offer));
}

const isAtWork = ({ status, maintenance }: Node): boolean => status === "available" && !maintenance;

const isVisible = ({ task, wishes }: Asking, offer: Offer): boolean =>
  mayUse(wishes, offer.node.pool) && (offer.tasks & taskBits([task])) !== 0;

const fits = ({ minContext }: Asking, { contextLength }: Offer): boolean =>
  contextLength === null || contextLength >= minContext;

/** Everything about a candidate that does not pass: pools, wishes, task, context. */
export const mayServe = (asking: Asking, offer: Offer): boolean =>
  isVisible(asking, offer) && fits(asking, offer) && asking.demands.every(({ meets }) => meets(offer));

/** Why this model cannot serve, now or soon; undefined where it can, or where it is worth waiting. */
export function refusal(board: Board, asking: Asking, model: string): SubmitError | undefined {
  const { registry, limits } = board;
  const near = registry.offersFor(model, asking.trail);
  const offers = near.filter((offer) => mayUse(asking.wishes, offer.node.pool));
  if (offers.length > 0) {
    const able = offers.filter((offer) => isVisible(asking, offer));
    if (able.length === 0)
      return { code: "no_matching_node", message: `The model '${model}' does not do this task.`, param: "model" };
    return unmet(board, asking, model, able) ?? tooLong(asking, able) ?? inMaintenance(asking, model, able);
  }
  if (near.length === 0 && registry.offersOf(model).length > 0)
    return { code: "model_not_found", message: outOfReach(model) };
  // What only others' private nodes serve, or served, is as if it were not there.
  const served = registry.lastServedMs(model, (pool) => mayUse(asking.wishes, pool));
  if (served === undefined) return { code: "model_not_found", message: notServed(registry, asking, model) };
  if (asking.kind === "async" || board.clock.nowMs() - served <= limits.resumeGraceMs) return undefined;
  return { code: "no_nodes_online", message: `all nodes that serve ${model} are offline; try again later` };
}

/** The first wish after which nobody is left. */
function unmet({ registry }: Board, asking: Asking, model: string, able: readonly Offer[]): SubmitError | undefined {
  let left: readonly Offer[] = able;
  for (const { field, meets } of asking.demands) {
    const next = left.filter(meets);
    if (next.length > 0) {
      left = next;
      continue;
    }
    const others = left.length === able.length ? "" : " that meet the wishes before it";
    const message = `${field} leaves no node for '${model}': of ${left.length}${others} none meets it`;
    const named =
      field === "provider.only" ? asking.wishes.only : field === "provider.order" ? asking.wishes.order : [];
    const away = [...registry.nodes.values()].find(
      (node) =>
        node.channel === null &&
        mayUse(asking.wishes, node.pool) &&
        named.some((reference) => refersTo(reference, node)),
    );
    if (away) return { code: "no_nodes_online", message: `${message}; ${away.name} is offline`, param: field };
    return { code: "no_matching_node", message, param: field };
  }
  return undefined;
}

function tooLong(asking: Asking, able: readonly Offer[]): SubmitError | undefined {
  const left = able.filter((offer) => asking.demands.every(({ meets }) => meets(offer)));
  if (left.some((offer) => fits(asking, offer))) return undefined;
  const most = Math.max(...left.map((offer) => offer.contextLength ?? 0));
  return {
    code: "context_length_exceeded",
    message: `this model's maximum context length is ${most} tokens; the messages have at least ${asking.minContext}`,
  };
}

function inMaintenance({ kind }: Asking, model: string, able: readonly Offer[]): SubmitError | undefined {
  if (kind === "async" || able.some(({ node }) => !node.maintenance)) return undefined;
  return { code: "no_nodes_online", message: `all nodes that serve ${model} are under maintenance; try again later` };
}

const outOfReach = (model: string): string =>
  `The model '${model}' is here only through coordinators that this request came through, or further away than it may go.`;

function notServed(registry: Registry, { wishes, allowed }: Asking, model: string): string {
  const names = [...registry.models]
    .filter(([, offers]) => offers.some(({ node }) => mayUse(wishes, node.pool)))
    .map(([name]) => name)
    .filter((name) => allowed === null || allowed(name))
    .sort()
    .slice(0, 20);
  const there = names.length > 0 ? `there are: ${names.join(", ")}` : "no node is connected yet";
  return `The model '${model}' does not exist; ${there}.`;
}
