// Probe: finds the inference servers of this machine at their default ports and tells them apart by signs that no
// other one gives. design.md beside this file lists the signs and the traps.
import { readText } from "../lib/read-text.ts";
import type { Backend } from "./backend.ts";
import { type BackendDeps, createBackend, DEFAULT_URLS } from "./create.ts";
import type { Fetch } from "./http.ts";
import { isRecord } from "./record.ts";

/** The kinds that are looked for, in the order in which they are offered. */
export const PROBE_ORDER = ["ollama", "vllm", "sglang", "max", "llamacpp", "exo"] as const;
export type ProbedKind = (typeof PROBE_ORDER)[number];

export type FoundBackend = { kind: ProbedKind | "embedded"; url: string | null; backend: Backend };

export type ProbeDeps = BackendDeps & {
  /** Other addresses than the default ones. */
  urls?: Partial<Record<ProbedKind, string>>;
  /** For each server; all are asked at once. */
  timeoutMs?: number;
};

const DEFAULT_TIMEOUT_MS = 1000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/** All servers found, in order; the embedded engine alone where there are none (nothing at all where it is missing). */
export async function probeBackends(deps: ProbeDeps = {}): Promise<FoundBackend[]> {
  const { urls = {}, timeoutMs = DEFAULT_TIMEOUT_MS, fetch: fetchFn = fetch } = deps;
  const signal = AbortSignal.timeout(timeoutMs);
  const asked = PROBE_ORDER.map(async (kind) => {
    const url = urls[kind] ?? DEFAULT_URLS[kind];
    return url !== null && (await SIGNS[kind](asker(fetchFn, url, signal))) ? { kind, url } : null;
  });
  const found: FoundBackend[] = [];
  for (const server of await Promise.all(asked)) {
    if (server === null) continue;
    const backend = createBackend(server, deps);
    if (backend.ok) found.push({ ...server, backend: backend.value });
  }
  if (found.length > 0) return found;
  const fallback = createBackend({ kind: "embedded" }, deps);
  return fallback.ok ? [{ kind: "embedded", url: null, backend: fallback.value }] : [];
}

type Answer = { text: string; json: unknown; server: string };
type Ask = {
  /** GETs a path; null for anything but a 2xx in time. */
  (path: string): Promise<Answer | null>;
  /** The status it has and the server's name in its header; null where nothing answers in time. */
  status(path: string): Promise<{ status: number; server: string } | null>;
};

function asker(fetchFn: Fetch, url: string, signal: AbortSignal): Ask {
  const base = url.replace(/\/+$/, "");
  const get = async (path: string): Promise<Response | null> => {
    try {
      return await fetchFn(base + path, { signal, redirect: "manual" });
    } catch {
      return null; // Nothing listens there.
    }
  };
  const read = async (path: string): Promise<Answer | null> => {
    const response = await get(path);
    if (!response?.ok || Number(response.headers.get("content-length") ?? 0) > MAX_ANSWER_BYTES) return null;
    try {
      const text = await readText(response, MAX_ANSWER_BYTES);
      return { text, json: parse(text), server: response.headers.get("server") ?? "" };
    } catch {
      return null; // Something that is no HTTP server of ours.
    }
  };
  return Object.assign(read, {
    async status(path: string) {
      const response = await get(path);
      await response?.body?.cancel();
      return response === null ? null : { status: response.status, server: response.headers.get("server") ?? "" };
    },
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // Not JSON.
  }
}

const models = (answer: Answer | null): Record<string, unknown>[] => {
  const data = isRecord(answer?.json) ? answer.json.data : null;
  return Array.isArray(data) ? data.filter(isRecord) : [];
};
const owned = (answer: Answer | null, owner: string): boolean =>
  models(answer).some((model) => model.owned_by === owner);

const SIGNS: Record<ProbedKind, (ask: Ask) => Promise<boolean>> = {
  async ollama(ask) {
    const [root, version] = await Promise.all([ask("/"), ask("/api/version")]);
    // llama-swap answers /api/version too, with more in it.
    const isBare = isRecord(version?.json) && Object.keys(version.json).join() === "version";
    return isBare && root?.text.trim() === "Ollama is running";
  },
  vllm: async (ask) => owned(await ask("/v1/models"), "vllm"),
  async sglang(ask) {
    const [list, info] = await Promise.all([ask("/v1/models"), ask("/server_info")]);
    if (owned(list, "sglang")) return true;
    const older = info ?? (list === null ? null : await ask("/get_server_info"));
    return isRecord(older?.json) && "version" in older.json && "internal_states" in older.json;
  },
  async max(ask) {
    const list = await ask("/v1/models");
    // It shares its port with vLLM and says nothing of itself in the listing.
    if (list === null || !models(list).some((model) => model.owned_by === "" && model.created === null)) return false;
    const api = await ask("/openapi.json");
    const info = isRecord(api?.json) ? api.json.info : null;
    return isRecord(info) && info.title === "MAX Serve";
  },
  async llamacpp(ask) {
    const list = await ask("/v1/models");
    if (list === null) {
      // While it loads its model it lists nothing. One that wants a key has to be configured with it.
      const health = await ask.status("/health");
      return health?.status === 503 && health.server === "llama.cpp";
    }
    return list.server === "llama.cpp" || owned(list, "llamacpp") || owned(list, "llama-swap") || (await isSwap(ask));
  },
  async exo(ask) {
    const [id, list] = await Promise.all([ask("/node_id"), ask("/v1/models")]);
    return id !== null && owned(list, "exo");
  },
};

/** llama-swap with no models configured lists nothing. */
async function isSwap(ask: Ask): Promise<boolean> {
  const answer = await ask("/running");
  return isRecord(answer?.json) && Array.isArray(answer.json.running);
}
