// `POST /v1/chat/completions`: parse, submit, and answer from the job's output.
import type { Job, JobError, JobSpec } from "../../jobs/job.ts";
import type { Jobs, SubmitError } from "../../jobs/jobs.ts";
import type { Clock } from "../../lib/clock.ts";
import { errorResponse } from "../errors.ts";
import { limitHeaders, takeLimits } from "../key-limits.ts";
import type { ClientCall } from "../routes.ts";
import { type ChatStream, chatShape, chatStream, type Shape, wholeChat } from "./chat-output.ts";
import { chatRequestSchema, check, parseJson } from "./chat-request.ts";
import { jobSpec, type SpecDefaults } from "./job-spec.ts";

export type ChatDeps = {
  clock: Clock;
  jobs: Jobs;
  defaults: SpecDefaults;
  /** Streams under way, for the keep-alive. */
  streams: Set<ChatStream>;
};

/** Headers wait for the first piece of the answer, so that a refusal has its right status; but no longer than this. */
const HEADERS_WAIT_MS = 10_000;

export async function chatCompletions(deps: ChatDeps, call: ClientCall): Promise<Response> {
  const body = call.body();
  const bodyJson = typeof body === "string" ? body : await body;
  const json = parseJson(bodyJson);
  if (!json.ok) return errorResponse(json.error.code, json.error.message, json.error);
  const request = check(chatRequestSchema, json.value);
  if (!request.ok) return errorResponse(request.error.code, request.error.message, request.error);
  return answerTo(deps, call, {
    spec: jobSpec("chat", request.value, bodyJson, call.caller, deps.defaults),
    idPrefix: "chatcmpl-",
    shape: chatShape,
    includeUsage: request.value.stream_options?.include_usage === true,
  });
}

/** A request of one of OpenAI's generating routes. */
export type Asked = {
  spec: JobSpec;
  /** What OpenAI's ids of such answers begin with. */
  idPrefix: string;
  shape: () => Shape;
  includeUsage: boolean;
  /** Told once the answer is over, with the job; null where it was not taken on. */
  over?: (job: Job | null) => void;
};

/** Submits the job and answers from its output, as a stream or as a whole. */
export async function answerTo(deps: ChatDeps, call: ClientCall, asked: Asked): Promise<Response> {
  const limited = takeLimits(call.caller, asked.spec);
  if (limited) {
    asked.over?.(null);
    return limited;
  }
  const silenceOver = call.mayBeSilent();
  if (asked.spec.stream) return streamed(deps, call, asked, silenceOver);
  const response = await whole(deps, call, asked);
  silenceOver();
  return response;
}

async function whole(deps: ChatDeps, call: ClientCall, { spec, idPrefix, shape, over }: Asked): Promise<Response> {
  const head = { id: "", created: nowS(deps) };
  const output = wholeChat(head, shape());
  const taken = deps.jobs.take(spec, output);
  const submitted = taken instanceof Promise ? await taken : taken;
  if (!submitted.ok) {
    over?.(null);
    return refused(submitted.error, spec);
  }
  const job = submitted.value;
  head.id = `${idPrefix}${job.id}`;
  cancelWithClient(deps, call, job);
  await output.ended;
  over?.(job);
  if (job.state !== "completed") return failure(job);
  return Response.json(output.completion(job), { headers: jobHeaders(job) });
}

async function streamed(
  deps: ChatDeps,
  call: ClientCall,
  { spec, idPrefix, shape, includeUsage, over }: Asked,
  silenceOver: () => void,
): Promise<Response> {
  const { clock, jobs, streams } = deps;
  // The output wants the job's id and the job wants the output: ids are made first.
  const id = jobs.newId();
  let job: Job | undefined;
  const head = { id: `${idPrefix}${id}`, created: nowS(deps), model: () => job?.model ?? spec.model };
  const output = chatStream(head, shape(), includeUsage, clock.nowMs, silenceOver);
  const taken = jobs.take(spec, output, id);
  const submitted = taken instanceof Promise ? await taken : taken;
  if (!submitted.ok) {
    silenceOver();
    over?.(null);
    return refused(submitted.error, spec);
  }
  const begun = submitted.value;
  job = begun;
  cancelWithClient(deps, call, job);
  await startedOrDue(clock, job);
  if (job.endedMs !== null && job.state !== "completed" && job.firstDeltaMs === null) {
    over?.(job);
    return failure(job);
  }
  // From here on the client sees an answer that has begun: the job may not be displaced from the queue any more.
  job.displaceable = false;
  streams.add(output);
  void output.closed.then(() => {
    streams.delete(output);
    over?.(begun);
  });
  return new Response(output.body(), {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", ...jobHeaders(job) },
  });
}

/** The answer to a request that was not taken on, which is given its tokens back. */
export function refused(error: SubmitError, { reserved }: JobSpec): Response {
  reserved?.settle(0);
  return errorResponse(error.code, error.message, {
    param: paramOf(error),
    ...(reserved ? { headers: limitHeaders(reserved.meter) } : {}),
  });
}

/** Resolves at the job's first piece, at its end, or when the headers may wait no longer. */
export function startedOrDue(clock: Clock, job: Job): Promise<void> {
  // A client that had left already has ended its job by now.
  if (job.endedMs !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = clock.after(HEADERS_WAIT_MS, resolve);
    job.onStarted = () => {
      cancel();
      resolve();
    };
  });
}

/** Whoever leaves ends the job, down to the backend. */
export function cancelWithClient(
  { jobs }: Pick<ChatDeps, "jobs">,
  { request }: { request: Pick<Request, "signal"> },
  job: Job,
): void {
  const gone = () => jobs.cancel(job, { code: "client_gone", message: "the client closed the connection" });
  if (request.signal.aborted) gone();
  else request.signal.addEventListener("abort", gone, { once: true });
}

export const nowS = ({ clock }: ChatDeps): number => Math.floor(clock.nowMs() / 1000);
/** The field of the request that such an error is about. */
export const paramOf = ({ code, param }: Pick<JobError, "param"> & { code: string }): string | null =>
  param ?? PARAMS[code] ?? null;
const PARAMS: Record<string, string> = {
  model_not_found: "model",
  model_not_allowed: "model",
  context_length_exceeded: "messages",
};

export function failure(job: Job): Response {
  const error: JobError | { code: "cancelled"; message: string } = job.error ?? {
    code: "cancelled",
    message: "the job was cancelled",
  };
  return errorResponse(error.code, error.message, { param: paramOf(error), headers: jobHeaders(job) });
}

/** What is known of the job when the headers go out. */
export function jobHeaders(job: Job): Record<string, string> {
  const node = job.attempts[job.attempts.length - 1]?.node;
  const headers = {
    "x-infernet-job": job.id,
    "x-infernet-attempts": `${job.attempt}`,
    ...(node === undefined ? {} : { "x-infernet-node": node }),
  };
  return job.reserved === null ? headers : { ...headers, ...limitHeaders(job.reserved.meter) };
}
