// Ollama: the adapter for an Ollama server, by its native API.
import { err, ok, type Result } from "../../lib/result.ts";
import { Answer } from "../answer.ts";
import type { Backend, BackendError, BackendModel, Emit, GenerateEnd, GenerateRequest } from "../backend.ts";
import { type Endpoint, endpoint, type Fetch, readPieces, request } from "../http.ts";
import { errorFromThrow } from "../http-errors.ts";
import { type ActionDeps, install, load, REGISTRIES, remove, unload } from "./actions.ts";
import { AnswerLines } from "./answer-lines.ts";
import { type Continuation, continuation } from "./continuing.ts";
import { embed } from "./embed.ts";
import { type Listing, listModels, type Shown, UNKNOWN } from "./model-list.ts";
import { knownTooLong, withContextLength } from "./overflow.ts";
import { chatRequest, completionRequest, type Target } from "./request.ts";
import { readChoices } from "./sampling.ts";

export type OllamaOptions = {
  url: string;
  apiKey?: string | null;
  fetch?: Fetch;
  /** Tokens asked for (`num_ctx`) for models whose Modelfile names none; more needs more memory. */
  contextLength?: number;
  /** Requests that the server runs side by side for a model (its OLLAMA_NUM_PARALLEL), which it tells nobody. */
  parallel?: number;
  /** Offer models that run in somebody's cloud, too. */
  cloud?: boolean;
  /** Hosts that models may be fetched from. */
  registries?: readonly string[];
};

const DEFAULT_CONTEXT_LENGTH = 8192;
/** Ollama's own default: a second request waits for the first. */
const DEFAULT_PARALLEL = 1;

/** A backend at `url`. Throws TypeError where `url` is no address. Opens nothing before its first use. */
export function ollama(options: OllamaOptions): Backend {
  const { url, apiKey = null, fetch: fetchFn = fetch, contextLength = DEFAULT_CONTEXT_LENGTH } = options;
  const { parallel = DEFAULT_PARALLEL, cloud = false, registries = REGISTRIES } = options;
  const server = endpoint(fetchFn, url, apiKey);
  const shown = new Map<string, Shown>();
  /** As last offered: the server is asked for just that. */
  let listing: Listing | null = null;
  const list = async (signal: AbortSignal): Promise<Result<Listing, BackendError>> => {
    const listed = await listModels(server, { contextLength, cloud, shown }, signal);
    if (listed.ok) listing = listed.value;
    return listed;
  };
  const target = async (model: string, signal: AbortSignal): Promise<Result<Target, BackendError>> => {
    const listed = listing === null ? await list(signal) : ok(listing);
    return listed.ok ? ok(targetOf(listed.value, model)) : listed;
  };
  const actions: ActionDeps = { server, registries, cloud, target };
  return {
    kind: "ollama",
    url: server.base,
    continues: true,
    slots: () => parallel,
    async models(signal: AbortSignal): Promise<Result<BackendModel[], BackendError>> {
      const listed = await list(signal);
      return listed.ok ? ok(listed.value.models.map(({ model }) => model)) : listed;
    },
    async generate(asked: GenerateRequest, emit: Emit, signal: AbortSignal) {
      const found = await target(asked.model, signal);
      if (!found.ok) return found;
      const result = await generate(server, found.value, asked, emit, signal);
      return result.ok ? result : err(withContextLength(result.error, found.value));
    },
    actions: {
      model_install: install(actions),
      model_remove: remove(actions),
      model_load: load(actions),
      model_unload: unload(actions),
    },
    close: async () => undefined,
  };
}

function targetOf({ models, version }: Listing, name: string): Target {
  const found = models.find(({ model }) => model.name === name || model.name === `${name}:latest`);
  const contextLength = found?.model.contextLength ?? null;
  return { model: name, contextLength, shown: found?.shown ?? UNKNOWN, version };
}

/** How often an answer is asked for, and with what. */
type Runs = Continuation & { choices: number };

async function generate(
  server: Endpoint,
  target: Target,
  asked: GenerateRequest,
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<GenerateEnd, BackendError>> {
  if (asked.task === "embedding") return await embed(server, target, asked.body, emit, signal);
  const choices = readChoices(asked.body);
  if (!choices.ok) return err(invalid(choices.error));
  if (asked.task === "completion") {
    const sent = completionRequest(target, asked.body);
    if (!sent.ok) return err(invalid(sent.error));
    const tooLong = knownTooLong(target, [asked.body.prompt]);
    if (tooLong !== null) return err(tooLong);
    const runs: Runs = { path: "/api/generate", sent: sent.value, choices: choices.value };
    return await answer(server, runs, true, emit, signal);
  }
  const sent = chatRequest(target, asked.body);
  if (!sent.ok) return err(invalid(sent.error));
  const tooLong = knownTooLong(
    target,
    sent.value.messages.map(({ content }) => content),
  );
  if (tooLong !== null) return err(tooLong);
  const going = await continuation(server, target, sent.value, signal);
  if (!going.ok) return going;
  return await answer(server, { ...going.value, choices: choices.value }, false, emit, signal);
}

const invalid = (message: string): BackendError => ({ code: "invalid_request", message });

/** Ollama gives one choice at a time, so that further ones come after it, each with a seed of its own. */
async function answer(
  server: Endpoint,
  { path, sent, choices }: Runs,
  completion: boolean,
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<GenerateEnd, BackendError>> {
  const all = new Answer(emit, { usageByChoice: true });
  for (let index = 0; index < choices; index++) {
    const lines = new AnswerLines(all, { index, completion });
    const failed = await readAnswer(server, path, JSON.stringify(withSeed(sent, index)), lines, signal);
    if (failed !== null) return err(failed);
    all.setUsage(lines.usage?.prompt_tokens, lines.usage?.completion_tokens);
  }
  return ok(all.end());
}

function withSeed(sent: Record<string, unknown>, index: number): Record<string, unknown> {
  const options = sent.options as Record<string, unknown>;
  return index > 0 && typeof options.seed === "number"
    ? { ...sent, options: { ...options, seed: options.seed + index } }
    : sent;
}

/** Reads one choice to its end; null where all went well. */
async function readAnswer(
  server: Endpoint,
  path: string,
  body: string,
  lines: AnswerLines,
  signal: AbortSignal,
): Promise<BackendError | null> {
  const response = await request(server, path, body, signal);
  if (!response.ok) return response.error;
  try {
    await readPieces(response.value, signal, (text) => {
      const waits = lines.push(text);
      return waits ?? (lines.done || lines.error !== null ? "enough" : undefined);
    });
    if (!signal.aborted) await lines.end();
  } catch (thrown) {
    return errorFromThrow(thrown, signal);
  }
  if (signal.aborted) return { code: "aborted", message: "aborted" };
  return lines.error ?? (lines.done ? null : BROKEN_OFF);
}

const BROKEN_OFF: BackendError = { code: "backend_failed", message: "Ollama's stream ended before the answer did" };
