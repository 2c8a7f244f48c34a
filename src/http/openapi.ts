// OpenAPI: the description of this instance's API (OpenAPI 3.1), made from the routes themselves.
import { z } from "zod";
import type { HttpRoute, Tier } from "./routes.ts";

const SECURITY: Record<Tier, object[]> = {
  public: [],
  client: [{ apiKey: [] }, { signature: [] }],
  machine: [{ signature: [] }],
  human: [{ session: [] }],
  local: [{ signature: [] }],
};

/** `:name`, and the `*` of model names, which may hold slashes. */
const PARAMETER = /:(\w+)|\*/g;

const ERROR = {
  type: "object",
  properties: {
    error: {
      type: "object",
      properties: {
        message: { type: "string" },
        type: { type: "string" },
        param: { type: ["string", "null"] },
        code: { type: ["string", "null"] },
      },
      required: ["message", "type", "param", "code"],
    },
  },
};
/** What instances are told: nodes that poll. */
const MACHINE_ERROR = {
  type: "object",
  properties: { error: { type: "string" }, code: { type: "string" } },
  required: ["error", "code"],
};

export function openApi(routes: readonly HttpRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    if (route.tier === "local") continue;
    const path = route.path.replaceAll(PARAMETER, (_, name?: string) => `{${name ?? "model"}}`);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "infernet", version, description: "One OpenAI-compatible API over everybody's GPUs." },
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: "http", scheme: "bearer", description: "An API key: inf_…" },
        session: { type: "apiKey", in: "cookie", name: "infernet-session", description: "Of whoever signed in." },
        signature: {
          type: "apiKey",
          in: "header",
          name: "X-Infernet-Auth",
          description: "Signed by an instance's key.",
        },
      },
      schemas: { Error: ERROR, MachineError: MACHINE_ERROR },
    },
  };
}

function operation(route: HttpRoute): object {
  const parameters = [...route.path.matchAll(PARAMETER)].map(([, name = "model"]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const answers = route.answers ?? "application/json";
  return {
    summary: route.summary,
    security: securityOf(route),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body
      ? { requestBody: { required: true, content: { "application/json": { schema: schemaOf(route.body) } } } }
      : {}),
    responses: {
      [route.path === "/api/v1/jobs" && route.method === "POST" ? "202" : "200"]: {
        description: "Good.",
        content: { [answers]: {}, ...(route.streams ? { "text/event-stream": {} } : {}) },
      },
      default: {
        description: "What went wrong.",
        content: {
          "application/json": {
            schema: { $ref: `#/components/schemas/${route.tier === "machine" ? "MachineError" : "Error"}` },
          },
        },
      },
    },
  };
}

function securityOf(route: HttpRoute): object[] {
  if (route.tier === "client" && route.scope === "operator") return [{ apiKey: [] }];
  if (route.tier === "human" && route.access === "visitor") return [];
  return SECURITY[route.tier];
}

const schemaOf = (schema: z.ZodType): object => z.toJSONSchema(schema, { unrepresentable: "any", io: "input" });
