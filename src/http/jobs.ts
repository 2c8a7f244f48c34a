// Jobs over HTTP: submit and come back later. `POST /api/v1/jobs`, its state, its stream, its cancellation, the list.
import { createHash } from "node:crypto";
import { z } from "zod";
import type { StoredSecrets } from "../accounts/stored-secrets.ts";
import type { Db } from "../db/open.ts";
import { type Job, type JobError, maxErrorMessage } from "../jobs/job.ts";
import type { Jobs } from "../jobs/jobs.ts";
import { listJobs } from "../jobs/list.ts";
import { type OutputLog, outputLog, piecePosition, type StoredOutput } from "../jobs/output-log.ts";
import { findJob } from "../jobs/records.ts";
import type { JobContentRow, JobRow } from "../jobs/schema.ts";
import { isEnd, JOB_STATES, type JobState } from "../jobs/states.ts";
import { webhookOf } from "../jobs/webhooks.ts";
import { MAX_COORDINATOR_MESSAGE_BYTES } from "../protocol/frames.ts";
import type { JobId } from "../protocol/primitives.ts";
import { HOPS_HEADER } from "../protocol/trail.ts";
import { checkWebhookUrl, type TargetRule } from "../webhooks/target.ts";
import { type ErrorCode, errorResponse, openAiError } from "./errors.ts";
import { limitHeaders, takeLimits } from "./key-limits.ts";
import { refused } from "./openai/chat-completions.ts";
import { costOf } from "./openai/chat-output.ts";
import { chatRequestSchema, check, parseJson } from "./openai/chat-request.ts";
import { jobSpec, type SpecDefaults } from "./openai/job-spec.ts";
import type { ClientCall } from "./routes.ts";

export type JobsHttpDeps = {
  db: Db;
  secrets: StoredSecrets;
  jobs: Jobs;
  defaults: SpecDefaults;
  /** The answers of the asynchronous jobs of this process. */
  outputs: Map<JobId, OutputLog>;
  keepAliveMs: number;
  webhooks: TargetRule;
};

/** `{model, messages | prompt, max_tokens?, …}`: a chat request, or a prompt as its only message. */
const newJobSchema = z.looseObject({
  prompt: z.string().min(1).max(4_000_000).optional().describe("In place of messages: the only one."),
  webhook: z.string().nullish().describe("Told of the job's end, signed: https."),
});
/** All that a job may say, for the API's description. */
export const describedJobSchema = z.object({
  ...chatRequestSchema.shape,
  messages: chatRequestSchema.shape.messages.optional(),
  ...newJobSchema.shape,
});
/** The largest request that a node can be sent. */
const MAX_REQUEST_CHARS = MAX_COORDINATOR_MESSAGE_BYTES - 64 * 1024;
const idempotencyKeySchema = z.string().min(1).max(255);

export async function submitJob(deps: JobsHttpDeps, call: ClientCall): Promise<Response> {
  const text = await call.body();
  const json = parseJson(text);
  if (!json.ok) return errorResponse(json.error.code, json.error.message, json.error);
  const shape = check(newJobSchema, json.value);
  if (!shape.ok) return errorResponse(shape.error.code, shape.error.message, shape.error);
  const { prompt, webhook = null, ...rest } = shape.value;
  if (prompt !== undefined && rest.messages !== undefined) {
    return errorResponse("invalid_value", "give either prompt or messages, not both", { param: "prompt" });
  }
  const chat = prompt === undefined ? rest : { ...rest, messages: [{ role: "user", content: prompt }] };
  const request = check(chatRequestSchema, chat);
  if (!request.ok) return errorResponse(request.error.code, request.error.message, request.error);
  if (call.caller.trail && call.caller.trail.hops > 0)
    return errorResponse("invalid_request", "coordinators pass on chats, not asynchronous jobs", {
      param: HOPS_HEADER,
    });
  const key = call.request.headers.get("idempotency-key");
  if (key !== null && !idempotencyKeySchema.safeParse(key).success) {
    return errorResponse("invalid_value", "Idempotency-Key has 1 to 255 characters", { param: "Idempotency-Key" });
  }
  const target = webhook === null ? null : checkWebhookUrl(webhook, deps.webhooks);
  if (target && !target.ok) return errorResponse("invalid_value", `webhook: ${target.error}`, { param: "webhook" });
  const requestHash = createHash("sha256").update(text).digest("hex");
  const output = outputLog();
  // As it came where it can be: numbers written anew may be many times as long, and no link carries more than this.
  const bodyJson = prompt === undefined && webhook === null ? text : JSON.stringify(chat);
  if (bodyJson.length > MAX_REQUEST_CHARS) return errorResponse("body_too_large", "the request is too large");
  const spec = jobSpec("async", request.value, bodyJson, call.caller, deps.defaults);
  const limited = takeLimits(call.caller, spec);
  if (limited) return limited;
  const extra = {
    webhook: target?.value.href ?? null,
    idempotencyKey: key,
    requestHash: key === null ? null : requestHash,
  };
  const submitted = await deps.jobs.submitAsync(spec, output, extra, (id) => deps.outputs.set(id, output));
  const headers = spec.reserved === null ? {} : limitHeaders(spec.reserved.meter);
  if (submitted.ok) return accepted(submitted.value.id, submitted.value.state, headers);
  if (submitted.error.code !== "idempotency_key_used") return refused(submitted.error, spec);
  spec.reserved?.settle(0);
  const { row } = submitted.error;
  if (row.requestHash === requestHash) return accepted(row.id, row.state, headers);
  const message = "this Idempotency-Key was used with another request in the last 24 hours";
  return errorResponse("idempotency_key_reused", message, { param: "Idempotency-Key" });
}

