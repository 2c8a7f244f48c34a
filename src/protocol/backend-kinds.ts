// The inference servers a node can front.

export const BACKEND_KINDS = [
  "ollama",
  "vllm",
  "sglang",
  "max",
  "llamacpp",
  "exo",
  "openai",
  "infernet",
  "embedded",
] as const;
export type BackendKind = (typeof BACKEND_KINDS)[number];
