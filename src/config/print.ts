// Print: a configuration as TOML or as rows, with where each value came from and secrets masked; and the example file.
import { stringify } from "smol-toml";
import { z } from "zod";
import type { KeyMeta } from "./fields.ts";
import { allowedText, bare, CONFIG_KEYS, type ConfigKey, schemaAt } from "./keys.ts";
import type { Source } from "./layers.ts";
import type { LoadedConfig } from "./load.ts";
import type { Config } from "./schema.ts";

/** Stands for a secret that is set. */
export const MASK = "********";

/** The value of a key, with secrets (its own, or those inside its tables) replaced. */
export function effectiveValue(config: Config, key: ConfigKey, secrets: "masked" | "shown"): unknown {
  const table = (key.section === "" ? config : config[key.section as keyof Config]) as Record<string, unknown>;
  const value = table[key.key];
  if (secrets === "shown" || value === null) return value;
  if (key.meta.secret) return MASK;
  if (key.kind !== "tables") return value;
  const secretNames = secretFields(key);
  return (value as Record<string, unknown>[]).map((entry) =>
    Object.fromEntries(
      Object.entries(entry).map(([name, inner]) => [name, inner !== undefined && secretNames.has(name) ? MASK : inner]),
    ),
  );
}

/** The secret fields of a key's tables. */
function secretFields({ name }: ConfigKey): Set<string> {
  const entry = schemaAt([...name.split("."), 0]);
  const shape = entry === undefined ? undefined : bare(entry);
  if (!(shape instanceof z.ZodObject)) return new Set();
  const fields = Object.entries(shape.shape as Record<string, z.ZodType>);
  return new Set(fields.filter(([, field]) => isSecret(field)).map(([field]) => field));
}

/** Optional or not: the note may stand on the inner schema. */
const isSecret = (field: z.ZodType): boolean =>
  [field, bare(field)].some((schema) => (schema.meta() as Partial<KeyMeta> | undefined)?.secret === true);

/** True where the key's value is or contains a secret. */
export const holdsSecret = (config: Config, key: ConfigKey): boolean =>
  effectiveValue(config, key, "shown") !== null &&
  JSON.stringify(effectiveValue(config, key, "shown")) !== JSON.stringify(effectiveValue(config, key, "masked"));

export type ConfigRow = { key: string; value: unknown; source: Source };

/** One row for each key, for `config print --json`. */
export function configRows({ config, sources }: LoadedConfig, secrets: "masked" | "shown" = "masked"): ConfigRow[] {
  return CONFIG_KEYS.map((key) => ({
    key: key.name,
    value: effectiveValue(config, key, secrets),
    source: sources[key.name] ?? { from: "default", where: "default" },
  }));
}

/** The effective configuration as a config.toml; with secrets shown, reading it again gives the same. */
export function configToml({ config, sources }: LoadedConfig, secrets: "masked" | "shown" = "masked"): string {
  return inTables((key) => {
    const value = effectiveValue(config, key, secrets);
    const from = sources[key.name];
    const note =
      from && from.from !== "default" ? ` # ${from.from === "settings" ? "settings, by " : ""}${from.where}` : "";
    if (value === null) return [`# ${key.key} is not set`];
    return [`${assignment(key.key, value)}${note}`];
  });
}

/** config.example.toml: every key with a line of why, what is allowed, and its default. */
export function exampleToml(): string {
  const head = [
    "# Every key of infernet's configuration, with its default. Keys without a default are commented out.",
    "# Found by --config, INFERNET_CONFIG, config.toml in the data directory, ./config.toml; the first that is there.",
    "# Flags win over the environment, the environment over this file. [server] port is INFERNET_SERVER_PORT and",
    "# --server-port. In the environment and after flags lists are separated by commas (or JSON), tables are JSON.",
    "# Written by `infernet config example`.",
    "",
  ];
  const body = inTables((key) => {
    const lines = [`# ${key.meta.why}`, `# ${key.name}: ${allowedText(key.schema)}. ${key.env}`];
    const fallback = key.schema.safeParse(undefined).data;
    const variable = key.name === "node.name";
    const value = key.meta.example ? (fallback === null || variable ? quoted(key) : key.meta.example) : null;
    if (fallback === null || variable) lines.push(`# ${key.key} = ${value}`);
    else {
      lines.push(assignment(key.key, fallback));
      if (value !== null) lines.push(`# ${key.key} = ${value}`);
    }
    return [...lines, ""];
  });
  return `${head.join("\n")}\n${body}`;
}

const quoted = (key: ConfigKey): string =>
  key.kind === "integer" ? String(key.meta.example) : JSON.stringify(key.meta.example);

function inTables(linesOf: (key: ConfigKey) => string[]): string {
  const lines: string[] = [];
  let section = "";
  for (const key of CONFIG_KEYS) {
    if (key.section !== section) {
      section = key.section;
      if (lines.length > 0 && lines.at(-1) !== "") lines.push("");
      lines.push(`[${section}]`);
    }
    lines.push(...linesOf(key));
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

/** One line of TOML (v1.0.0); tables inside lists are written inline. */
function assignment(key: string, value: unknown): string {
  return `${key} = ${inline(value)}`;
}

/** A key as TOML takes it: bare where it can be. */
const quotedName = (name: string): string => (/^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name));

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    return entries.length === 0 ? "{}" : `{ ${entries.map(([k, v]) => assignment(quotedName(k), v)).join(", ")} }`;
  }
  return stringify({ v: value }).trim().slice("v = ".length);
}
