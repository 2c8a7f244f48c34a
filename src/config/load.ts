// Load: finds config.toml, lays flags over environment over file over defaults, and reports everything that is wrong
// at once, each with its key, its value, where it came from and what is allowed.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse as parseToml } from "smol-toml";
import { err, ok, type Result } from "../lib/result.ts";
import { defaultDataDir } from "./default-data-dir.ts";
import { explain, inFileOrder } from "./explain.ts";
import { CONFIG_KEYS, type ConfigKey, fromText } from "./keys.ts";
import { type ConfigProblem, isTree, type Layers, type Source, type Tree } from "./layers.ts";
import { type Config, configSchema, SECTIONS } from "./schema.ts";

export type LoadedConfig = {
  config: Config;
  /** By key name, e.g. "server.port". */
  sources: Record<string, Source>;
  /** The file that was read; null where there is none. */
  file: string | null;
  /** Things worth saying that do not stop the start. */
  warnings: string[];
};

export type LoadInput = {
  /** Values as typed after flags, by key name; see `flagValues`. */
  flags: Record<string, string>;
  /** `--config` */
  configFile?: string | undefined;
  env: Record<string, string | undefined>;
  cwd: string;
};

/** Reads, lays over, checks. Every problem found is in the error, in the order of the keys. */
export function loadConfig(input: LoadInput): Result<LoadedConfig, ConfigProblem[]> {
  const layers: Layers = { tree: {}, sources: {}, problems: [], warnings: [] };
  const found = findFile(input);
  if (found) readFileLayer(layers, found.path, found.asked);
  readEnvironment(layers, input.env);
  readFlags(layers, input.flags);

  const parsed = configSchema.safeParse(layers.tree);
  if (!parsed.success) {
    const issues = parsed.error.issues.flatMap((issue) => explain(issue, layers));
    return err(inFileOrder([...layers.problems, ...issues]));
  }
  if (layers.problems.length > 0) return err(inFileOrder(layers.problems));
  const chosen = parsed.data.data_dir ?? defaultDataDir(input);
  if (chosen === null) return err([HOMELESS]);
  const dataDir = resolve(input.cwd, chosen);
  const misplaced = found && !found.asked ? misplacedDataDir(found.path, dataDir, layers) : undefined;
  if (misplaced) return err([misplaced]);
  for (const key of CONFIG_KEYS) layers.sources[key.name] ??= { from: "default", where: "default" };
  const config: Config = { ...parsed.data, data_dir: dataDir };
  return ok({ config, sources: layers.sources, file: found?.path ?? null, warnings: layers.warnings });
}

const HOMELESS: ConfigProblem = {
  key: "data_dir",
  message: "this user has no home directory to keep data in: name a directory with --data-dir or INFERNET_DATA_DIR",
  source: { from: "default", where: "default" },
};

/** The data directory alone, before the file is found that may say more; null where there is none to look in. */
function dataDirOf({ flags, env, cwd }: LoadInput): string | null {
  const path = flags.data_dir || env.INFERNET_DATA_DIR || defaultDataDir({ env });
  return path === null ? null : resolve(cwd, path);
}

function findFile(input: LoadInput): { path: string; asked: boolean } | null {
  const asked = input.configFile || input.env.INFERNET_CONFIG;
  if (asked) return { path: resolve(input.cwd, asked), asked: true };
  const places = [dataDirOf(input), input.cwd].filter((place) => place !== null);
  const path = places.map((place) => join(place, "config.toml")).find((candidate) => existsSync(candidate));
  return path ? { path, asked: false } : null;
}

function readFileLayer(layers: Layers, path: string, asked: boolean): void {
  const source: Source = { from: "file", where: path };
  const broken = (message: string) => layers.problems.push({ key: "", message, source });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" && asked ? "there is no such file" : `it cannot be read (${code ?? error})`;
    broken(why);
    return;
  }
  try {
    layers.tree = parseToml(text) as Tree;
  } catch (error) {
    // smol-toml's message goes on with an excerpt, which could hold a secret: only its first line is shown.
    const { line, column } = error as { line?: number; column?: number };
    const first = String((error as Error).message).split("\n", 1)[0];
    broken(`line ${line ?? "?"}, column ${column ?? "?"}: ${first}`);
    return;
  }
  for (const key of CONFIG_KEYS) if (valueAt(layers.tree, key) !== undefined) layers.sources[key.name] = source;
}

