// `GET /v1/models` and `/v1/models/:id`: what can be asked for now.
import { modelsAllowed } from "../../accounts/key-rights.ts";
import { usdPerToken } from "../../lib/money.ts";
import type { Feature, Task } from "../../protocol/generation.ts";
import { type Offer, type PriceRange, priceRange, type Registry } from "../../registry/registry.ts";
import { mayUse } from "../../scheduler/wishes.ts";
import type { Caller } from "../client-auth.ts";
import { errorResponse } from "../errors.ts";

/** OpenAI's model object, with what a client here may want to know beside it. */
export type ModelObject = {
  id: string;
  object: "model";
  created: number;
  owned_by: string;
  /** Nodes that serve it now. */
  nodes: number;
  /** The largest context on offer, in tokens; null where no node says. */
  context_length: number | null;
  /** What it can be asked for, and what it can do beyond text; null where no node says. */
  tasks: Task[] | null;
  features: Feature[] | null;
  /** The lowest prices on offer as OpenRouter tells them: USD per token, decimals. */
  pricing: { prompt: string; completion: string; request: "0"; image: "0" };
  /** Of an alias: the models it stands for, of which the first that can serve does. The rest is said of the first here. */
  alias_for?: readonly string[];
  /** Coordinators between this one and the nearest node that serves it. */
  hops: number;
  /** Told to signed callers: the marks of these, the nearest first. */
  via?: readonly string[];
  /** The embedded demonstration model: good for trying out, not for answers. */
  demo: boolean;
} & PriceRange;

type Asking = Pick<Caller, "trail" | "pools" | "models">;

/**
 * What this caller can ask for, aliases too; another coordinator is told of models alone, and of nothing that leads back
 * over the way it came.
 */
export function modelList(registry: Registry, caller: Asking = {}): { object: "list"; data: ModelObject[] } {
  const names = new Set([...registry.models.keys(), ...Object.keys(registry.aliases)]);
  return { object: "list", data: [...names].sort().flatMap((id) => named(registry, id, caller) ?? []) };
}

/** The model, or the first here of those that an alias stands for; nothing of what the caller's key may not use. */
function named(registry: Registry, id: string, caller: Asking): ModelObject | undefined {
  const { models: rule = null } = caller;
  if (!Object.hasOwn(registry.aliases, id) || caller.trail !== undefined)
    return rule === null || rule(id) ? modelObject(registry, id, caller) : undefined;
  const models = modelsAllowed(rule, id, registry.modelsNamed(id));
  const here = models.flatMap((model) => modelObject(registry, model, caller) ?? []);
  return here[0] && { ...here[0], id, alias_for: here.map((model) => model.id) };
}

function modelObject(registry: Registry, id: string, { trail, pools = [] }: Asking): ModelObject | undefined {
  const offers = registry.offersFor(id, trail).filter(({ node }) => mayUse({ pools }, node.pool));
  const [first] = offers;
  if (!first) return undefined;
  const prices = priceRange(offers);
  const lengths = offers.flatMap((offer) => offer.contextLength ?? []);
  const { path } = offers.reduce((near, offer) => (offer.path.length < near.path.length ? offer : near), first);
  return {
    id,
    object: "model",
    created: Math.floor(Math.min(...offers.map((offer) => offer.node.connectedMs)) / 1000),
    owned_by: "infernet",
    nodes: offers.length,
    context_length: lengths.length > 0 ? Math.max(...lengths) : null,
    tasks: said(offers, ({ tasks }) => tasks),
    features: said(offers, ({ features }) => features),
    pricing: {
      prompt: usdPerToken(prices.price_input),
      completion: usdPerToken(prices.price_output),
      request: "0",
      image: "0",
    },
    ...prices,
    hops: path.length,
    ...(trail === undefined ? {} : { via: path }),
    demo: offers.every((offer) => offer.info.demo),
  };
}

/** What at least one of the offers says, each once. */
function said<T>(offers: readonly Offer[], of: (info: Offer["info"]) => readonly T[] | undefined): T[] | null {
  const lists = offers.flatMap(({ info }) => [of(info) ?? []]);
  const isSaid = offers.some(({ info }) => of(info) !== undefined);
  return isSaid ? [...new Set(lists.flat())] : null;
}

export function oneModel(registry: Registry, id: string, caller: Asking): Response {
  const [other = id] = registry.modelsNamed(id);
  const model = named(registry, id, caller) ?? named(registry, other, caller);
  if (model) return Response.json(model);
  return errorResponse("model_not_found", `The model '${id}' does not exist or nobody serves it now.`, {
    param: "model",
  });
}
