// Continuing: how an unfinished answer is gone on with. Ollama leaves the assistant's turn open where the last message
// is the assistant's, if the model's template does; some close it, or trim its spaces. So the server is asked for the
// rendered prompt first (`_debug_render_only`), and where it does not end with the text, the text is set behind the
// prompt of the messages before it and sent raw.
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendError } from "../backend.ts";
import { type Endpoint, requestJson } from "../http.ts";
import { isRecord } from "../record.ts";
import { unfinishedAnswer } from "./messages.ts";
import type { ChatRequest, Target } from "./request.ts";

/** What to send, and where: a chat as it came, or a raw prompt. */
export type Continuation = { path: "/api/chat" | "/api/generate"; sent: Record<string, unknown> };

export async function continuation(
  server: Endpoint,
  { shown }: Target,
  sent: ChatRequest,
  signal: AbortSignal,
): Promise<Result<Continuation, BackendError>> {
  const asChat: Continuation = { path: "/api/chat", sent };
  const text = unfinishedAnswer(sent.messages);
  if (text === null) return ok(asChat);
  const rendered = await render(server, sent, signal);
  if (!rendered.ok) return rendered;
  // An older server does not tell: its template is trusted.
  if (rendered.value === null || rendered.value.endsWith(text)) return ok(asChat);
  if (sent.tools !== undefined || /^gpt-?oss$/.test(shown.family)) return err(CLOSED);
  const thinks = shown.capabilities?.has("thinking") === true;
  const before = { ...sent, messages: sent.messages.slice(0, -1), ...(thinks ? { think: false } : {}) };
  if (before.messages.length === 0) return err(CLOSED);
  const opened = await render(server, before, signal);
  if (!opened.ok) return opened;
  if (opened.value === null) return err(CLOSED);
  const { messages, think: _, ...rest } = sent;
  const images = messages.flatMap((message) => (Array.isArray(message.images) ? message.images : []));
  return ok({
    path: "/api/generate",
    sent: { ...rest, prompt: opened.value + text, raw: true, ...(images.length > 0 ? { images } : {}) },
  });
}

const CLOSED: BackendError = {
  code: "backend_failed",
  message: "this model's template closes the assistant's message, so that its answer cannot be gone on with here",
};

/** The prompt as the server makes it; null from a server that does not tell, and then makes one token for nothing. */
async function render(
  server: Endpoint,
  sent: ChatRequest,
  signal: AbortSignal,
): Promise<Result<string | null, BackendError>> {
  const options = { ...sent.options, num_predict: 1 };
  const body = JSON.stringify({ ...sent, options, stream: false, _debug_render_only: true });
  const answer = await requestJson(server, "/api/chat", body, signal);
  if (!answer.ok) return answer;
  const info = isRecord(answer.value) ? answer.value._debug_info : null;
  const template = isRecord(info) ? info.rendered_template : null;
  return ok(typeof template === "string" ? template : null);
}
