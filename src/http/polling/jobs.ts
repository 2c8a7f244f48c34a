// Jobs for polling nodes: poll, events, complete. Events become the deltas that a link would bring.
import { NODE_ERRORS } from "../../jobs/job.ts";
import { err, type Result } from "../../lib/result.ts";
import { withAnswer } from "../../protocol/answered.ts";
import { attemptIdSchema, type DispatchFrame } from "../../protocol/frames.ts";
import type { Delta, FinishReason, Usage } from "../../protocol/generation.ts";
import type { Leased, PollRefusal } from "../../registry/poll-session.ts";
import { deltasOf, finishReasonOf, type PolledAttempt } from "../../registry/polled-attempt.ts";
import type { MachineCall } from "../routes.ts";
import { bodyOf, data, type Refusal, refuse } from "./answers.ts";
import { type PollingDeps, takeUpStored } from "./registration.ts";
import { type CompleteBody, completeSchema, eventsSchema, type PolledEvent, pollSchema } from "./shapes.ts";

const MESSAGES: Record<PollRefusal, string> = {
  lease_lapsed: "this attempt is not leased to this node, or not any more: another has the job",
  job_cancelled: "nobody wants this answer any more; stop working on it",
  already_completed: "this attempt has ended already",
};
export const refusalOf = (code: PollRefusal): Refusal => ({ code, message: MESSAGES[code] });

/** What is asked of us in a request, not of the model. */
const OURS = ["model", "models", "provider", "infernet", "stream", "stream_options", "webhook"];

/** The request as a model takes it: OpenAI's fields, bounded, with another node's answer so far at its end. */
export function inputOf({ body, max_tokens: limit, answered }: DispatchFrame): Record<string, unknown> {
  const input: Record<string, unknown> = { ...body };
  for (const field of OURS) delete input[field];
  const asked = input.max_tokens ?? input.max_completion_tokens;
  delete input.max_completion_tokens;
  if (limit !== undefined) input.max_tokens = limit;
  else if (asked !== undefined && asked !== null) input.max_tokens = asked;
  if (answered === undefined) return input;
  if (typeof input.prompt === "string") return { ...input, prompt: input.prompt + answered };
  const messages = Array.isArray(input.messages) ? input.messages : [];
  return { ...input, messages: withAnswer(messages, answered) };
}

export async function pollJobs(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, pollSchema);
  if (!body.ok) return refuse(body.error);
  const { pubkey, role } = call.signed;
  if (role !== "provider") {
    return refuse({ code: "role_not_allowed", message: `this key is registered as ${role}; jobs are for providers` });
  }
  if (!deps.pollers.seen(pubkey)) await takeUpStored(deps, pubkey);
  const given = await deps.pollers.ask(pubkey, body.value.limit, 0, call.request.signal);
  return data({ provider_id: pubkey, jobs: given.map((frame) => jobOf(frame, deps.clock.nowMs())) });
}

const jobOf = (frame: DispatchFrame, nowMs: number) => ({
  id: frame.attempt,
  title: `Chat with ${frame.model}`,
  type: "chat",
  status: "assigned",
  payment_offer: 0,
  payment_coin: "USDC",
  model_name: frame.model,
  input_spec: inputOf(frame),
  created_at: new Date(nowMs).toISOString(),
});

async function leased(deps: PollingDeps, call: MachineCall): Promise<Result<Leased, Refusal>> {
  const { pubkey } = call.signed;
  // Any request is a sign of the node, also one for an attempt that it has not any more.
  if (!deps.pollers.seen(pubkey) && !deps.pollers.hasLeft(pubkey)) await takeUpStored(deps, pubkey);
  const id = call.params.id ?? "";
  if (!attemptIdSchema.safeParse(id).success)
    return err({ code: "invalid_value", message: `${id.slice(0, 64)} is not the id of a job` });
  const found = deps.pollers.find(pubkey, id);
  return found.ok ? found : err(refusalOf(found.error));
}

export async function jobEvents(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, eventsSchema);
  if (!body.ok) return refuse(body.error);
  const lease = await leased(deps, call);
  if (!lease.ok) return refuse(lease.error);
  const { events } = body.value;
  const { deltas, pieces } = textOf(events);
  const relayed = deps.pollers.relay(lease.value, deltas, pieces);
  if (!relayed.ok) {
    const message = "the client reads slower than this node writes; send these events again in a moment";
    return refuse({ code: "too_fast", message });
  }
  note(lease.value.attempt, events);
  await relayed.value;
  return data({ inserted: events.length });
}

/** The tokens of a batch as few deltas, and how many they were. */
function textOf(events: readonly PolledEvent[]): { deltas: Delta[]; pieces: number } {
  let text = "";
  let pieces = 0;
  for (const { event_type: type, data } of events) {
    if (type !== "token" || !data?.text) continue;
    text += data.text;
    pieces++;
  }
  return { deltas: deltasOf(text), pieces };
}

/** What a batch says beside tokens. The end itself comes with `complete`. */
function note(attempt: PolledAttempt, events: readonly PolledEvent[]): void {
  for (const { event_type: type, data } of events) {
    if (type === "done") {
      attempt.whole = data?.text ?? attempt.whole;
      attempt.reason = finishReasonOf(data?.reason) ?? attempt.reason;
    }
    if (type === "error") attempt.error = { code: "backend_failed", message: messageOf(data?.message) };
  }
}

const MESSAGE_CHARS = 2_000;
const messageOf = (text: string | undefined): string => (text || "the node failed").slice(0, MESSAGE_CHARS);

export async function completeJob(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, completeSchema);
  if (!body.ok) return refuse(body.error);
  const lease = await leased(deps, call);
  if (!lease.ok) return refuse(lease.error);
  const { attempt } = lease.value;
  const { status, result, error, code } = body.value;
  const ended =
    status === "completed"
      ? await deps.pollers.finish(lease.value, result?.text ?? null, {
          outcome: "completed",
          reason: reasonOf(result),
          usage: usageOf(attempt, result),
        })
      : await deps.pollers.finish(lease.value, null, {
          outcome: "failed",
          error: error === undefined ? (attempt.error ?? failure()) : failure(error, code),
        });
  if (ended.ok) return data({ id: attempt.id, status: ended.value });
  if (ended.error !== "storage_failed") return refuse(refusalOf(ended.error));
  return refuse({ code: ended.error, message: "the end of this job cannot be stored now" });
}

/** What went wrong at a node, in words that jobs have for it. */
export function failure(message?: string, code?: string): { code: string; message: string } {
  return { code: NODE_ERRORS.find((known) => known === code) ?? "backend_failed", message: messageOf(message) };
}

type CompleteResult = CompleteBody["result"];
const reasonOf = (result: CompleteResult): FinishReason | null => finishReasonOf(result?.reason);

/** Existing daemons count what they wrote; of the prompt they say nothing. */
function usageOf({ promptTokens }: PolledAttempt, result: CompleteResult): Usage | null {
  if (typeof result?.token_count !== "number") return null;
  return { prompt_tokens: result.prompt_tokens ?? promptTokens, completion_tokens: result.token_count };
}
