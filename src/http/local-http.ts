// Local routes on the server: the operations of this instance's operator, behind its own key.
import type { Route as LocalRoute } from "./local.ts";
import { parsePlainJson } from "./openai/chat-request.ts";
import type { HttpRoute } from "./routes.ts";

export const localHttpRoutes = (routes: readonly LocalRoute[]): HttpRoute[] =>
  routes.map((route) => ({
    method: route.method,
    path: route.path,
    tier: "local",
    summary: "For this instance's own commands.",
    async handle({ params, query, body, address }) {
      const text = await body();
      const json = text === "" ? undefined : parsePlainJson(text);
      if (json && !json.ok) return Response.json({ error: json.error.message, code: "invalid" }, { status: 400 });
      const answer = await route.handle({ body: json?.value, params, query, address });
      return Response.json(answer.body, { status: answer.status });
    },
  }));
