// vLLM: its listing names the context length, its metrics the load. Of a model's abilities it says nothing.
import { ok } from "../../lib/result.ts";
import type { Endpoint } from "../http.ts";
import { CONTINUES, type Dialect, UNKNOWN_SERVER } from "./dialect.ts";
import { metricsLoad } from "./load.ts";
import { count, type Entry, listOfHealthy, offered } from "./model-list.ts";

const GAUGES = {
  running: ["vllm:num_requests_running"],
  waiting: ["vllm:num_requests_waiting"],
  cache: ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"],
};

export function vllm(server: Endpoint): Dialect {
  return {
    ...UNKNOWN_SERVER,
    ...CONTINUES,
    embeddingFormat: "base64",
    async find(signal) {
      const listed = await listOfHealthy(server, "/v1/models", signal);
      if (!listed.ok) return listed;
      const models = listed.value.map((entry) =>
        offered(entry, { loaded: true, contextLength: contextOf(entry, listed.value) }),
      );
      return ok({ models, slots: null });
    },
    load: (signal) => metricsLoad(server, GAUGES, signal),
  };
}

/** An adapter (LoRA) takes what the model below it takes. */
function contextOf(entry: Entry, all: readonly Entry[]): number | null {
  const own = count(entry.max_model_len);
  const parent = own === null ? all.find(({ id }) => id === entry.parent) : undefined;
  return own ?? count(parent?.max_model_len);
}
