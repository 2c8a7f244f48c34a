// Assets: scripts, sheets and icons, compressed once and kept by browsers for good: their addresses change with them.
import { brotliCompressSync } from "node:zlib";
import { ASSET_BASE, ASSETS, type Asset } from "../../web/parts/assets.ts";
import type { PublicRoute } from "../http/routes.ts";

const compressed = new Map<string, Uint8Array<ArrayBuffer>>();

/** Such a file; browsers keep it for good. */
export function assetAnswer(request: Request, { path, type, text }: Asset): Response {
  const headers: Record<string, string> = {
    "content-type": type,
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    vary: "Accept-Encoding",
  };
  if (!/\bbr\b/.test(request.headers.get("accept-encoding") ?? "")) return new Response(text, { headers });
  let bytes = compressed.get(path);
  if (!bytes) {
    bytes = new Uint8Array(brotliCompressSync(text));
    compressed.set(path, bytes);
  }
  return new Response(bytes, { headers: { ...headers, "content-encoding": "br" } });
}

export const assetRoutes = (assets: readonly Asset[] = ASSETS): PublicRoute[] => {
  const byPath = new Map(assets.map((asset) => [asset.path, asset]));
  return [
    {
      method: "GET",
      path: `${ASSET_BASE}:file`,
      tier: "public",
      summary: "Scripts, sheets and icons of the pages.",
      answers: "text/plain",
      handle({ request, params }) {
        const asset = byPath.get(ASSET_BASE + (params.file ?? ""));
        return asset ? assetAnswer(request, asset) : new Response("There is no such file.\n", { status: 404 });
      },
    },
  ];
};
