// JSON grammar: a JSON schema as a GBNF grammar (github.com/ggml-org/llama.cpp, grammars/README.md), which llama.cpp
// holds a model to. A keyword that the grammar cannot keep is refused instead of being passed over.
import { err, ok, type Result } from "../../lib/result.ts";
import { isRecord } from "../record.ts";

const MAX_RULES = 2000;
/** llama.cpp writes repetitions out, so that large ones cost memory and time. */
const MAX_REPEAT = 1000;

/** Rules that every grammar of ours may use. */
const BASE: Record<string, string> = {
  space: '| " " | "\\n" [ \\t]{0,20}',
  char: '[^"\\\\\\x7F\\x00-\\x1F] | [\\\\] (["\\\\bfnrt/] | "u" [0-9a-fA-F]{4})',
  string: '"\\"" char* "\\""',
  integer: '"-"? ("0" | [1-9] [0-9]{0,15})',
  number: 'integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?',
  boolean: '"true" | "false"',
  null: '"null"',
  member: 'string ":" space value',
  object: '"{" space (member ("," space member)* space)? "}"',
  array: '"[" space (value ("," space value)* space)? "]"',
  value: "object | array | string | number | boolean | null",
};

const DATE = '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])';
const TIME =
  '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})? ("Z" | [-+] [0-2] [0-9] ":" [0-5] [0-9])';
const FORMATS: Record<string, string> = {
  date: DATE,
  time: TIME,
  "date-time": `${DATE} "T" ${TIME}`,
  uuid: '[0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}',
};

/** Say something to people only. */
const ANNOTATIONS = [
  ..."title description default examples deprecated readOnly writeOnly strict".split(" "),
  ...["$schema", "$id", "$comment", "$defs", "definitions"],
];
/** What each form of schema may hold beside its annotations. */
const KNOWN: Record<string, readonly string[]> = {
  object: ["type", "properties", "required", "additionalProperties"],
  array: ["type", "items", "minItems", "maxItems"],
  string: ["type", "minLength", "maxLength", "format"],
  number: ["type"],
  integer: ["type"],
  boolean: ["type"],
  null: ["type"],
};

/** Any JSON object. */
export const JSON_OBJECT_GRAMMAR = `root ::= object\n${rulesText(BASE)}`;

/** A grammar of one value after the schema. The error is a sentence for the client. */
export function schemaGrammar(schema: unknown): Result<string, string> {
  return grammarOf((rules) => rules.schema(schema, schema));
}

export type CalledFunction = { name: string; parameters: unknown };

