// Home: `/`, what runs here and how to call it.
import { usdRange } from "../lib/money.ts";
import type { Registry } from "../registry/registry.ts";
import { modelList } from "./openai/models.ts";
import { pageResponse } from "./page.ts";

export type HomeDeps = { registry: Registry; version: string; mode: string; publicUrl: () => string };

/** Names in a listing for everybody are cut to this. */
const NAME_CHARS = 64;

export async function home({ registry, version, mode, publicUrl }: HomeDeps): Promise<Response> {
  const { Home } = await import("../../web/pages/home.tsx");
  const nodes = [...registry.nodes.values()]
    .filter((node) => node.channel !== null)
    .map(({ name, slots, running, offers }) => ({
      name: name.slice(0, NAME_CHARS),
      slots,
      running,
      models: offers.length,
    }));
  const models = modelList(registry).data.map(({ id, context_length, demo, ...model }) => ({
    id,
    nodes: model.nodes,
    context_length,
    price: `${usdRange(model.price_input, model.price_input_max)} · ${usdRange(model.price_output, model.price_output_max)}`,
    demo,
  }));
  const view = { version, mode, url: publicUrl(), models, nodes };
  return pageResponse(await Home(view));
}
