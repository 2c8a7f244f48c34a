// Variants: where servers that speak OpenAI's API differ from each other.
import type { BackendKind } from "../../protocol/backend-kinds.ts";
import { isRecord } from "../record.ts";

export type OpenAiKind = Extract<BackendKind, "openai" | "vllm" | "sglang" | "max" | "llamacpp" | "exo">;

export type Variant = {
  /** It can go on with a last message of role "assistant". */
  continues: boolean;
  /** Fields to add when the last message is the assistant's. */
  continueFields: Record<string, unknown>;
  /** What its listing lists is in memory. */
  listsLoaded: boolean;
  /** Where the listing is: Exo's plain `/v1/models` is its whole catalogue. */
  modelsPath: string;
};

const plain: Variant = { continues: false, continueFields: {}, listsLoaded: false, modelsPath: "/v1/models" };

export const VARIANTS: Record<OpenAiKind, Variant> = {
  openai: plain,
  vllm: {
    ...plain,
    continues: true,
    continueFields: { continue_final_message: true, add_generation_prompt: false },
    listsLoaded: true,
  },
  sglang: { ...plain, continues: true, continueFields: { continue_final_message: true }, listsLoaded: true },
  max: { ...plain, listsLoaded: true },
  llamacpp: { ...plain, continues: true },
  exo: { ...plain, modelsPath: "/v1/models?status=downloaded" },
};

/** Fields that are between a client and this network, not for a backend. */
const OWN_FIELDS = ["provider", "infernet", "models"];

/** The request as the server gets it: always streamed, always with usage. */
export function chatBody(variant: Variant, model: string, body: Record<string, unknown>): Record<string, unknown> {
  const sent: Record<string, unknown> = { ...body, model, stream: true };
  for (const field of OWN_FIELDS) delete sent[field];
  const options = body.stream_options;
  sent.stream_options = isRecord(options) ? { ...options, include_usage: true } : { include_usage: true };
  if (endsWithAssistant(body.messages)) Object.assign(sent, variant.continueFields);
  return sent;
}

function endsWithAssistant(messages: unknown): boolean {
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
  return isRecord(last) && last.role === "assistant";
}
