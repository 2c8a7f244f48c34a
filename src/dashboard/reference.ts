// Reference: every route with what it takes, made from the routes themselves.
import { z } from "zod";
import type { Field, Group, ReferenceView, RouteView } from "../../web/pages/reference.tsx";
import { allErrors } from "../http/errors.ts";
import type { HttpRoute } from "../http/routes.ts";

export function referenceOf(routes: readonly HttpRoute[]): Pick<ReferenceView, "groups" | "errors"> {
  const groups = READERS.map(([reader, title, about]): Group => {
    const theirs = routes.filter((route) => readerOf(route) === reader && !isAlias(route, routes));
    return { title, about, routes: theirs.map(viewOf) };
  });
  return { groups: groups.filter((one) => one.routes.length > 0), errors: allErrors() };
}

type Reader = "client" | "worker" | "public" | "machine" | "human";
const READERS: readonly [Reader, string, string][] = [
  [
    "client",
    "For clients",
    "Authorization: Bearer inf_…, or a request signed by a key that is registered as a client.",
  ],
  ["public", "For everybody", "No authentication."],
  ["worker", "For workers", "Authorization: Bearer inf_…, a key of role operator."],
  [
    "human",
    "For people",
    "The session cookie; what changes something sends the session's csrf_token as x-csrf-token too.",
  ],
  ["machine", "For nodes that poll", "Signed with X-Infernet-Auth by the node's key."],
];

/** Nobody reads of the routes that are for this instance's own commands. */
function readerOf(route: HttpRoute): Reader | null {
  if (route.tier === "local") return null;
  return route.tier === "client" && route.scope === "operator" ? "worker" : route.tier;
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
    answers: route.answers ?? "application/json",
    streams: route.streams === true,
    fields,
    example: route.example ?? null,
  };
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
