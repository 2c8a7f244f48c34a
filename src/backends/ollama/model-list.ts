// Model list: what an Ollama server has on its disk, what of it is in memory, how much context each will take and what
// each can do.
import { err, ok, type Result } from "../../lib/result.ts";
import type { Feature, Task } from "../../protocol/generation.ts";
import type { BackendError, BackendModel } from "../backend.ts";
import { type Endpoint, requestJson } from "../http.ts";
import { isRecord } from "../record.ts";
import { isAtLeast, readVersion, SINCE, type Version } from "./version.ts";

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
  /** e.g. "completion", "tools", "vision", "thinking", "embedding", "insert"; null where an older server says nothing. */
  capabilities: ReadonlySet<string> | null;
  /** e.g. "llama", "gptoss"; "" where unknown. */
  family: string;
};

export type ModelListOptions = {
  /** Offered for models without a wish of their own, up to what they were trained for. */
  contextLength: number;
  /** Models that run in somebody's cloud are offered too. */
  cloud: boolean;
  /** By digest; filled here. */
  shown: Map<string, Shown>;
};

/** A model with all that a request to it must know. */
export type ListedModel = { model: BackendModel; shown: Shown };
export type Listing = { version: Version | null; models: ListedModel[] };

type Tag = { name: string; digest: string; quantization: string | null };

/** Lists the models. Those that run in somebody's cloud are left out unless asked for. */
export async function listModels(
  server: Endpoint,
  { contextLength, cloud, shown }: ModelListOptions,
  signal: AbortSignal,
): Promise<Result<Listing, BackendError>> {
  const [tagged, running, versioned] = await Promise.all([
    requestJson(server, "/api/tags", null, signal),
    requestJson(server, "/api/ps", null, signal),
    requestJson(server, "/api/version", null, signal),
  ]);
  if (!tagged.ok) return tagged;
  const list = isRecord(tagged.value) ? tagged.value.models : null;
  if (!Array.isArray(list))
    return err({ code: "backend_failed", message: "Ollama's answer to /api/tags is no list" } as const);
  const tags = list
    .slice(0, MAX_MODELS)
    .map((item) => readTag(item, cloud))
    .filter((tag) => tag !== null);
  await showAll(server, tags, shown, signal);
  const version = versioned.ok ? readVersion(versioned.value) : null;
  const loaded = running.ok ? loadedContexts(running.value) : null;
  const models = tags.map((tag): ListedModel => {
    const facts = shown.get(tag.digest) ?? UNKNOWN;
    const model: BackendModel = {
      name: tag.name,
      contextLength: offeredContext(facts, loaded?.get(tag.name) ?? null, contextLength),
      digest: tag.digest === "" ? null : tag.digest,
      loaded: loaded === null ? null : loaded.has(tag.name),
      quantization: tag.quantization,
      demo: false,
    };
    if (facts.capabilities !== null) {
      model.tasks = tasksOf(facts.capabilities);
      model.features = featuresOf(facts.capabilities, version);
    }
    return { model, shown: facts };
  });
  // What neither answers nor embeds (pictures, say) is of no use here.
  return ok({ version, models: models.filter(({ model }) => model.tasks === undefined || model.tasks.length > 0) });
}

/** What is assumed of a model that `/api/show` said nothing about. */
export const UNKNOWN: Shown = { trainedContext: null, wishedContext: null, capabilities: null, family: "" };

function tasksOf(capabilities: ReadonlySet<string>): Task[] {
  const tasks: Task[] = [];
  if (capabilities.has("completion")) tasks.push("chat", "completion");
  if (capabilities.has("embedding")) tasks.push("embedding");
  return tasks;
}

function featuresOf(capabilities: ReadonlySet<string>, version: Version | null): Feature[] {
  if (!capabilities.has("completion")) return [];
  const features: Feature[] = ["json"];
  if (capabilities.has("tools")) features.push("tools");
  if (capabilities.has("vision")) features.push("vision");
  if (capabilities.has("thinking")) features.push("reasoning");
  if (isAtLeast(version, SINCE.logprobs)) features.push("logprobs");
  return features;
}

/** The owner's wish, else our own size; more where the model is in memory with more, never above its training. */
function offeredContext(facts: Shown, loadedContext: number | null, contextLength: number): number {
  const wanted = Math.max(facts.wishedContext ?? contextLength, loadedContext ?? 0);
  return Math.min(wanted, facts.trainedContext ?? wanted);
}

function readTag(item: unknown, cloud: boolean): Tag | null {
  if (!isRecord(item) || typeof item.name !== "string") return null;
  const { name, remote_host: host, remote_model: remote, digest, details } = item;
  const isRemote = (typeof host === "string" && host !== "") || (typeof remote === "string" && remote !== "");
  if (name === "" || name.length > MAX_NAME_CHARS || (isRemote && !cloud)) return null;
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
  const { capabilities, details } = answer;
  const wish = typeof answer.parameters === "string" ? /^num_ctx\s+(\d+)/m.exec(answer.parameters)?.[1] : undefined;
  const family = isRecord(details) ? details.family : null;
  return {
    trainedContext: key === undefined ? null : positive(info[key]),
    wishedContext: wish === undefined ? null : positive(Number(wish)),
    capabilities: Array.isArray(capabilities) ? new Set(capabilities.filter((name) => typeof name === "string")) : null,
    family: typeof family === "string" ? family : "",
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
