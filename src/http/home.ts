// Home: `/`, what runs here and how to call it.
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
  const view = { version, mode, url: publicUrl(), models: modelList(registry).data, nodes };
  return pageResponse(await Home(view));
}