function readEnvironment(layers: Layers, env: LoadInput["env"]): void {
  for (const key of CONFIG_KEYS) {
    const text = env[key.env];
    if (text) setFromText(layers, key, text, { from: "environment", where: key.env });
  }
  const shortForm = env.INFERNET_BACKEND;
  if (shortForm && !env.INFERNET_NODE_BACKENDS) {
    setValue(layers, "node", "backends", [backendEntry(shortForm)], { from: "environment", where: "INFERNET_BACKEND" });
  }
  const known = new Set([...CONFIG_KEYS.map((key) => key.env), ...OTHER_VARIABLES]);
  for (const name of Object.keys(env)) {
    if (!name.startsWith("INFERNET_") || known.has(name) || KUBERNETES.test(name)) continue;
    const section = Object.keys(SECTIONS).find((table) => name.startsWith(`INFERNET_${table.toUpperCase()}_`));
    if (!section) layers.warnings.push(`the environment variable ${name} is not one of infernet's; it is ignored`);
    else {
      const allowed = CONFIG_KEYS.filter((key) => key.section === section).map((key) => key.env);
      const message = `is unknown; allowed are ${allowed.join(", ")}`;
      layers.problems.push({ key: name, message, source: { from: "environment", where: name } });
    }
  }
}

/** `kind`, `kind@url` or `infernet@url#pubkey`, not checked yet. */
function backendEntry(text: string): Tree {
  const at = text.indexOf("@");
  if (at < 0) return { kind: text };
  const [kind, address] = [text.slice(0, at), text.slice(at + 1)];
  const hash = kind === "infernet" ? address.indexOf("#") : -1;
  return hash < 0 ? { kind, url: address } : { kind, url: address.slice(0, hash), pubkey: address.slice(hash + 1) };
}

/** Variables of the command line that are no keys. */
const OTHER_VARIABLES = [
  "INFERNET_CONFIG",
  "INFERNET_BACKEND",
  "INFERNET_API_KEY",
  "INFERNET_URL",
  "INFERNET_CACHE_DIR",
];
/** What Kubernetes puts into a pod's environment for a service named infernet. */
const KUBERNETES = /_SERVICE_(HOST|PORT)|_PORT(_\d+_(TCP|UDP).*)?$/;

function readFlags(layers: Layers, flags: LoadInput["flags"]): void {
  for (const key of CONFIG_KEYS) {
    const text = flags[key.name];
    if (text !== undefined) setFromText(layers, key, text, { from: "flag", where: `--${key.flag}` });
  }
}

function setFromText(layers: Layers, key: ConfigKey, text: string, source: Source): void {
  const value = fromText(key, text);
  if (value.ok) setValue(layers, key.section, key.key, value.value, source);
  else {
    const shown = key.meta.secret || key.kind.startsWith("table") ? "" : ` ${JSON.stringify(text)}`;
    layers.problems.push({ key: key.name, message: `the value${shown} is ${value.error}`, source });
  }
}

function setValue(layers: Layers, section: string, key: string, value: unknown, source: Source): void {
  if (section === "") layers.tree[key] = value;
  else {
    const table = layers.tree[section] ?? {};
    // A section that is no table is the file's mistake, which the schema reports.
    if (!isTree(table)) return;
    layers.tree[section] = { ...table, [key]: value };
  }
  layers.sources[section ? `${section}.${key}` : key] = source;
}

function valueAt(tree: Tree, { section, key }: ConfigKey): unknown {
  const table = section === "" ? tree : tree[section];
  return isTree(table) ? table[key] : undefined;
}

/** data_dir cannot be said in a file that was found because of another data directory. */
function misplacedDataDir(path: string, dataDir: string, layers: Layers): ConfigProblem | undefined {
  const source = layers.sources.data_dir;
  if (source?.from !== "file" || path === join(dataDir, "config.toml")) return undefined;
  if (existsSync(join(dataDir, "config.toml"))) {
    const message = `names ${dataDir}, which has a config.toml of its own; keep one of the two`;
    return { key: "data_dir", message, source };
  }
  return undefined;
}
