// Backend config: one entry of `[[node.backends]]` as the adapters take it.
import type { BackendConfig } from "../backends/create.ts";
import type { Config } from "../config.ts";

export function backendConfig(entry: Config["node"]["backends"][number]): BackendConfig {
  return {
    kind: entry.kind,
    url: entry.url ?? null,
    apiKey: entry.api_key ?? null,
    pubkey: entry.pubkey ?? null,
    parallel: entry.parallel ?? null,
    contextLength: entry.context_length ?? null,
    cloudModels: entry.cloud_models ?? false,
  };
}