/** A grammar of one call of one of the functions, as `before{"name": …, "arguments": …}after`. */
export function callGrammar(
  functions: readonly CalledFunction[],
  before: string,
  after: string,
): Result<string, string> {
  return grammarOf((rules) => {
    const calls = functions.map(({ name, parameters }) => {
      const args = parameters === undefined || parameters === null ? "object" : rules.schema(parameters, parameters);
      return `${literal(`{"name": ${JSON.stringify(name)}, "arguments": `)} ${args} "}"`;
    });
    return `${literal(before)} (${calls.join(" | ")}) ${literal(after)}`;
  });
}

/** A schema that the grammar cannot keep. */
class Unsupported extends Error {}

function grammarOf(root: (rules: Rules) => string): Result<string, string> {
  const rules = new Rules();
  try {
    const body = root(rules);
    return ok(`root ::= ${body}\n${rulesText({ ...BASE, ...rules.made })}`);
  } catch (thrown) {
    if (thrown instanceof Unsupported) return err(thrown.message);
    throw thrown;
  }
}

function rulesText(rules: Record<string, string>): string {
  return Object.entries(rules)
    .map(([name, body]) => `${name} ::= ${body}\n`)
    .join("");
}

/** A GBNF string. */
function literal(text: string): string {
  const escaped = text
    .replace(/[\\"]/g, "\\$&")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return `"${escaped}"`;
}

class Rules {
  readonly made: Record<string, string> = {};
  private count = 0;
  /** Rules of what `$ref` names, by the place, made once. */
  private readonly refs = new Map<string, string>();

  /** The name of a rule for `schema`. `root`: what its references are looked up in. */
  schema(schema: unknown, root: unknown): string {
    const name = this.next();
    this.made[name] = this.body(schema, root);
    return name;
  }

  private next(): string {
    this.count++;
    if (this.count > MAX_RULES) throw new Unsupported("the schema is too large");
    return `r${this.count}`;
  }

  private body(schema: unknown, root: unknown): string {
    if (schema === true) return "value";
    if (!isRecord(schema)) throw new Unsupported("a schema must be an object");
    if (typeof schema.$ref === "string") return this.reference(only(schema, ["$ref"]).$ref as string, root);
    if ("const" in schema) return literal(JSON.stringify(only(schema, ["const", "type"]).const));
    if (Array.isArray(schema.enum)) {
      const values = only(schema, ["enum", "type"]).enum as unknown[];
      if (values.length === 0) throw new Unsupported("enum must not be empty");
      return values.map((value) => literal(JSON.stringify(value))).join(" | ");
    }
    for (const key of ["anyOf", "oneOf", "allOf"]) {
      const list = schema[key];
      if (!Array.isArray(list)) continue;
      only(schema, [key, "type"]);
      if (list.length === 0 || (key === "allOf" && list.length > 1))
        throw new Unsupported(`${key} is not supported here`);
      return list.map((item) => this.schema(item, root)).join(" | ");
    }
    if (Array.isArray(schema.type)) {
      return schema.type.map((type) => this.schema(forType(schema, type), root)).join(" | ");
    }
    return this.typed(schema, root);
  }

  private typed(schema: Record<string, unknown>, root: unknown): string {
    const type = schema.type ?? (isRecord(schema.properties) ? "object" : null);
    if (type === null) {
      only(schema, []);
      return "value";
    }
    const known = typeof type === "string" ? KNOWN[type] : undefined;
    if (known === undefined) throw new Unsupported(`the type ${JSON.stringify(type)} is not known`);
    only(schema, known);
    if (type === "object") return this.object(schema, root);
    if (type === "array") return this.array(schema, root);
    return type === "string" ? stringBody(schema) : String(type);
  }

  private reference(ref: string, root: unknown): string {
    const known = this.refs.get(ref);
    if (known !== undefined) return known;
    const [, group = "", key = ""] = /^#\/(\$defs|definitions)\/([^/]+)$/.exec(ref) ?? [];
    const groups = isRecord(root) ? root[group] : undefined;
    const target = ref === "#" ? root : isRecord(groups) ? groups[key] : undefined;
    if (target === undefined) throw new Unsupported(`the reference ${JSON.stringify(ref)} leads nowhere`);
    const name = this.next();
    this.refs.set(ref, name);
    this.made[name] = this.body(target, root);
    return name;
  }

  /** Required properties come first, in the schema's order, then any of the others. */
  private object(schema: Record<string, unknown>, root: unknown): string {
    const properties = isRecord(schema.properties) ? Object.entries(schema.properties) : [];
    const { additionalProperties: more = true } = schema;
    if (properties.length === 0) {
      if (more === false) return '"{" space "}"';
      const member = `string ":" space ${this.schema(more, root)}`;
      return `"{" space (${member} ("," space ${member})* space)? "}"`;
    }
    const required = new Set(Array.isArray(schema.required) ? schema.required : []);
    const pair = ([key, value]: [string, unknown]) =>
      `${literal(`${JSON.stringify(key)}:`)} space ${this.schema(value, root)}`;
    const first = properties.filter(([key]) => required.has(key)).map(pair);
    const others = properties.filter(([key]) => !required.has(key)).map(pair);
    const tails = this.tails(others);
    if (first.length > 0) return `"{" space ${first.join(' "," space ')} ${tails[0] ?? ""} space "}"`;
    const starts = others.map((other, i) => `${other} ${tails[i + 1] ?? ""}`);
    return `"{" space ((${starts.join(" | ")}) space)? "}"`;
  }

  /** Rules for any of the pairs from the n-th on, in order; each leads to the next, so that they stay short. */
  private tails(pairs: readonly string[]): string[] {
    const tails: string[] = [];
    let next = "";
    for (const pair of pairs.toReversed()) {
      const name = this.next();
      this.made[name] = `("," space ${pair})? ${next}`;
      tails.unshift(name);
      next = name;
    }
    return tails;
  }

  private array(schema: Record<string, unknown>, root: unknown): string {
    const [min, max] = bounds(schema, "minItems", "maxItems");
    const item = this.schema(schema.items ?? true, root);
    if (max === 0) return '"[" space "]"';
    const more = `("," space ${item}){${Math.max(0, min - 1)},${max === null ? "" : max - 1}}`;
    return min > 0 ? `"[" space ${item} ${more} space "]"` : `"[" space (${item} ${more} space)? "]"`;
  }
}

function stringBody(schema: Record<string, unknown>): string {
  const { format } = schema;
  const [min, max] = bounds(schema, "minLength", "maxLength");
  if (format !== undefined) {
    const body = typeof format === "string" ? FORMATS[format] : undefined;
    if (body === undefined) throw new Unsupported(`the format ${JSON.stringify(format)} is not supported here`);
    return `"\\"" ${body} "\\""`;
  }
  return min === 0 && max === null ? "string" : `"\\"" char{${min},${max ?? ""}} "\\""`;
}

function bounds(schema: Record<string, unknown>, least: string, most: string): [number, number | null] {
  const read = (key: string): number | null => {
    const value = schema[key] ?? null;
    if (value === null) return null;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_REPEAT) return value;
    throw new Unsupported(`${key} must be a whole number from 0 to ${MAX_REPEAT}`);
  };
  const [min, max] = [read(least) ?? 0, read(most)];
  if (max !== null && max < min) throw new Unsupported(`${most} is below ${least}`);
  return [min, max];
}

/** One of several types, with the keywords that are its own. */
function forType(schema: Record<string, unknown>, type: unknown): Record<string, unknown> {
  const known = typeof type === "string" ? KNOWN[type] : undefined;
  if (known === undefined) throw new Unsupported(`the type ${JSON.stringify(type)} is not known`);
  const all = new Set(Object.values(KNOWN).flat());
  const kept = Object.entries(schema).filter(([key]) => known.includes(key) || !all.has(key));
  return { ...Object.fromEntries(kept), type };
}

/** The schema itself, once it is sure that it holds nothing that would be passed over. */
function only(schema: Record<string, unknown>, known: readonly string[]): Record<string, unknown> {
  for (const [key, value] of Object.entries(schema)) {
    if (known.includes(key) || ANNOTATIONS.includes(key) || value === undefined) continue;
    throw new Unsupported(`the keyword "${key.slice(0, 64)}" is not supported here`);
  }
  return schema;
}
