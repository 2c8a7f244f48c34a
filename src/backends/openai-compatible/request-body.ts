// Request body: what a server gets for each task. Always streamed where the task streams, because closing a stream is
// the one cancel that all servers know, and always with usage.
import type { GenerateRequest } from "../backend.ts";
import { isRecord } from "../record.ts";
import type { Dialect } from "./dialect.ts";

/** Fields that are between a client and this network, not for a backend. */
const OWN_FIELDS = ["provider", "infernet", "models"];

/** OpenAI's route for each task. */
export const PATHS = {
  chat: "/v1/chat/completions",
  completion: "/v1/completions",
  embedding: "/v1/embeddings",
} as const;

export function requestBody(
  { task, model, body }: GenerateRequest,
  dialect: Omit<Dialect, "find">,
): Record<string, unknown> {
  const sent: Record<string, unknown> = { ...body, model };
  for (const field of OWN_FIELDS) delete sent[field];
  if (task === "embedding") {
    delete sent.stream;
    delete sent.stream_options;
    sent.encoding_format = dialect.embeddingFormat;
    return sent;
  }
  sent.stream = true;
  const options = body.stream_options;
  sent.stream_options = isRecord(options) ? { ...options, include_usage: true } : { include_usage: true };
  if (task === "chat" && endsWithAssistant(body.messages)) Object.assign(sent, dialect.continueFields);
  return sent;
}

function endsWithAssistant(messages: unknown): boolean {
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
  return isRecord(last) && last.role === "assistant";
}
