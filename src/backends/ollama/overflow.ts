// Overflow: prompts that are too long. A server that knows `truncate: false` counts exactly and refuses; an older one
// drops messages without a word, so what may not fit is not even sent there.
import type { BackendError } from "../backend.ts";
import type { Target } from "./request.ts";
import { isAtLeast, SINCE } from "./version.ts";

/** English has about 4 bytes a token, code full of spaces up to 7: with more, a prompt is surely too long. */
const MAX_BYTES_PER_TOKEN = 8;
/** For a server that would drop messages without a word: rather refuse too early. */
const FEW_BYTES_PER_TOKEN = 3;

/** The refusal where texts that make one prompt surely do not fit; else null. */
export function knownTooLong({ contextLength, version }: Target, texts: readonly string[]): BackendError | null {
  if (contextLength === null) return null;
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const perToken = isAtLeast(version, SINCE.refusesOverflow) ? MAX_BYTES_PER_TOKEN : FEW_BYTES_PER_TOKEN;
  const tokens = Math.ceil(bytes / perToken);
  return tokens >= contextLength ? tooLong(contextLength, `at least ${tokens}`) : null;
}

/** Ollama says that a prompt is too long without saying for what. */
export function withContextLength(error: BackendError, { contextLength }: Target): BackendError {
  const isRefusal = error.code === "invalid_request" || error.code === "backend_failed";
  if (contextLength === null || !isRefusal) return error;
  return /exceed\w* .*context (length|size|window)/i.test(error.message) ? tooLong(contextLength, "more") : error;
}

const tooLong = (contextLength: number, tokens: string): BackendError => ({
  code: "context_length_exceeded",
  message: `This model's maximum context length is ${contextLength} tokens. However, your messages resulted in ${tokens} tokens.`,
  contextLength,
});
