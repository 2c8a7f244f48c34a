// Jobs for external workers: next, output, finish, fail. The same leases and attempts as for polling nodes; what is said
// twice is taken once, so that a worker may send anything again when it got no answer.

import type { z } from "zod";
import { err, ok, type Result } from "../../lib/result.ts";
import { attemptIdSchema, type DispatchFrame, SILENCE_MS } from "../../protocol/frames.ts";
import type { Delta } from "../../protocol/generation.ts";
import type { Leased } from "../../registry/poll-session.ts";
import { errorResponse } from "../errors.ts";
import { failure, inputOf } from "../polling/jobs.ts";
import type { ClientCall } from "../routes.ts";
import { type WorkerDeps, workerOf } from "./registration.ts";
import type { failSchema, finishSchema, nextSchema, outputSchema } from "./shapes.ts";

export async function nextJob(
  deps: WorkerDeps,
  call: ClientCall,
  keyId: string,
  { worker: id, wait_s: waitS }: z.output<typeof nextSchema>,
): Promise<Response> {
  const worker = await workerOf(deps, keyId, id);
  if (!worker.ok) return worker.error;
  if (deps.pollers.busy(id) >= worker.value.slots) {
    const message = `this worker registered ${worker.value.slots} slots, and all are taken; finish a job first`;
    return errorResponse("slots_in_use", message);
  }
  const answered = call.mayBeSilent();
  const [frame] = await deps.pollers.ask(id, 1, waitS * 1000, call.request.signal);
  answered();
  return Response.json({ job: frame ? jobOf(frame) : null });
}

const jobOf = (frame: DispatchFrame) => ({
  id: frame.attempt,
  model: frame.model,
  task: frame.task ?? "chat",
  input: inputOf(frame),
  /** Another node's answer so far, at the end of `input` already: to be gone on with, not repeated. */
  answered: frame.answered ?? null,
  lease_s: SILENCE_MS / 1000,
});

type Attempt = { open: Leased } | { past: "completed" | "failed" | "cancelled" };

function attemptOf({ pollers }: WorkerDeps, keyId: string, id: string): Result<Attempt, Response> {
  const found = attemptIdSchema.safeParse(id).success ? pollers.find(keyId, id) : err("lease_lapsed" as const);
  if (found.ok) {
    pollers.seen(found.value.pubkey);
    return ok({ open: found.value });
  }
  const past = pollers.past(keyId, id);
  if (past !== undefined && past !== "refused") return ok({ past });
  return err(errorResponse("lease_lapsed", "no worker of this key has this job, or not any more; stop working on it"));
}

export async function output(
  deps: WorkerDeps,
  keyId: string,
  id: string,
  { offset, text, deltas }: z.output<typeof outputSchema>,
): Promise<Response> {
  const attempt = attemptOf(deps, keyId, id);
  if (!attempt.ok) return attempt.error;
  if ("past" in attempt.value) return Response.json({ next_offset: null, cancelled: true });
  const { open } = attempt.value;
  const given: Delta[] = text === undefined ? ((deltas ?? []) as Delta[]) : [{ content: text }];
  const next = open.attempt.offset;
  if (offset > next) {
    return errorResponse("offset_gap", `pieces ${next} to ${offset - 1} are missing; send from ${next} on`, {
      param: "offset",
    });
  }
  const fresh = given.slice(next - offset);
  const relayed = deps.pollers.relay(open, fresh, fresh.length);
  if (!relayed.ok) {
    return errorResponse("too_many_requests", "the client reads slower than this; send these pieces again in a moment");
  }
  await relayed.value;
  const cancelled = !deps.pollers.find(keyId, id).ok;
  return Response.json({ next_offset: open.attempt.offset, cancelled });
}

const ended = (id: string, status: string): Response => Response.json({ id, status });

async function end(
  deps: WorkerDeps,
  keyId: string,
  id: string,
  wanted: "completed" | "failed",
  act: (open: Leased) => ReturnType<WorkerDeps["pollers"]["finish"]>,
): Promise<Response> {
  const attempt = attemptOf(deps, keyId, id);
  if (!attempt.ok) return attempt.error;
  if ("past" in attempt.value) {
    const { past } = attempt.value;
    if (past === wanted || past === "cancelled") return ended(id, past);
    return errorResponse("already_completed", `this job has ${past} already`);
  }
  const done = await act(attempt.value.open);
  if (done.ok) return ended(id, done.value);
  if (done.error === "storage_failed") return errorResponse("storage_failed", "the end cannot be stored now");
  return errorResponse("lease_lapsed", "another has this job by now");
}

export const finish = (
  deps: WorkerDeps,
  keyId: string,
  id: string,
  { finish_reason: reason, usage, text }: z.output<typeof finishSchema>,
): Promise<Response> =>
  end(deps, keyId, id, "completed", (open) =>
    deps.pollers.finish(open, text ?? null, { outcome: "completed", reason, usage: usage ?? null }),
  );

export const fail = (
  deps: WorkerDeps,
  keyId: string,
  id: string,
  { error, code, retry }: z.output<typeof failSchema>,
): Promise<Response> =>
  end(deps, keyId, id, "failed", (open) => {
    const what = failure(error, retry ? code : "invalid_request");
    // Busy before its first piece: another takes the job, and nobody is blamed.
    const isRefusal = what.code === "backend_busy" && open.attempt.offset === 0;
    return deps.pollers.finish(open, null, { outcome: isRefusal ? "refused" : "failed", error: what });
  });
