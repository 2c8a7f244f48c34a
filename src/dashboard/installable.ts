// Installable: what makes an app of these pages: manifest, icons, service worker, and the page without a connection.
import { ICON_FILES, ICONS, STYLESHEET, SW_TEXT } from "../../web/parts/installable.ts";
import type { PublicRoute } from "../http/routes.ts";
import { pageAnswer } from "./answer.ts";
import type { DashboardDeps } from "./deps.ts";
import { viewerOf } from "./viewer.ts";

const MANIFEST = {
  id: "/",
  name: "infernet",
  short_name: "infernet",
  description: "One API over everybody's GPUs.",
  start_url: "/",
  scope: "/",
  display: "standalone",
  theme_color: "#f7f5f2",
  background_color: "#f7f5f2",
  icons: ICON_FILES.map(({ path, size, purpose }) => ({
    src: path,
    sizes: `${size}x${size}`,
    type: "image/png",
    purpose,
  })),
};
/** Asked again each time: a browser takes a new one at once. */
const FRESH = { "cache-control": "no-cache", "x-content-type-options": "nosniff" };
const WORKER = SW_TEXT.replace('"KEPT"', [STYLESHEET, ICONS].map((path) => JSON.stringify(path)).join(", "));

export const installableRoutes = (deps: Pick<DashboardDeps, "billing">): PublicRoute[] => [
  {
    method: "GET",
    path: "/manifest.webmanifest",
    tier: "public",
    summary: "What the app is called and looks like, installed.",
    answers: "application/manifest+json",
    handle: () =>
      new Response(JSON.stringify(MANIFEST), { headers: { ...FRESH, "content-type": "application/manifest+json" } }),
  },
  {
    method: "GET",
    path: "/sw.js",
    tier: "public",
    summary: "The app's service worker.",
    answers: "text/javascript",
    handle: () => new Response(WORKER, { headers: { ...FRESH, "content-type": "text/javascript; charset=utf-8" } }),
  },
  {
    method: "GET",
    path: "/offline",
    tier: "public",
    summary: "What the app shows without a connection.",
    answers: "text/html",
    async handle({ request }) {
      const { Offline } = await import("../../web/pages/offline.tsx");
      return pageAnswer(request, Offline({ viewer: viewerOf(deps, { human: null, request }) }));
    },
  },
  ...ICON_FILES.map(
    ({ path, file }): PublicRoute => ({
      method: "GET",
      path,
      tier: "public",
      summary: "An icon of the app.",
      answers: "image/png",
      handle: () =>
        new Response(Bun.file(file), {
          headers: { "content-type": "image/png", "cache-control": "public, max-age=86400" },
        }),
    }),
  ),
];
