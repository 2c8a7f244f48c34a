// Actions: fetching, deleting, loading and unloading an Ollama server's models.
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendError, ModelAction } from "../backend.ts";
import { type Endpoint, readPieces, request, requestJson } from "../http.ts";
import { errorFromThrow } from "../http-errors.ts";
import { isRecord } from "../record.ts";
import { PullProgress } from "./pull-progress.ts";
import type { Target } from "./request.ts";

/** Where models may be fetched from. A name can hold any host, and Ollama would ask it, inside the owner's network too. */
export const REGISTRIES: readonly string[] = ["registry.ollama.ai", "ollama.com", "hf.co", "huggingface.co"];

export type ActionDeps = {
  server: Endpoint;
  registries: readonly string[];
  /** Models that run in somebody's cloud may be added. */
  cloud: boolean;
  target(model: string, signal: AbortSignal): Promise<Result<Target, BackendError>>;
};

/** `POST /api/pull`: an error may come after the first line, under status 200. Closing the connection cancels. */
export function install({ server, registries, cloud }: ActionDeps): ModelAction {
  return async (model, report, signal) => {
    const refusal = refusedName(model, registries, cloud);
    if (refusal !== null) return err({ code: "invalid_request", message: refusal } as const);
    const response = await request(server, "/api/pull", JSON.stringify({ model, stream: true }), signal);
    if (!response.ok) return response;
    const progress = new PullProgress(report);
    try {
      await readPieces(response.value, signal, (text) => {
        progress.push(text);
        return progress.ended ? "enough" : undefined;
      });
      if (!signal.aborted) progress.end();
    } catch (thrown) {
      return err(errorFromThrow(thrown, signal));
    }
    return signal.aborted ? err({ code: "aborted", message: "aborted" } as const) : progress.result();
  };
}

/** `DELETE /api/delete`. */
export function remove({ server }: ActionDeps): ModelAction {
  return async (model, report, signal) => {
    report({ phase: `deleting ${model}`.slice(0, 256), completed: null, total: null });
    const response = await request(server, "/api/delete", JSON.stringify({ model }), signal, { method: "DELETE" });
    return response.ok ? ok(undefined) : response;
  };
}

/** An empty request loads a model; `keep_alive: -1` keeps it until it is unloaded or its memory is needed. */
export function load(deps: ActionDeps): ModelAction {
  return async (model, report, signal) => {
    const target = await deps.target(model, signal);
    if (!target.ok) return target;
    const { contextLength, shown } = target.value;
    report({ phase: `loading ${model}`.slice(0, 256), completed: null, total: null });
    const embedsOnly = shown.capabilities?.has("completion") === false;
    const sent = {
      model,
      keep_alive: -1,
      ...(contextLength === null ? {} : { options: { num_ctx: contextLength } }),
      ...(embedsOnly ? { input: [] } : { messages: [], stream: false }),
    };
    const path = embedsOnly ? "/api/embed" : "/api/chat";
    const answer = await requestJson(deps.server, path, JSON.stringify(sent), signal);
    return answer.ok ? ok(undefined) : answer;
  };
}

/** `keep_alive: 0` and no prompt, by the one route that takes every kind of model. */
export function unload({ server }: ActionDeps): ModelAction {
  return async (model, report, signal) => {
    report({ phase: `unloading ${model}`.slice(0, 256), completed: null, total: null });
    const answer = await requestJson(
      server,
      "/api/generate",
      JSON.stringify({ model, keep_alive: 0, stream: false }),
      signal,
    );
    if (!answer.ok) return answer;
    const reason = isRecord(answer.value) ? answer.value.done_reason : null;
    return reason === "unload"
      ? ok(undefined)
      : err({ code: "backend_failed", message: "Ollama did not say that it unloaded the model" } as const);
  };
}

/** Why a model of this name is not fetched; null where it may be. */
function refusedName(model: string, registries: readonly string[], cloud: boolean): string | null {
  if (model.includes("://")) return "a model's name, not an address";
  if (!cloud && /[:-]cloud$/.test(model)) return `${model} runs in somebody's cloud, not on this machine`;
  const parts = model.split("/");
  // As Ollama reads names: [host/][namespace/]model[:tag]; Hugging Face's have two parts behind the host.
  const host = parts.length > 2 ? parts[0] : undefined;
  if (host === undefined || registries.includes(host)) return null;
  return `models are fetched from ${registries.join(", ")} only, not from ${host}`;
}
