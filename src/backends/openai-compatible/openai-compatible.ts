// OpenAI-compatible: the adapter for every server that speaks OpenAI's API. Kinds differ by their dialect.
import { ok, type Result } from "../../lib/result.ts";
import type { BackendLoad } from "../../protocol/frames.ts";
import type { Backend, BackendError, BackendModel, Emit, GenerateEnd, GenerateRequest } from "../backend.ts";
import { endpoint, type Fetch } from "../http.ts";
import { type Dialect, type DialectDeps, type OpenAiKind, UNKNOWN_SERVER } from "./dialect.ts";
import { exo } from "./exo.ts";
import { generate } from "./generate.ts";
import { llamacpp } from "./llamacpp.ts";
import { max } from "./max.ts";
import { listEntries, offered } from "./model-list.ts";
import { sglang } from "./sglang.ts";
import { vllm } from "./vllm.ts";

export type OpenAiCompatibleOptions = {
  kind: OpenAiKind;
  /** Base address, with or without `/v1`. */
  url: string;
  apiKey?: string | null;
  fetch?: Fetch;
  /** How often the server is asked while a model is loaded or fetched, in milliseconds. */
  pollMs?: number;
};

const POLL_MS = 500;

const DIALECTS: Record<OpenAiKind, (deps: DialectDeps) => Dialect> = {
  openai: unknownServer,
  vllm: ({ server }) => vllm(server),
  sglang: ({ server }) => sglang(server),
  max: ({ server }) => max(server),
  llamacpp,
  exo,
};

/** A backend at `url`. Throws TypeError where `url` is no address. Opens nothing before its first use. */
export function openAiCompatible(options: OpenAiCompatibleOptions): Backend {
  const { kind, url, apiKey = null, fetch: fetchFn = fetch, pollMs = POLL_MS } = options;
  const server = endpoint(fetchFn, url.replace(/\/v1\/*$/, ""), apiKey);
  const dialect = DIALECTS[kind]({ server, pollMs });
  const contexts = new NamedContexts();
  let slots: number | null = null;
  let ours = 0;
  const load = dialect.load;
  return {
    kind,
    url: server.base,
    continues: dialect.continues,
    slots: () => slots,
    async models(signal: AbortSignal): Promise<Result<BackendModel[], BackendError>> {
      const found = await dialect.find(signal);
      if (!found.ok) return found;
      slots = found.value.slots;
      return ok(contexts.completed(found.value.models));
    },
    async generate(
      request: GenerateRequest,
      emit: Emit,
      signal: AbortSignal,
    ): Promise<Result<GenerateEnd, BackendError>> {
      ours++;
      const result = await generate(server, dialect, request, emit, signal).finally(() => ours--);
      if (!result.ok) contexts.learn(request.model, result.error);
      return result;
    },
    ...(load === undefined
      ? {}
      : { load: (signal: AbortSignal): Promise<Result<BackendLoad, BackendError>> => load(signal, ours) }),
    get actions() {
      return dialect.actions?.() ?? {};
    },
    close: async () => undefined,
  };
}

function unknownServer({ server }: DialectDeps): Dialect {
  return {
    ...UNKNOWN_SERVER,
    async find(signal) {
      const listed = await listEntries(server, "/v1/models", signal);
      return listed.ok ? ok({ models: listed.value.map((entry) => offered(entry)), slots: null }) : listed;
    },
  };
}

/** Context lengths that a server names only when one asks too much of it. */
class NamedContexts {
  private readonly byModel = new Map<string, number>();

  learn(model: string, { contextLength }: BackendError): void {
    if (contextLength !== undefined) this.byModel.set(model, contextLength);
  }

  completed(models: BackendModel[]): BackendModel[] {
    const names = new Set(models.map(({ name }) => name));
    for (const name of this.byModel.keys()) if (!names.has(name)) this.byModel.delete(name);
    return models.map((model) => ({
      ...model,
      contextLength: model.contextLength ?? this.byModel.get(model.name) ?? null,
    }));
  }
}
