// Ops routes: what those who run an instance look at, the same in every mode.
import type { Metrics } from "./metrics.ts";
import type { HttpRoute } from "./routes.ts";

export type OpsDeps = {
  metrics: Pick<Metrics, "render" | "contentType">;
  /** What keeps this instance from working; null when it works. */
  unready: () => string | null;
};

/** Health for orchestrators and figures for Prometheus; the same in every mode. */
export function opsRoutes({ metrics, unready }: OpsDeps): HttpRoute[] {
  return [
    {
      method: "GET",
      path: "/healthz",
      tier: "public",
      summary: "Alive.",
      answers: "text/plain",
      handle: () => new Response("ok\n"),
    },
    {
      method: "GET",
      path: "/readyz",
      tier: "public",
      summary: "Ready for work; 503 and why otherwise.",
      answers: "text/plain",
      handle() {
        const why = unready();
        return why === null ? new Response("ready\n") : new Response(`${why}\n`, { status: 503 });
      },
    },
    {
      method: "GET",
      path: "/metrics",
      tier: "public",
      summary: "Figures in Prometheus' text format.",
      answers: "text/plain",
      handle: async () => new Response(await metrics.render(), { headers: { "content-type": metrics.contentType } }),
    },
  ];
}
