// Keys: the schema as a flat list, with each key's environment name, flags and how its value is read from a string.
import { z } from "zod";
import { err, ok, type Result } from "../lib/result.ts";
import type { KeyMeta } from "./fields.ts";
import { configSchema, SECTIONS, TOP_KEYS } from "./schema.ts";

/** How a key's value is written in the environment or after a flag. */
export type KeyKind = "text" | "integer" | "boolean" | "choice" | "list" | "tables" | "table";

export type ConfigKey = {
  /** "" for keys above the first table. */
  section: string;
  key: string;
  /** `server.port`, as errors and `config print` name it. */
  name: string;
  /** `INFERNET_SERVER_PORT` */
  env: string;
  /** `server-port`, without dashes. */
  flag: string;
  kind: KeyKind;
  nullable: boolean;
  meta: KeyMeta;
  schema: z.ZodType;
};

type Def = {
  type: string;
  innerType?: z.ZodType;
  element?: z.ZodType;
  valueType?: z.ZodType;
  options?: z.ZodType[];
};
const defOf = (schema: z.ZodType): Def => schema.def as unknown as Def;

/** The schema without defaults, nullability and the like. */
export function bare(schema: z.ZodType): z.ZodType {
  const { innerType } = defOf(schema);
  return innerType ? bare(innerType) : schema;
}

function isNullable(schema: z.ZodType): boolean {
  const { type, innerType } = defOf(schema);
  return type === "nullable" || (innerType !== undefined && isNullable(innerType));
}

function kindOf(schema: z.ZodType): KeyKind {
  const inner = bare(schema);
  const { type, element } = defOf(inner);
  if (type === "number" || type === "int") return "integer";
  if (type === "boolean") return "boolean";
  if (type === "enum") return "choice";
  if (type === "record") return "table";
  if (type === "array") return element && defOf(bare(element)).type === "object" ? "tables" : "list";
  return "text";
}

function describe(section: string, key: string, schema: z.ZodType): ConfigKey {
  const meta = schema.meta() as KeyMeta | undefined;
  if (!meta) throw new Error(`configuration key without a why: ${section}.${key}`);
  const parts = section ? [section, key] : [key];
  return {
    section,
    key,
    name: parts.join("."),
    env: `INFERNET_${parts.join("_").toUpperCase()}`,
    flag: parts.join("-").replaceAll("_", "-"),
    kind: kindOf(schema),
    nullable: isNullable(schema),
    meta,
    schema,
  };
}

/** Every key, in the order of the file. */
export const CONFIG_KEYS: readonly ConfigKey[] = [
  ...Object.entries(TOP_KEYS).map(([key, schema]) => describe("", key, schema)),
  ...Object.entries(SECTIONS).flatMap(([section, table]) =>
    Object.entries(table.shape).map(([key, schema]) => describe(section, key, schema as z.ZodType)),
  ),
];

/**
 * A value written as text. Lists are separated by commas or JSON; tables are JSON. Numbers and booleans that are none
 * stay text, so that the schema refuses them with what is allowed.
 */
export function fromText(key: ConfigKey, text: string): Result<unknown, string> {
  if (key.nullable && text === "") return ok(null);
  if (key.kind === "integer") return ok(/^[+-]?\d+$/.test(text) ? Number(text) : text);
  if (key.kind === "boolean") return ok({ true: true, "1": true, false: false, "0": false }[text] ?? text);
  if (key.kind === "list" && !text.trimStart().startsWith("[")) {
    const items = text.split(",").map((item) => item.trim());
    return ok(items.filter((item) => item !== ""));
  }
  if (key.kind === "list" || key.kind === "tables" || key.kind === "table") {
    try {
      return ok(JSON.parse(text));
    } catch {
      return err("not valid JSON");
    }
  }
  return ok(text);
}

/** The schema at a path such as ["node", "backends", 0, "kind"]; undefined where there is none. */
export function schemaAt(path: readonly PropertyKey[]): z.ZodType | undefined {
  let schema: z.ZodType | undefined = configSchema;
  for (const step of path) {
    if (!schema) return undefined;
    const inner: z.ZodType = bare(schema);
    if (inner instanceof z.ZodObject) schema = (inner.shape as Record<string, z.ZodType>)[String(step)];
    else schema = typeof step === "number" ? defOf(inner).element : defOf(inner).valueType;
  }
  return schema;
}

/** What a value may be, in words: "an integer from 0 to 65535". */
export function allowedText(schema: z.ZodType): string {
  const inner = bare(schema);
  const { allowed } = (inner.meta() ?? {}) as Partial<KeyMeta>;
  if (allowed) return allowed;
  const json = z.toJSONSchema(inner, { io: "input", unrepresentable: "any" });
  if (json.enum) return `one of ${json.enum.map((value) => JSON.stringify(value)).join(", ")}`;
  if (json.type === "integer") return `an integer from ${json.minimum} to ${json.maximum}`;
  if (json.type === "boolean") return "true or false";
  if (json.type === "array") {
    const element = defOf(inner).element;
    const most = json.maxItems === undefined ? "" : `, at most ${json.maxItems}`;
    return element ? `a list of ${plural(allowedText(element))}${most}` : "a list";
  }
  if (json.type === "object") return `a table with ${Object.keys(json.properties ?? {}).join(", ")}`;
  if (json.type === "string") {
    const { minLength = 0, maxLength } = json;
    if (maxLength !== undefined) return `text of ${minLength} to ${maxLength} characters`;
    return minLength > 0 ? "text, not empty" : "text";
  }
  return "something else";
}

const plural = (text: string): string =>
  text
    .replace(/^an? (\w+)/, (_, noun: string) => (noun.endsWith("s") ? `${noun}es` : `${noun}s`))
    .replace(/^text/, "texts")
    .replace(/^one of/, "values out of");
