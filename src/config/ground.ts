// Ground: a loaded configuration as settings stand on it: each key with its source, and the values in effect, which
// change in place for whoever holds them.
import { z } from "zod";
import { ok, type Result } from "../lib/result.ts";
import type { Ground, SettingFault, SettingKey } from "../settings/settings.ts";
import { explain } from "./explain.ts";
import { pricesSchema } from "./fields.ts";
import { allowedText, bare, CONFIG_KEYS, type ConfigKey, fromText } from "./keys.ts";
import type { Source, Tree } from "./layers.ts";
import { effectiveValue } from "./print.ts";
import { type Config, configSchema } from "./schema.ts";
import { choicesOf, SETTING_GROUPS, settingWords } from "./setting-groups.ts";

export type ConfigGround = {
  ground: Ground;
  /** What is in effect, settings included: read anew whenever it is needed. */
  config: Config;
};

const DEFAULT: Source = { from: "default", where: "default" };
const UNKNOWN: Source = { from: "file", where: "the configuration" };
const isDefault = ({ schema }: ConfigKey, value: unknown): boolean =>
  JSON.stringify(schema.safeParse(undefined).data ?? null) === JSON.stringify(value);

/** `sources` by key name, as loaded, as far as they are known. What was loaded is left as it is. */
export function configGround(loaded: Config, sources: Readonly<Record<string, Source>>): ConfigGround {
  const config = structuredClone(loaded);
  const shown = CONFIG_KEYS.filter(({ meta }) => meta.hidden !== true);
  const byName = new Map(shown.map((key) => [key.name, key]));
  const isLive = ({ meta: { live } }: ConfigKey) =>
    live !== undefined && (live === loaded.mode || live === "both" || loaded.mode === "both");
  const live = shown.filter(isLive);

  const withSettings = (values: ReadonlyMap<string, unknown>): Tree => {
    const tree = structuredClone(loaded) as Tree;
    for (const key of live) if (values.has(key.name)) tableOf(tree, key)[key.key] = values.get(key.name);
    return tree;
  };
  const ground: Ground = {
    keys: shown.map((key) => settingKey(key, isLive(key))),
    groups: SETTING_GROUPS,
    beneath(name) {
      const key = byName.get(name);
      if (!key) return { value: null, source: DEFAULT };
      const value = effectiveValue(loaded, key, "masked");
      return { value, source: sources[name] ?? (isDefault(key, value) ? DEFAULT : UNKNOWN) };
    },
    read(name, text): Result<unknown, string> {
      const key = byName.get(name);
      return key ? fromText(key, text) : ok(text);
    },
    check(values): SettingFault[] {
      const tree = withSettings(values);
      const parsed = configSchema.safeParse(tree);
      if (parsed.success) return [];
      const layers = { tree, sources: { ...sources }, problems: [], warnings: [] };
      return parsed.error.issues.flatMap((issue) =>
        explain(issue, layers).map(({ key, message }) => {
          const [owner, entry] = [ownerOf(key), entryIn(key)];
          return { key: owner, message: entry === "" ? message : `${message} (in ${entry})` };
        }),
      );
    },
    lay(values) {
      const next = configSchema.parse(withSettings(values)) as unknown as Tree;
      for (const key of live) tableOf(config as Tree, key)[key.key] = tableOf(next, key)[key.key];
    },
  };
  return { ground, config };
}

/** `aliases.gpt-4o[0]` is about `aliases`. */
const ownerOf = (path: string): string =>
  CONFIG_KEYS.find(({ name }) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`))?.name ??
  path;

/** Of `node.prices.llama3.input` what stands in the table: `llama3.input`. */
function entryIn(path: string): string {
  const owner = ownerOf(path);
  return path.startsWith(`${owner}.`) ? path.slice(owner.length + 1) : "";
}

const tableOf = (tree: Tree, { section }: ConfigKey): Tree => (section === "" ? tree : (tree[section] as Tree));

/** What is said of its values is made when somebody looks: at the start nobody does, and schemas of all keys take 20 ms. */
function settingKey(key: ConfigKey, live: boolean): SettingKey {
  let made: ReturnType<typeof valuesOf> | undefined;
  const values = () => {
    made ??= valuesOf(key);
    return made;
  };
  return {
    name: key.name,
    section: key.section,
    kind: bare(key.schema) === bare(pricesSchema) ? "prices" : key.kind,
    nullable: key.nullable,
    ...settingWords(key.name, key.meta.why),
    live,
    get allowed() {
      return values().allowed;
    },
    get choices() {
      return values().choices;
    },
    get min() {
      return values().min;
    },
    get max() {
      return values().max;
    },
    get fallback() {
      return values().fallback;
    },
  };
}

function valuesOf({ name, schema, kind }: ConfigKey) {
  const json = z.toJSONSchema(bare(schema), { io: "input", unrepresentable: "any" });
  const number = (value: unknown) => (typeof value === "number" && Number.isSafeInteger(value) ? value : null);
  return {
    allowed: allowedText(schema),
    choices: choicesOf(name, (json.enum ?? enumOf(json.items) ?? []).map(String)),
    min: kind === "integer" ? number(json.minimum) : null,
    max: kind === "integer" ? number(json.maximum) : null,
    fallback: schema.safeParse(undefined).data ?? null,
  } satisfies Partial<SettingKey>;
}

/** Of a list's entries. */
const enumOf = (items: z.core.JSONSchema._JSONSchema | z.core.JSONSchema._JSONSchema[] | undefined) =>
  typeof items === "object" && !Array.isArray(items) ? items.enum : undefined;
