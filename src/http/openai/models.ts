// `GET /v1/models` and `/v1/models/:id`: what can be asked for now.
import type { Feature, Task } from "../../protocol/generation.ts";
import type { Offer, Registry } from "../../registry/registry.ts";
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
  /** What it can be asked for, and what it can do beyond text, as far as nodes say. */
  tasks: Task[];
  features: Feature[];
  /** The lowest prices on offer, µ$ per million tokens. */
  price_input: number;
  price_output: number;
  /** Coordinators between this one and the nearest node that serves it. */
  hops: number;
  /** Told to signed callers: the marks of these, the nearest first. */
  via?: readonly string[];
  /** The embedded demonstration model: good for trying out, not for answers. */
  demo: boolean;
};

type Asking = Pick<Caller, "trail">;

/** What this caller can ask for; a coordinator is told nothing that leads back over the way it came. */
export const modelList = (registry: Registry, caller: Asking = {}): { object: "list"; data: ModelObject[] } => ({
  object: "list",
  data: [...registry.models.keys()].sort().flatMap((id) => modelObject(registry, id, caller) ?? []),
});

function modelObject(registry: Registry, id: string, { trail }: Asking): ModelObject | undefined {
  const offers = registry.offersFor(id, trail);
  const [first] = offers;
  if (!first) return undefined;
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
    price_input: Math.min(...offers.map((offer) => offer.priceInput)),
    price_output: Math.min(...offers.map((offer) => offer.priceOutput)),
    hops: path.length,
    ...(trail === undefined ? {} : { via: path }),
    demo: offers.every((offer) => offer.info.demo),
  };
}

/** What at least one of the offers says, each once. */
const said = <T>(offers: readonly Offer[], of: (info: Offer["info"]) => readonly T[] | undefined): T[] => [
  ...new Set(offers.flatMap(({ info }) => of(info) ?? [])),
];

export function oneModel(registry: Registry, id: string, caller: Asking): Response {
  const model = modelObject(registry, id, caller);
  if (model) return Response.json(model);
  return errorResponse("model_not_found", `The model '${id}' does not exist or nobody serves it now.`, {
    param: "model",
  });
}
