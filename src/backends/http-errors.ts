// HTTP errors: what a server's refusal means to a node. The servers' words differ and their codes lie, so a context
// overflow is told by status, wording and a named context size together (BackendErrorCode says what each code means).
import type { BackendError } from "./backend.ts";
import { isRecord } from "./record.ts";

const MAX_MESSAGE_CHARS = 2000;

const OVERFLOW_STATUSES = new Set([400, 413, 422]);
const OVERFLOW_WORDS =
  /context (length|window|size)|maximum (context|model) len|exceed_context_size|max_model_len|longer than the (model|maximum)|exceed\w* (the )?(model's )?max(imum)?[_ ](sequence[_ ])?length/i;
const UNKNOWN_MODEL_WORDS =
  /no instance found|unknown model|no such model|no (router|handler) for (requested )?model|could not find (a handler|real model)|model\b.*\b(not found|not exist|not exists)/is;
/** llama.cpp's server throws on requests that it cannot read or do, and answers with 500. */
const REQUEST_FAULT_WORDS =
  /json\.exception\.(parse|type|out_of_range)_error|input is not supported - hint|failed to parse grammar/i;
/** llama.cpp on an embedding's input, with 500: it has to fit into one batch. */
const OVER_BATCH = /too large to process.*batch size: (\d+)/i;
const MAX_RETRY_AFTER_S = 3600;

/** The readable part of an error body: JSON of any of the known shapes, else the text, without markup. */
export function errorMessage(body: string): string {
  const parsed = parse(body);
  const found = parsed === null ? null : messageIn(parsed);
  const text = found ?? (/^\s*</.test(body) ? "" : body);
  return text.trim().slice(0, MAX_MESSAGE_CHARS);
}

/** An answer that is not 2xx. `body` is its text, perhaps cut; `retryAfter` the header of that name. */
export function errorFromStatus(status: number, body: string, retryAfter: string | null = null): BackendError {
  const message = errorMessage(body) || `HTTP ${status}`;
  if (OVERFLOW_STATUSES.has(status) && isOverflow(message, body)) return overflow(message, body);
  if (status === 500 && OVER_BATCH.test(message)) return overflow(message, body);
  if (status === 429 || status === 503) return busy(message, retryAfter);
  if ((status === 404 || status === 400) && UNKNOWN_MODEL_WORDS.test(message))
    return { code: "model_not_found", message };
  if (status === 401 || status === 403) {
    return {
      code: "backend_failed",
      message: `the backend refused this node's credentials (HTTP ${status}): ${message}`,
    };
  }
  if (status === 404 || status === 405) {
    return { code: "backend_failed", message: `the backend has no such route (HTTP ${status}): ${message}` };
  }
  if (status === 402 || status === 408) return { code: "backend_failed", message };
  if (status >= 400 && status < 500) return { code: "invalid_request", message };
  // llama.cpp: `not_supported_error`, for what the server was started without.
  if (status === 501 || (status === 500 && REQUEST_FAULT_WORDS.test(message))) {
    return { code: "invalid_request", message };
  }
  return {
    code: "backend_failed",
    message: status >= 300 && status < 400 ? `the backend redirects (HTTP ${status})` : message,
  };
}

/**
 * An error that came inside a stream, under status 200: `error` as text or object, or SGLang's flat object. A status
 * in it (`code` of vLLM, llama.cpp, SGLang) counts as the answer's; without one it is the server's fault.
 */
export function errorInStream(value: unknown): BackendError {
  const error = isRecord(value) && value.error !== undefined ? value.error : value;
  const code = isRecord(error) ? (error.code ?? error.status ?? error.status_code) : undefined;
  const status = typeof code === "number" && code >= 400 && code < 600 ? code : null;
  const body = typeof error === "string" ? error : JSON.stringify(error ?? null);
  if (status !== null) return errorFromStatus(status, body);
  const message = errorMessage(body) || "the backend sent an error";
  return isOverflow(message, body) ? overflow(message, body) : { code: "backend_failed", message };
}

/** Something thrown by fetch or by reading a body. */
export function errorFromThrow(thrown: unknown, signal: AbortSignal): BackendError {
  if (signal.aborted) return { code: "aborted", message: "aborted" };
  if (thrown instanceof RangeError || thrown instanceof SyntaxError) {
    return { code: "backend_failed", message: `the backend's answer makes no sense: ${thrown.message}` };
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  // Advice of the runtime's to programmers is of no use to who reads this.
  const [said = ""] = message.split(/ For more information, pass|\. Is the computer/);
  return { code: "backend_unreachable", message: said.slice(0, MAX_MESSAGE_CHARS) };
}

function isOverflow(message: string, body: string): boolean {
  if (!OVERFLOW_WORDS.test(message) && !OVERFLOW_WORDS.test(body)) return false;
  return /\d{2,}/.test(message) || /"n_ctx"\s*:\s*\d{2,}/.test(body);
}

function overflow(message: string, body: string): BackendError {
  const contextLength = namedContext(message, body);
  return contextLength === null
    ? { code: "context_length_exceeded", message }
    : { code: "context_length_exceeded", message, contextLength };
}

/** How each server names its limit; the first that fits counts. */
const CONTEXT_PATTERNS = [
  /"n_ctx"\s*:\s*(\d+)/,
  OVER_BATCH,
  /(?:maximum )?(?:context|model) length (?:is|of) (?:only )?(\d+)/i,
  /(?:context|model)(?:'s)? (?:length|size|window)[^\d(]*\(?(\d+)/i,
  /max_model_len[^\d]*(\d+)/i,
];

/** Tokens the server says it takes, prompt and answer together; null where it names no such number. */
function namedContext(message: string, body: string): number | null {
  for (const pattern of CONTEXT_PATTERNS) {
    const found = Number(pattern.exec(message)?.[1] ?? pattern.exec(body)?.[1] ?? Number.NaN);
    if (Number.isInteger(found) && found > 0 && found < 2 ** 31) return found;
  }
  return null;
}

function busy(message: string, retryAfter: string | null): BackendError {
  const seconds = retryAfter === null ? Number.NaN : Number(retryAfter.trim());
  if (!(seconds > 0 && seconds <= MAX_RETRY_AFTER_S)) return { code: "backend_busy", message };
  return { code: "backend_busy", message, retryAfterMs: Math.ceil(seconds * 1000) };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null; // Not JSON: the caller takes the text.
  }
}

function messageIn(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) {
    const parts = value.map((item) => messageIn(item)).filter((part) => part !== null);
    return parts.length > 0 ? parts.join("; ") : null;
  }
  if (!isRecord(value)) return null;
  for (const key of ["error", "message", "detail", "msg", "title"]) {
    const found = value[key] === undefined || value[key] === null ? null : messageIn(value[key]);
    if (found !== null) return found;
  }
  return null;
}
