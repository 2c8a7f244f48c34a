// Explain: the schema's issues in words: the key, its value, where that was written, and what is allowed.
import type { z } from "zod";
import { allowedText, CONFIG_KEYS, schemaAt } from "./keys.ts";
import { type ConfigProblem, isTree, type Layers, type Source } from "./layers.ts";
import { SECTIONS, TOP_KEYS } from "./schema.ts";

/** An issue of the schema, in words. One line for every unknown key. */
export function explain(issue: z.core.$ZodIssue, layers: Layers): ConfigProblem[] {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    const schema = schemaAt(path);
    const allowed = path.length === 0 ? [...Object.keys(TOP_KEYS), ...Object.keys(SECTIONS)].join(", ") : "";
    const names = allowed || (schema ? allowedText(schema).replace("a table with ", "") : "");
    return issue.keys.map((unknown) => ({
      key: dotted([...path, unknown]),
      message: `is unknown; allowed here are ${names}`,
      source: sourceOf(path, unknown, layers),
    }));
  }
  const schema = schemaAt(path);
  const secret = path.some((_, i) => (schemaAt(path.slice(0, i + 1))?.meta() as { secret?: boolean })?.secret === true);
  const value = path.reduce<unknown>(
    (at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step],
    layers.tree,
  );
  const shown = secret || value === undefined || !isPlain(value) ? "" : `${JSON.stringify(value)} is not allowed: `;
  const own = issue.code === "custom" || issue.code === "invalid_format" ? issue.message : "";
  const missing = value === undefined && issue.code === "invalid_type" ? "is missing; " : "";
  const rule = own || `must be ${schema ? allowedText(schema) : issue.message}`;
  return [{ key: dotted(path), message: `${missing}${shown}${rule}`, source: sourceOf(path, "", layers) }];
}

function sourceOf(path: readonly PropertyKey[], last: string, layers: Layers): Source {
  const full = last === "" ? path : [...path, last];
  const known = layers.sources[full.slice(0, 2).join(".")] ?? layers.sources[String(full[0])];
  return (
    known ?? Object.values(layers.sources).find((s) => s.from === "file") ?? { from: "file", where: "config.toml" }
  );
}

/** ["node", "backends", 0, "kind"] → `node.backends[0].kind` */
const dotted = (path: readonly PropertyKey[]): string =>
  path
    .map((step, i) => (typeof step === "number" ? `[${step}]` : i === 0 ? String(step) : `.${String(step)}`))
    .join("");

/** The problems in the order of config.toml; those of no known key last. */
export function inFileOrder(problems: ConfigProblem[]): ConfigProblem[] {
  const rank = ({ key }: ConfigProblem) => {
    const i = CONFIG_KEYS.findIndex((known) => key === known.name || key.startsWith(`${known.name}[`));
    return i < 0 ? CONFIG_KEYS.length : i;
  };
  return problems.toSorted((a, b) => rank(a) - rank(b));
}

/** Holds no tables, in which a secret could be. */
const isPlain = (value: unknown): boolean =>
  Array.isArray(value) ? value.every((item) => typeof item !== "object") : !isTree(value);
