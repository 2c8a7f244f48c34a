// Model list: what an Ollama server has on its disk, what of it is in memory, and how much context each will take.
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendError, BackendModel } from "../backend.ts";
import { type Endpoint, requestJson } from "../http.ts";
import { isRecord } from "../record.ts";

const MAX_MODELS = 1024;
const MAX_NAME_CHARS = 256;
/** `/api/show` calls side by side. */
const SHOWS_AT_ONCE = 4;

/** What `/api/show` said of one model, which holds as long as its digest does. */
export type Shown = {
  /** Tokens it was trained for; null where the server does not say. */
  trainedContext: number | null;
  /** `num_ctx` of its Modelfile: the owner's wish. */
  wishedContext: number | null;
  generates: boolean;
};

export type ModelListOptions = {
  /** Offered for models without a wish of their own, up to what they were trained for. */
  contextLength: number;
  /** By digest; filled here. */
  shown: Map<string, Shown>;
};

type Tag = { name: string; digest: string; quantization: string | null };

/** Lists the models that generate here. Those that run in somebody's cloud are left out. */
export async function listModels(
  server: Endpoint,
  { contextLength, shown }: ModelListOptions,
  signal: AbortSignal,
): Promise<Result<BackendModel[], BackendError>> {
  const [tagged, running] = await Promise.all([
    requestJson(server, "/api/tags", null, signal),
    requestJson(server, "/api/ps", null, signal),
  ]);
  if (!tagged.ok) return tagged;
  const list = isRecord(tagged.value) ? tagged.value.models : null;
  if (!Array.isArray(list))
    return err({ code: "backend_failed", message: "Ollama's answer to /api/tags is no list" } as const);
  const tags = list
    .slice(0, MAX_MODELS)
    .map(readTag)
    .filter((tag) => tag !== null);
  await showAll(server, tags, shown, signal);
  const loaded = running.ok ? loadedContexts(running.value) : null;
  const models: BackendModel[] = [];
  for (const tag of tags) {
    const facts = shown.get(tag.digest) ?? UNKNOWN;
    if (!facts.generates) continue;
    models.push({
      name: tag.name,
      contextLength: offeredContext(facts, loaded?.get(tag.name) ?? null, contextLength),
      digest: tag.digest === "" ? null : tag.digest,
      loaded: loaded === null ? null : loaded.has(tag.name),
      quantization: tag.quantization,
      demo: false,
    });
  }
  return ok(models);
}

const UNKNOWN: Shown = { trainedContext: null, wishedContext: null, generates: true };

/** The owner's wish, else our own size; more where the model is in memory with more, never above its training. */
function offeredContext(facts: Shown, loadedContext: number | null, contextLength: number): number {
  const wanted = Math.max(facts.wishedContext ?? contextLength, loadedContext ?? 0);
  return Math.min(wanted, facts.trainedContext ?? wanted);
}

function readTag(item: unknown): Tag | null {
  if (!isRecord(item) || typeof item.name !== "string") return null;
  const { name, remote_host: host, remote_model: remote, digest, details } = item;
  const isRemote = (typeof host === "string" && host !== "") || (typeof remote === "string" && remote !== "");
  if (name === "" || name.length > MAX_NAME_CHARS || isRemote) return null;
  const quantization = isRecord(details) ? details.quantization_level : null;
  return {
    name,
    digest: typeof digest === "string" ? digest.replace(/^sha256:/, "").slice(0, 128) : "",
    quantization: typeof quantization === "string" && quantization !== "" ? quantization.slice(0, 64) : null,
  };
}

async function showAll(server: Endpoint, tags: Tag[], shown: Map<string, Shown>, signal: AbortSignal): Promise<void> {
  const todo = tags.filter((tag) => tag.digest !== "" && !shown.has(tag.digest));
  const worker = async (): Promise<void> => {
    for (let tag = todo.pop(); tag !== undefined; tag = todo.pop()) {
      const answer = await requestJson(server, "/api/show", JSON.stringify({ model: tag.name }), signal);
      if (answer.ok) shown.set(tag.digest, readShown(answer.value));
    }
  };
  await Promise.all(Array.from({ length: SHOWS_AT_ONCE }, worker));
  const present = new Set(tags.map((tag) => tag.digest));
  for (const digest of shown.keys()) if (!present.has(digest)) shown.delete(digest);
}

function readShown(answer: unknown): Shown {
  if (!isRecord(answer)) return UNKNOWN;
  const info = isRecord(answer.model_info) ? answer.model_info : {};
  const key = Object.keys(info).find((name) => name.endsWith(".context_length"));
  const capabilities = answer.capabilities;
  const wish = typeof answer.parameters === "string" ? /^num_ctx\s+(\d+)/m.exec(answer.parameters)?.[1] : undefined;
  return {
    trainedContext: key === undefined ? null : positive(info[key]),
    wishedContext: wish === undefined ? null : positive(Number(wish)),
    generates: !Array.isArray(capabilities) || capabilities.includes("completion"),
  };
}

/** Name → context length of what is in memory; 0 where an older server does not say. */
function loadedContexts(answer: unknown): Map<string, number> {
  const list = isRecord(answer) && Array.isArray(answer.models) ? answer.models : [];
  const contexts = new Map<string, number>();
  for (const item of list) {
    if (isRecord(item) && typeof item.name === "string") contexts.set(item.name, positive(item.context_length) ?? 0);
  }
  return contexts;
}

const positive = (value: unknown): number | null =>
  typeof value === "number" && Number.isInteger(value) && value > 0 && value < 2 ** 31 ? value : null;
