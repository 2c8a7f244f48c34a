// The routes of external workers, `/api/v1/worker/*`: a script in any language serves a model, with an API key of role
// operator. README.md tells how.
import type { z } from "zod";
import type { Clock } from "../../lib/clock.ts";
import { errorResponse } from "../errors.ts";
import { check, parsePlainJson } from "../openai/chat-request.ts";
import type { ClientCall, ClientRoute } from "../routes.ts";
import { fail, finish, nextJob, output } from "./jobs.ts";
import { register, type WorkerDeps, workerOf } from "./registration.ts";
import { failSchema, finishSchema, leaveSchema, nextSchema, outputSchema, registerSchema } from "./shapes.ts";

/** Calls of one key in one second. */
const MAX_PER_S = 500;

export function workerRoutes(deps: WorkerDeps): ClientRoute[] {
  const mayCall = pace(deps.clock);
  const route = <S extends z.ZodType>(
    path: string,
    summary: string,
    body: S,
    handle: (call: ClientCall, keyId: string, body: z.output<S>) => Response | Promise<Response>,
  ): ClientRoute => ({
    method: "POST",
    path: `/api/v1/worker/${path}`,
    tier: "client",
    scope: "operator",
    summary,
    body,
    async handle(call) {
      const keyId = call.caller.keyId ?? "";
      if (!mayCall(keyId)) return errorResponse("too_many_requests", `at most ${MAX_PER_S} calls a second and key`);
      const text = await call.body();
      const json = parsePlainJson(text === "" ? "{}" : text);
      const parsed = json.ok ? check<z.output<S>>(body as z.ZodType<z.output<S>>, json.value) : json;
      if (!parsed.ok) return errorResponse(parsed.error.code, parsed.error.message, parsed.error);
      return await handle(call, keyId, parsed.value);
    },
  });
  const jobOf = ({ params }: ClientCall): string => params.id ?? "";
  return [
    route("register", "A worker makes itself and its models known.", registerSchema, (call, keyId, body) =>
      register(deps, call, keyId, body),
    ),
    route("jobs/next", "The next job for a worker; waits for one.", nextSchema, (call, keyId, body) =>
      nextJob(deps, call, keyId, body),
    ),
    route("jobs/:id/output", "Pieces of a job's answer.", outputSchema, (call, keyId, body) =>
      output(deps, keyId, jobOf(call), body),
    ),
    route("jobs/:id/finish", "A job's answer is whole.", finishSchema, (call, keyId, body) =>
      finish(deps, keyId, jobOf(call), body),
    ),
    route("jobs/:id/fail", "A job cannot be answered.", failSchema, (call, keyId, body) =>
      fail(deps, keyId, jobOf(call), body),
    ),
    route("leave", "A worker stops; its jobs go to others.", leaveSchema, async (_call, keyId, body) => {
      const worker = await workerOf(deps, keyId, body.worker);
      if (!worker.ok) return worker.error;
      deps.pollers.leave(body.worker);
      return Response.json({ worker: body.worker });
    }),
  ];
}

/** Counts the calls of each key by the second. */
function pace(clock: Clock): (keyId: string) => boolean {
  let second = 0;
  const calls = new Map<string, number>();
  return (keyId) => {
    const now = Math.floor(clock.nowMs() / 1000);
    if (now !== second) calls.clear();
    second = now;
    const n = (calls.get(keyId) ?? 0) + 1;
    calls.set(keyId, n);
    return n <= MAX_PER_S;
  };
}
