// llama-swap: a proxy that starts a server for the model it is asked for, and stops others for it.
import { err, ok } from "../../lib/result.ts";
import type { CommandProgress } from "../../protocol/commands.ts";
import type { BackendModel, ModelAction } from "../backend.ts";
import { type Endpoint, request } from "../http.ts";
import { isRecord } from "../record.ts";
import type { DialectDeps, ModelActions } from "./dialect.ts";
import { type ServerFacts, serverFacts } from "./llamacpp-server.ts";
import { count, type Entry, offered, page } from "./model-list.ts";
import { until } from "./waiting.ts";

/** State of each model that is not stopped, by name; null where this is no llama-swap. */
async function running(server: Endpoint, signal: AbortSignal): Promise<Map<string, string> | null> {
  const answer = await page(server, "/running", signal);
  if (!Array.isArray(answer?.running)) return null;
  const states = new Map<string, string>();
  for (const item of answer.running) {
    if (isRecord(item) && typeof item.model === "string") states.set(item.model, String(item.state ?? ""));
  }
  return states;
}

/** It lists nothing while it has no models. */
export const isSwap = async (server: Endpoint, signal: AbortSignal): Promise<boolean> =>
  (await running(server, signal)) !== null;

/**
 * Its models, but not those of its peers, which run on somebody else's machine. A server behind it is asked once what
 * it is, while it runs anyway: each question there starts its idle time anew.
 */
export async function findInSwap(
  server: Endpoint,
  entries: readonly Entry[],
  before: ReadonlyMap<string, ServerFacts>,
  signal: AbortSignal,
): Promise<{ models: BackendModel[]; facts: Map<string, ServerFacts> }> {
  const states = await running(server, signal);
  const facts = new Map<string, ServerFacts>();
  const models = await Promise.all(
    entries.map(async (entry) => {
      const own = metadata(entry);
      if (own.peerID !== undefined) return null;
      const isReady = states?.get(entry.id) === "ready" || listedAsLoaded(entry);
      const known = before.get(entry.id) ?? (isReady ? await askOnce(server, entry.id, signal) : null);
      if (known !== null) facts.set(entry.id, { ...known, sleeping: !isReady });
      return offered(entry, {
        contextLength: count(own.context_length) ?? count(own.n_ctx) ?? offered(entry).contextLength,
        ...known?.known,
        loaded: states === null && entry.status === undefined ? null : isReady,
      });
    }),
  );
  return { models: models.filter((model) => model !== null), facts };
}

/** What its configuration says of a model, `meta.llamaswap`. */
function metadata({ meta }: Entry): Record<string, unknown> {
  const own = isRecord(meta) ? meta.llamaswap : null;
  return isRecord(own) ? own : {};
}

const listedAsLoaded = ({ status }: Entry): boolean =>
  isRecord(status) && (status.value === "loaded" || status.value === "ready");

/** Through its way to the server behind it. What is no llama.cpp has no such page, and is not asked again. */
async function askOnce(server: Endpoint, model: string, signal: AbortSignal): Promise<ServerFacts> {
  const behind = { ...server, base: `${server.base}/upstream/${escapePath(model)}` };
  const found = await serverFacts(behind, await page(behind, "/props", signal), undefined, signal);
  return found ?? { known: {}, slots: null, sleeping: false, metrics: false };
}

export function swapActions({ server, pollMs }: DialectDeps): ModelActions {
  const state = async (model: string, signal: AbortSignal) => (await running(server, signal))?.get(model) ?? null;
  const load: ModelAction = async (model, report, signal) => {
    report(phase(`loading ${model}`));
    // Whatever is asked of a model's server starts it, and is answered when it is up.
    const answer = await request(server, `/upstream/${escapePath(model)}/health`, null, signal);
    if (answer.ok) await answer.value.body?.cancel();
    if (signal.aborted || (await state(model, signal)) === "ready") return signal.aborted ? ABORTED : ok(undefined);
    return answer.ok
      ? err({ code: "backend_failed", message: `llama-swap answered, but does not run ${model}` })
      : answer;
  };
  const unload: ModelAction = async (model, report, signal) => {
    report(phase(`unloading ${model}`));
    const asked = await request(server, `/api/models/unload/${escapePath(model)}`, "{}", signal);
    if (!asked.ok) return asked;
    return await until(pollMs, signal, async () => ok((await state(model, signal)) === null ? "done" : "not yet"));
  };
  return { model_load: load, model_unload: unload };
}

const ABORTED = err({ code: "aborted", message: "aborted" } as const);
const phase = (words: string): CommandProgress => ({ phase: words.slice(0, 256), completed: null, total: null });
/** A model's name as part of a path: its slashes are that path's. */
const escapePath = (name: string): string => name.split("/").map(encodeURIComponent).join("/");
