// Model list: reads `GET /v1/models` of the known servers, each of which hides the context length somewhere else, and
// the pages beside it that say more.
import { readText } from "../../lib/read-text.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendError, BackendModel } from "../backend.ts";
import { type Endpoint, MAX_ERROR_BYTES, requestJson, send } from "../http.ts";
import { errorFromStatus } from "../http-errors.ts";
import { isRecord } from "../record.ts";

export type Entry = Record<string, unknown> & { id: string };

const MAX_MODELS = 1024;
const MAX_NAME_CHARS = 256;
const MAX_QUANTIZATION_CHARS = 64;
/** vLLM, SGLang; Exo and OpenRouter; LM Studio; Groq. */
const CONTEXT_FIELDS = ["max_model_len", "context_length", "max_context_length", "context_window"];

/** The entries that have a usable name. */
export async function listEntries(
  server: Endpoint,
  path: string,
  signal: AbortSignal,
): Promise<Result<Entry[], BackendError>> {
  const answer = await requestJson(server, path, null, signal);
  if (!answer.ok) return answer;
  const list = isRecord(answer.value) ? answer.value.data : answer.value;
  if (!Array.isArray(list)) {
    return err({ code: "backend_failed", message: "the backend's answer to /v1/models is no list" } as const);
  }
  return ok(list.slice(0, MAX_MODELS).filter(isEntry));
}

const isEntry = (item: unknown): item is Entry =>
  isRecord(item) && typeof item.id === "string" && item.id !== "" && item.id.length <= MAX_NAME_CHARS;

/** An entry as it is offered, as far as the listing itself says; `known` is what is known better. */
export function offered(entry: Entry, known: Partial<BackendModel> = {}): BackendModel {
  return {
    name: entry.id,
    contextLength: contextLength(entry),
    digest: null,
    loaded: null,
    quantization: null,
    demo: false,
    ...known,
  };
}

function contextLength(entry: Entry): number | null {
  const meta = isRecord(entry.meta) ? entry.meta : {};
  for (const value of [meta.n_ctx, ...CONTEXT_FIELDS.map((field) => entry[field])]) {
    const tokens = count(value);
    if (tokens !== null) return tokens;
  }
  return null;
}

/** A count of at least one; null for everything else. */
export const count = (value: unknown): number | null =>
  typeof value === "number" && Number.isInteger(value) && value > 0 && value < 2 ** 31 ? value : null;

/** A name of a quantisation; null where it is none. */
export const quantization = (value: unknown): string | null =>
  typeof value === "string" && value !== "" ? value.slice(0, MAX_QUANTIZATION_CHARS) : null;

/** A page about the server that it may lack; null then, and when it is not to be had. */
export async function page(
  server: Endpoint,
  path: string,
  signal: AbortSignal,
): Promise<Record<string, unknown> | null> {
  const answer = await requestJson(server, path, null, signal);
  return answer.ok && isRecord(answer.value) ? answer.value : null;
}

/** What `/health` says against the server; null where it says nothing, or there is no such page. */
export async function unwell(server: Endpoint, signal: AbortSignal): Promise<BackendError | null> {
  const answer = await send(server, "/health", {}, signal);
  if (!answer.ok || answer.value.status < 500) return null;
  return errorFromStatus(answer.value.status, await readText(answer.value, MAX_ERROR_BYTES).catch(() => ""));
}

/** Lists the models of a server that has a health page too. */
export async function listOfHealthy(
  server: Endpoint,
  path: string,
  signal: AbortSignal,
): Promise<Result<Entry[], BackendError>> {
  const [listed, wrong] = await Promise.all([listEntries(server, path, signal), unwell(server, signal)]);
  return listed.ok && wrong !== null ? err(wrong) : listed;
}
