// `GET /v1/models` and `/v1/models/:id`: what can be asked for now.
import type { Registry } from "../../registry/registry.ts";
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
  /** The embedded demonstration model: good for trying out, not for answers. */
  demo: boolean;
};

export const modelList = (registry: Registry): { object: "list"; data: ModelObject[] } => ({
  object: "list",
  data: [...registry.models.keys()].sort().flatMap((id) => modelObject(registry, id) ?? []),
});

function modelObject(registry: Registry, id: string): ModelObject | undefined {
  const offers = registry.offersOf(id);
  const [first] = offers;
  if (!first) return undefined;
  const lengths = offers.flatMap((offer) => offer.contextLength ?? []);
  return {
    id,
    object: "model",
    created: Math.floor(Math.min(...offers.map((offer) => offer.node.connectedMs)) / 1000),
    owned_by: "infernet",
    nodes: offers.length,
    context_length: lengths.length > 0 ? Math.max(...lengths) : null,
    demo: offers.every((offer) => offer.info.demo),
  };
}

export function oneModel(registry: Registry, id: string): Response {
  const model = modelObject(registry, id);
  if (model) return Response.json(model);
  return errorResponse("model_not_found", `The model '${id}' does not exist or nobody serves it now.`, {
    param: "model",
  });
}
