// llama.cpp's server: what one of them says of itself in `/props`, and its load. A router and llama-swap give the same
// pages of the servers behind them.
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendLoad } from "../../protocol/frames.ts";
import type { Feature, Task } from "../../protocol/generation.ts";
import type { BackendError, BackendModel } from "../backend.ts";
import { type Endpoint, requestJson, send } from "../http.ts";
import { isRecord } from "../record.ts";
import { loadOf, metricsLoad, NOT_SAID } from "./load.ts";
import { count, quantization } from "./model-list.ts";

type Page = Record<string, unknown>;

export type ServerFacts = {
  /** What stands in the place of what the listing says. */
  known: Partial<BackendModel>;
  slots: number | null;
  /** Its model is out of memory until the next request. */
  sleeping: boolean;
  /** It was started with `--metrics`. */
  metrics: boolean;
};

const GAUGES = {
  running: ["llamacpp:requests_processing"],
  waiting: ["llamacpp:requests_deferred"],
  cache: ["llamacpp:kv_cache_usage_ratio"],
};

/** Reads `/props`. `before` is what was known of the same server; `query` names the model to a router. */
export async function serverFacts(
  server: Endpoint,
  props: Page | null,
  before: ServerFacts | undefined,
  signal: AbortSignal,
  query?: { model: string },
): Promise<ServerFacts | null> {
  if (props === null) return null;
  const settings = isRecord(props.default_generation_settings) ? props.default_generation_settings : {};
  const context = count(settings.n_ctx);
  const ftype = quantization(props.model_ftype);
  const sleeping = props.is_sleeping === true;
  const tasks = before?.known.tasks ?? (sleeping ? undefined : await tasksOf(server, signal, query));
  return {
    known: {
      ...(context === null ? {} : { contextLength: context }),
      ...(ftype === null ? {} : { quantization: ftype }),
      ...(tasks === undefined ? {} : { tasks }),
      features: featuresOf(props),
    },
    slots: count(props.total_slots),
    sleeping,
    metrics: props.endpoint_metrics === true,
  };
}

/** What its engine always can, and what the model's files and template add. */
function featuresOf(props: Page): Feature[] {
  const features: Feature[] = ["json", "logprobs"];
  const caps = isRecord(props.chat_template_caps) ? props.chat_template_caps : {};
  const template = typeof props.chat_template === "string" ? props.chat_template : "";
  if (caps.supports_tools === true && caps.supports_tool_calls === true) features.push("tools");
  if (isRecord(props.modalities) && props.modalities.vision === true) features.push("vision");
  const thinks = caps.supports_reasoning_effort === true || caps.supports_preserve_reasoning === true;
  if (thinks || /<think>|enable_thinking|reasoning_content/.test(template)) features.push("reasoning");
  return features;
}

/**
 * Whether it embeds shows only when it is asked to: without `--embeddings` it answers 501 to every such request, else
 * it misses the input of this empty one. Undefined where it answers something else.
 */
async function tasksOf(
  server: Endpoint,
  signal: AbortSignal,
  query: { model: string } | undefined,
): Promise<readonly Task[] | undefined> {
  const path = query === undefined ? "/v1/embeddings" : "/v1/embeddings?autoload=false";
  const answer = await send(server, path, { body: JSON.stringify(query ?? {}) }, signal);
  if (!answer.ok) return undefined;
  await answer.value.body?.cancel();
  if (answer.value.status === 501) return ["chat", "completion"];
  return answer.value.status === 400 ? ["chat", "completion", "embedding"] : undefined;
}

/** The load of the one server, or of all that a router has in memory. llama-swap is not asked: see design.md. */
export async function llamacppLoad(
  server: Endpoint,
  variant: "server" | "router" | "swap",
  facts: ReadonlyMap<string, ServerFacts>,
  ours: number,
  signal: AbortSignal,
): Promise<Result<BackendLoad, BackendError>> {
  const awake = [...facts].filter(([, { sleeping }]) => !sleeping);
  if (variant === "swap" || (variant === "server" && facts.size === 0)) return err(NOT_SAID);
  if (awake.length === 0) return ok(loadOf(0, 0, null));
  const loads = await Promise.all(
    awake.map(async ([model, { metrics }]) => {
      const query = variant === "router" ? `?model=${encodeURIComponent(model)}&autoload=false` : "";
      if (metrics) return await metricsLoad(server, GAUGES, signal, { path: `/metrics${query}` });
      // The question itself keeps an idle server from going to sleep, so it is asked only while it is busy anyway.
      return ours > 0 ? await slotsLoad(server, `/slots${query}`, signal) : err(NOT_SAID);
    }),
  );
  let all: BackendLoad = { running: 0, waiting: 0, cache: null };
  for (const load of loads) {
    if (!load.ok) return load;
    const { running, waiting, cache } = load.value;
    const fullest = cache === null ? all.cache : Math.max(cache, all.cache ?? 0);
    all = { running: all.running + running, waiting: all.waiting + waiting, cache: fullest };
  }
  return ok(all);
}

async function slotsLoad(
  server: Endpoint,
  path: string,
  signal: AbortSignal,
): Promise<Result<BackendLoad, BackendError>> {
  const answer = await requestJson(server, path, null, signal);
  if (!answer.ok) return answer;
  if (!Array.isArray(answer.value)) return err(NOT_SAID);
  return ok(loadOf(answer.value.filter((slot) => isRecord(slot) && slot.is_processing === true).length, 0, null));
}