const accepted = (id: string, status: JobState, headers: Record<string, string>): Response =>
  Response.json({ id, status, stream_url: `/api/v1/jobs/${id}/stream` }, { status: 202, headers });

type Found = { job: JobRow; content: JobContentRow | null };

async function found(deps: JobsHttpDeps, call: ClientCall): Promise<Found | Response> {
  const id = call.params.id ?? "";
  let row = await findJob(deps.db, call.caller.accountId, id);
  if ((!row || !isEnd(row.job.state)) && !deps.jobs.live.has(id as JobId)) {
    // A chat's record is written a moment after its end.
    await deps.jobs.recorded();
    row = await findJob(deps.db, call.caller.accountId, id);
  }
  return row ?? errorResponse("job_not_found", `there is no job ${id.slice(0, 64)}`, { param: "id" });
}

export async function showJob(deps: JobsHttpDeps, call: ClientCall): Promise<Response> {
  const row = await found(deps, call);
  if (row instanceof Response) return row;
  const { id, webhook } = row.job;
  const live = deps.jobs.live.get(id as JobId);
  return Response.json({
    ...withResult(row, live),
    ...(webhook === null ? {} : { webhook: await webhookOf(deps, id, webhook) }),
  });
}

/** A job that ended, as its webhook tells it: what `GET /api/v1/jobs/:id` shows. Null where it is not there. */
export async function endedJob(db: Db, accountId: string, id: string): Promise<object | null> {
  const row = await findJob(db, accountId, id);
  return row ? withResult(row) : null;
}

function withResult(row: Found, live?: Job) {
  const retained = row.content?.output ?? null;
  const stored = retained === null ? null : (JSON.parse(retained) as StoredOutput);
  return {
    ...jobView(row.job, live),
    ...(stored && row.job.state === "completed" ? { result: { choices: stored.choices } } : {}),
    ...(isEnd(row.job.state) && row.job.kind === "async" && !row.content ? { content: "deleted" } : {}),
  };
}

/** What a client sees of a job. Of a live one what memory knows is newer than the row. */
function jobView(row: JobRow, live?: Job) {
  const usage = { prompt_tokens: row.promptTokens ?? 0, completion_tokens: row.completionTokens ?? 0 };
  const total = usage.prompt_tokens + usage.completion_tokens;
  const error = row.errorCode === null ? null : { code: row.errorCode, message: row.errorMessage ?? "" };
  return {
    id: row.id,
    object: "job",
    kind: row.kind,
    model: row.model,
    status: live?.state ?? row.state,
    error,
    finish_reason: row.finishReason,
    usage: row.endedMs === null ? null : { ...usage, total_tokens: total, ...costOf(row.chargedMicroUsd) },
    attempts: live?.attempts ?? row.attempts,
    created_ms: row.createdMs,
    dispatched_ms: live?.dispatchedMs ?? row.dispatchedMs,
    first_delta_ms: live?.firstDeltaMs ?? row.firstDeltaMs,
    ended_ms: row.endedMs,
  };
}

const listQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  /** Id of the last job of the page before. */
  cursor: z.string().max(64).optional(),
  status: z.enum(JOB_STATES).optional(),
});

export async function listJobsOf(deps: JobsHttpDeps, call: ClientCall): Promise<Response> {
  const query = check(listQuerySchema, Object.fromEntries(call.query));
  if (!query.ok) return errorResponse(query.error.code, query.error.message, query.error);
  const { limit, cursor, status } = query.value;
  const { accountId } = call.caller;
  const states = status === undefined ? undefined : [status];
  const { rows, older } = await listJobs(deps.db, { accountId, states }, { limit, before: cursor });
  return Response.json({
    object: "list",
    data: rows.map((row) => jobView(row, deps.jobs.live.get(row.id as JobId))),
    next_cursor: older,
  });
}

const byClient: JobError = { code: "client_gone", message: "cancelled by its owner" };

