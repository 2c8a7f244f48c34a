// Create: makes the adapter for a configured backend, and reads the short form `kind[@url]` of INFERNET_BACKEND.
import { err, ok, type Result } from "../lib/result.ts";
import { BACKEND_KINDS, type BackendKind } from "../protocol/backend-kinds.ts";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import type { Backend } from "./backend.ts";
import { type EmbeddedOptions, embedded, embeddedMissing } from "./embedded/embedded.ts";
import type { Fetch } from "./http.ts";
import { infernet, type PeerNode } from "./infernet/infernet.ts";
import { ollama } from "./ollama/ollama.ts";
import type { OpenAiKind } from "./openai-compatible/dialect.ts";
import { openAiCompatible } from "./openai-compatible/openai-compatible.ts";

/** One entry of `[[node.backends]]`. */
export type BackendConfig = {
  kind: BackendKind;
  url?: string | null;
  apiKey?: string | null;
  /** The upstream coordinator's key, and what lets this node in there, for kind `infernet`. */
  pubkey?: Pubkey | null;
  joinToken?: string | null;
  /** Of an Ollama: requests side by side; null for its own default. */
  parallel?: number | null;
  /** Of an Ollama: tokens asked for where a model names none; null for the adapter's default. */
  contextLength?: number | null;
  /** Of an Ollama: models that run in somebody's cloud are offered, too. */
  cloudModels?: boolean;
};

export type BackendDeps = {
  fetch?: Fetch;
  embedded?: EmbeddedOptions;
  /** Who asks an upstream coordinator, for kind `infernet`. */
  peer?: PeerNode;
};

/** Where each server listens when nobody says otherwise; null where an address must be given. */
export const DEFAULT_URLS: Record<BackendKind, string | null> = {
  ollama: "http://127.0.0.1:11434",
  vllm: "http://127.0.0.1:8000",
  sglang: "http://127.0.0.1:30000",
  max: "http://127.0.0.1:8000",
  llamacpp: "http://127.0.0.1:8080",
  exo: "http://127.0.0.1:52415",
  openai: null,
  infernet: null,
  embedded: null,
};

/** The error is a sentence for the operator. Opens nothing. */
export function createBackend(config: BackendConfig, deps: BackendDeps = {}): Result<Backend, string> {
  const { kind, apiKey = null } = config;
  if (kind === "embedded") {
    const missing = embeddedMissing();
    return missing === null ? ok(embedded(deps.embedded)) : err(missing);
  }
  const url = config.url ?? DEFAULT_URLS[kind];
  if (url === null) return err(`a backend of kind "${kind}" needs a url`);
  if (!isHttpUrl(url))
    return err(`the url of the ${kind} backend must begin with http:// or https:// (given: ${shown(url)})`);
  if (kind === "infernet") return upstream(url, config, deps.peer);
  const options = { url, apiKey, ...(deps.fetch === undefined ? {} : { fetch: deps.fetch }) };
  if (kind === "ollama") {
    const { parallel = null, contextLength = null, cloudModels = false } = config;
    const sizes = { ...(parallel === null ? {} : { parallel }), ...(contextLength === null ? {} : { contextLength }) };
    return ok(ollama({ ...options, ...sizes, cloud: cloudModels }));
  }
  return ok(openAiCompatible({ ...options, kind: kind satisfies OpenAiKind }));
}

function upstream(
  url: string,
  { pubkey: coordinator = null, joinToken = null }: BackendConfig,
  node: PeerNode | undefined,
): Result<Backend, string> {
  if (coordinator === null) return err('a backend of kind "infernet" needs the pubkey of the coordinator at its url');
  if (node === undefined) return err('a backend of kind "infernet" belongs to a node: it signs with the node\'s key');
  if (node.coordinators.includes(coordinator))
    return err(`${shown(url)} is a coordinator that this node serves: it cannot be its backend as well`);
  return ok(infernet({ url, coordinator, joinToken, node }));
}

/**
 * Reads `kind`, `kind@url` or `infernet@url#pubkey`, e.g. "ollama" or "vllm@http://10.0.0.2:8000". The error is a
 * sentence.
 */
export function parseBackendOverride(text: string): Result<BackendConfig, string> {
  const at = text.indexOf("@");
  const name = (at < 0 ? text : text.slice(0, at)).trim();
  const address = at < 0 ? null : text.slice(at + 1).trim();
  const kind = BACKEND_KINDS.find((known) => known === name);
  if (kind === undefined) return err(`"${name}" is no kind of backend: must be one of ${BACKEND_KINDS.join(", ")}`);
  const [url = null, key] = kind === "infernet" ? (address?.split("#", 2) ?? []) : [address];
  if (url !== null && !isHttpUrl(url)) return err(`"${shown(url)}" is no address: must be like http://127.0.0.1:8000`);
  if (url === null && DEFAULT_URLS[kind] === null && kind !== "embedded")
    return err(`"${kind}" needs an address: ${kind}@http://…`);
  if (url !== null && kind === "embedded") return err('"embedded" takes no address');
  if (kind === "infernet") {
    const pubkey = pubkeySchema.safeParse(key);
    if (!pubkey.success) return err('"infernet" needs its coordinator\'s key: infernet@https://…#<64 hex digits>');
    return ok({ kind, url, pubkey: pubkey.data });
  }
  return ok(url === null ? { kind } : { kind, url });
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === "http:" || url.protocol === "https:");
}

/** An address for a message: credentials out. */
const shown = (url: string): string => url.replace(/\/\/[^/@]*@/, "//…@");
