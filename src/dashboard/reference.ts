// Reference: every route with what it takes, made from the routes themselves.
import { z } from "zod";
import type { Area, Field, ReferenceView, RouteView } from "../../web/pages/reference.tsx";
import { allErrors } from "../http/errors.ts";
import type { HttpRoute } from "../http/routes.ts";

export function referenceOf(routes: readonly HttpRoute[]): Pick<ReferenceView, "areas" | "errors"> {
  const told = routes.filter((route) => route.tier !== "local" && !isAlias(route, routes));
  const areas = AREAS.map(
    ([id, title]): Area => ({ id, title, routes: told.filter((route) => areaOf(route) === id).map(viewOf) }),
  );
  return { areas: areas.filter((one) => one.routes.length > 0), errors: allErrors() };
}

/** What a route is for, by its path: the first that fits. */
const AREAS: readonly [string, string, RegExp][] = [
  ["inference", "Inference", /^\/(v1|x402)\//],
  ["jobs", "Jobs", /^\/api\/v1\/(jobs|webhooks)\b/],
  ["usage", "Usage, money, receipts", /^\/api\/v1\/(key|credits|usage|statement|receipts)\b/],
  ["funding", "Funding", /^\/api\/v1\/funding\//],
  ["sign-in", "Signing in", /^\/api\/v1\/auth\//],
  ["your-account", "Account", /^\/api\/v1\/account\b/],
  ["organisations", "Organisations", /^\/api\/v1\/organisations\b/],
  ["administration", "Administration", /^\/api\/v1\/admin\//],
  ["workers", "Workers", /^\/api\/v1\/worker\//],
  ["nodes", "Nodes that poll", /^\/api\/v1\/node\//],
  ["instance", "Instance", /^/],
];
const areaOf = ({ path }: HttpRoute): string | undefined => AREAS.find(([, , fits]) => fits.test(path))?.[0];

type Reader = "client" | "worker" | "public" | "machine" | "human";
/** What a request proves itself with. */
const PROOFS: Readonly<Record<Reader, string>> = {
  client: "Authorization: Bearer inf_…, or a request signed by a key that is registered as a client.",
  public: "No authentication.",
  worker: "Authorization: Bearer inf_…, a key of role operator.",
  human: "The session cookie; what changes something sends the session's csrf_token as x-csrf-token too.",
  machine: "Signed with X-Infernet-Auth by the node's key.",
};

/** Routes of this instance's own commands are told to nobody. */
function readerOf({ tier, ...route }: HttpRoute): Reader {
  if (tier === "local") return "machine";
  return tier === "client" && "scope" in route && route.scope === "operator" ? "worker" : tier;
}

/** What is under /v1 as well is shown there. */
const isAlias = ({ method, path }: HttpRoute, routes: readonly HttpRoute[]): boolean =>
  path.startsWith("/api/v1/") && routes.some((other) => other.method === method && other.path === path.slice(4));

function viewOf(route: HttpRoute): RouteView {
  const path = route.path.replaceAll(/:(\w+)|\*/g, (_, name?: string) => `{${name ?? "model"}}`);
  const fields = route.body ? fieldsOf(route.body) : [];
  return {
    id: `${route.method} ${path}`.replaceAll(/[^A-Za-z]+/g, "-").toLowerCase(),
    method: route.method,
    path,
    summary: route.summary,
    proof: PROOFS[readerOf(route)],
    answers: route.answers ?? "application/json",
    streams: route.streams === true,
    fields,
    call: callOf(route),
  };
}

/** Sessions and signatures are no matter of a shell, and a body without an example is not made up. */
function callOf(route: HttpRoute): RouteView["call"] {
  const reader = readerOf(route);
  if (reader === "human" || reader === "machine") return null;
  if (route.body !== undefined && route.example === undefined) return null;
  return { body: route.example ?? null, isOpen: reader === "public" };
}

type JsonSchema = {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  items?: JsonSchema | boolean;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  description?: string;
} & Partial<Record<Bound, number>>;
type Bound = "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems";

function fieldsOf(body: z.ZodType): Field[] {
  const schema = z.toJSONSchema(body, { unrepresentable: "any", io: "input" }) as JsonSchema;
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
    {
      name,
      type: typeOf(field),
      isRequired: schema.required?.includes(name) === true,
      about: field.description ?? "",
    },
    ...innerFields(name, field),
  ]);
}

/** The fields of an object that is a field: `provider.order`. One level: what is deeper is told in words. */
function innerFields(name: string, field: JsonSchema): Field[] {
  const object = [field, ...(field.anyOf ?? [])].find(({ properties }) => properties !== undefined);
  return Object.entries(object?.properties ?? {}).map(([inner, schema]) => ({
    name: `${name}.${inner}`,
    type: typeOf(schema),
    isRequired: false,
    about: schema.description ?? "",
  }));
}

/** In words: "integer, 1 to 16". */
function typeOf(schema: JsonSchema): string {
  if (schema.anyOf) {
    const kinds = schema.anyOf.filter(({ type }) => type !== "null").map(typeOf);
    return [...new Set(kinds)].join(" or ");
  }
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const type = Array.isArray(schema.type) ? schema.type.filter((one) => one !== "null").join(" or ") : schema.type;
  if (type === "array") {
    const of = typeof schema.items === "object" ? `: ${typeOf(schema.items)}` : "";
    return `list${range(schema.minItems, schema.maxItems, " entries")}${of}`;
  }
  if (type === "string") return `text${range(undefined, schema.maxLength, " characters")}`;
  return `${type ?? "anything"}${range(schema.minimum, schema.maximum, "")}`;
}

function range(from: number | undefined, to: number | undefined, unit: string): string {
  const isOpen = to === undefined || to >= Number.MAX_SAFE_INTEGER;
  if (isOpen) return from === undefined || from <= Number.MIN_SAFE_INTEGER ? "" : `, at least ${from}${unit}`;
  return from === undefined || from === 0 || from === 1 ? `, at most ${to}${unit}` : `, ${from} to ${to}${unit}`;
}
