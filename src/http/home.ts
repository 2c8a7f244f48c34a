// Home: `/`, what runs here and how to call it.
import { createHash } from "node:crypto";
import type { Registry } from "../registry/registry.ts";
import { modelList } from "./openai/models.ts";

export type HomeDeps = { registry: Registry; version: string; mode: string; publicUrl: () => string };

/** Names in a listing for everybody are cut to this. */
const NAME_CHARS = 64;

export async function home({ registry, version, mode, publicUrl }: HomeDeps): Promise<Response> {
  const { Home, HOME_STYLE } = await import("../../web/pages/home.tsx");
  const nodes = [...registry.nodes.values()]
    .filter((node) => node.channel !== null)
    .map(({ name, slots, running, offers }) => ({
      name: name.slice(0, NAME_CHARS),
      slots,
      running,
      models: offers.length,
    }));
  const view = { version, mode, url: publicUrl(), models: modelList(registry).data, nodes };
  const styleHash = createHash("sha256").update(HOME_STYLE).digest("base64");
  return new Response(`<!doctype html>${await Home(view)}`, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    },
  });
}