export async function cancelJob(deps: JobsHttpDeps, call: ClientCall): Promise<Response> {
  const row = await found(deps, call);
  if (row instanceof Response) return row;
  const live = deps.jobs.live.get(row.job.id as JobId);
  if (!live) {
    // Not live, and the row does not say so yet: its end is being stored.
    const state = isEnd(row.job.state) ? `the job has ended already: ${row.job.state}` : "the job is ending already";
    return errorResponse("job_ended", state);
  }
  await deps.jobs.cancelAndWait(live, byClient);
  return Response.json({ id: live.id, status: live.state });
}

export async function streamJob(deps: JobsHttpDeps, call: ClientCall): Promise<Response> {
  let row = await found(deps, call);
  if (row instanceof Response) return row;
  const after = piecePosition(call.request.headers.get("last-event-id"));
  const output = deps.outputs.get(row.job.id as JobId);
  if (output) {
    const silenceOver = call.mayBeSilent();
    return eventStream(liveEvents(output, after, call.request.signal, deps.keepAliveMs, silenceOver));
  }
  if (!isEnd(row.job.state)) {
    // It may have ended between the two looks: then the row has it now.
    row = await found(deps, call);
    if (row instanceof Response) return row;
  }
  if (row.job.kind === "chat") return errorResponse("content_gone", "the content of a chat is not kept");
  if (!row.content?.output) {
    return isEnd(row.job.state)
      ? errorResponse("content_gone", "the content of this job was deleted")
      : errorResponse("node_lost", "this coordinator does not have the job's stream; try again");
  }
  const stored = JSON.parse(row.content.output) as StoredOutput;
  const error = row.job.state === "completed" ? null : errorOf(row.job);
  return eventStream(storedEvents(stored, after, error));
}

const errorOf = (row: JobRow): JobError => ({
  code: (row.errorCode ?? "client_gone") as JobError["code"],
  message: (row.errorMessage ?? "cancelled").slice(0, maxErrorMessage),
});

/** `data: {"text":"…"}`, named by attempt and offset. */
const pieceEvent = (attempt: number, offset: number, text: string): string =>
  `id: ${attempt}:${offset}\ndata: ${JSON.stringify({ text })}\n\n`;
const DONE = "data: [DONE]\n\n";
const errorEvent = (error: JobError): string =>
  `data: ${JSON.stringify(openAiError(error.code satisfies ErrorCode, error.message))}\n\n`;

/** Text of two attempts in one reader's hands would be wrong without anybody noticing. */
const RESTARTED = `data: ${JSON.stringify(openAiError("stream_restarted", "the job lost its node and started over; read its stream again from the start, without Last-Event-ID"))}\n\n`;

async function* liveEvents(
  output: OutputLog,
  after: ReturnType<typeof piecePosition>,
  signal: AbortSignal,
  keepAliveMs: number,
  beforeEnd: () => void,
): AsyncGenerator<string> {
  const reader = output.read(after);
  signal.addEventListener("abort", () => reader.close(), { once: true });
  try {
    yield ": stream\n\n";
    for (let next = reader.next(); ; ) {
      const pieces = await orSilence(next, keepAliveMs);
      if (pieces === "silence") {
        yield ": keep-alive\n\n";
        continue;
      }
      if (pieces === "restarted") {
        yield RESTARTED;
        return;
      }
      if (pieces === null) break;
      yield pieces.map((piece) => pieceEvent(piece.attempt, piece.offset, piece.text)).join("");
      next = reader.next();
    }
    yield output.failure === null ? DONE : errorEvent(output.failure);
  } finally {
    reader.close();
    beforeEnd();
  }
}

async function orSilence<T>(next: Promise<T>, afterMs: number): Promise<T | "silence"> {
  const silence = Promise.withResolvers<"silence">();
  const timer = setTimeout(() => silence.resolve("silence"), afterMs);
  try {
    return await Promise.race([next, silence.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function* storedEvents(
  stored: StoredOutput,
  after: ReturnType<typeof piecePosition>,
  error: JobError | null,
): AsyncGenerator<string> {
  const [first] = stored.pieces;
  if (after && first && first[0] > after.attempt) {
    yield RESTARTED;
    return;
  }
  for (const [attempt, offset, text] of stored.pieces) {
    const seen = after && (attempt < after.attempt || (attempt === after.attempt && offset <= after.offset));
    if (!seen) yield pieceEvent(attempt, offset, text);
  }
  yield error === null ? DONE : errorEvent(error);
}

/** A body that is read as fast as its reader takes it, and let go when the reader leaves. */
function eventStream(events: AsyncGenerator<string>): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await events.next();
        if (next.done) controller.close();
        else controller.enqueue(encoder.encode(next.value));
      },
      async cancel() {
        await events.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
  });
}
