// Execute: one dispatched job on one backend, from the frame to its end.
import type { BackendErrorCode, GenerateRequest } from "../backends/backend.ts";
import { withAnswer } from "../protocol/answered.ts";
import type { DispatchFrame } from "../protocol/frames.ts";
import type { Delta } from "../protocol/generation.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { onwards, type Trail } from "../protocol/trail.ts";
import type { ServingBackend } from "./balance.ts";
import { type AttemptEnd, type KeptAttempt, keep, MAX_KEPT_BYTES } from "./kept-attempts.ts";

/**
 * Runs the job of `coordinator` to its end. `changed` is called when there is something to send. Never throws.
 */
export async function execute(
  backend: ServingBackend,
  frame: DispatchFrame,
  attempt: KeptAttempt,
  changed: () => void,
  coordinator: Pubkey,
): Promise<AttemptEnd> {
  const emit = (delta: Delta, pieces?: number): Promise<void> | undefined => {
    const wait = keep(attempt, delta, pieces);
    if (attempt.bytes > MAX_KEPT_BYTES) attempt.abort.abort();
    changed();
    return wait;
  };
  try {
    const request = requestOf(frame);
    if (typeof request === "string") return failed("invalid_request", request);
    if (backend.kind === "infernet") request.trail = onwards(trailOf(frame), [coordinator]);
    const ended = await backend.generate(request, emit, attempt.abort.signal);
    if (attempt.bytes > MAX_KEPT_BYTES) return failed("output_too_large", "the answer grew past 32 MiB");
    if (ended.ok) return { outcome: "completed", finish: ended.value.finish, usage: ended.value.usage };
    if (attempt.abort.signal.aborted) return { outcome: "cancelled", finish: [], usage: null };
    return failed(ended.error.code, ended.error.message);
  } catch (error) {
    return failed("backend_failed", error instanceof Error ? error.message : String(error));
  }
}

const trailOf = ({ hops = 0, via = [] }: DispatchFrame): Trail => ({ hops, via });

/** The client's request as a backend takes it, bounded where the client named no bound; or what is wrong with it. */
function requestOf({
  task = "chat",
  model,
  body: asked,
  max_tokens: limit,
  answered,
}: DispatchFrame): GenerateRequest | string {
  const body: Record<string, unknown> & { model: string } = { ...asked, model };
  if (task === "embedding") {
    const { input } = asked;
    if (typeof input !== "string" && !Array.isArray(input)) return "input: must be text, or a list";
    return { task, model, body: { ...body, input: input as string | string[] } };
  }
  if (limit !== undefined) {
    // Backends differ in which of the two they mind where both are given.
    const asksAnew = body.max_completion_tokens != null;
    if (asksAnew) body.max_completion_tokens = limit;
    if (!asksAnew || body.max_tokens != null) body.max_tokens = limit;
  }
  if (task === "completion") {
    if (typeof asked.prompt !== "string") return "prompt: must be text";
    return { task, model, body: { ...body, prompt: asked.prompt + (answered ?? "") } };
  }
  const { messages } = asked;
  if (messages === undefined) return "messages: are missing";
  return {
    task,
    model,
    body: { ...body, messages: answered === undefined ? messages : withAnswer(messages, answered) },
  };
}

const MESSAGE_CHARS = 2000;
const failed = (code: BackendErrorCode | "output_too_large", message: string): AttemptEnd => ({
  outcome: "failed",
  finish: [],
  usage: null,
  error: { code, message: message.slice(0, MESSAGE_CHARS) },
});

/** Not begun; another node may take it. */
export const refused = (code: BackendErrorCode, message: string): AttemptEnd => ({
  outcome: "refused",
  finish: [],
  usage: null,
  error: { code, message },
});
