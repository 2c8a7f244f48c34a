// Backend config: one entry of `[[node.backends]]` as the adapters take it.
import type { BackendConfig } from "../backends/create.ts";
import type { Config } from "../config.ts";
import { decodeJoinToken } from "../protocol/join-token.ts";

export function backendConfig(entry: Config["node"]["backends"][number]): BackendConfig {
  const token = entry.join_token === undefined ? null : decodeJoinToken(entry.join_token);
  const told = token?.ok ? token.value : null;
  return {
    kind: entry.kind,
    // The token says where its coordinator is; what is said beside it goes first.
    url: entry.url ?? told?.url ?? null,
    apiKey: entry.api_key ?? null,
    pubkey: entry.pubkey ?? told?.coordinator ?? null,
    joinToken: entry.join_token ?? null,
    parallel: entry.parallel ?? null,
    contextLength: entry.context_length ?? null,
    cloudModels: entry.cloud_models ?? false,
  };
}
