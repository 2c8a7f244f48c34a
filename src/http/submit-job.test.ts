import { expect, test } from "bun:test";
import type { JobSpec } from "../jobs/job.ts";
import { err } from "../lib/result.ts";
import { type JobsHttpDeps, submitJob } from "./jobs.ts";
import type { ClientCall } from "./routes.ts";

/** The answer to a submission that the queue refuses, and what the queue was given. */
async function submit(body: string): Promise<{ status: number; error: unknown; given: JobSpec | undefined }> {
  let given: JobSpec | undefined;
  const jobs: Pick<JobsHttpDeps["jobs"], "submitAsync"> = {
    async submitAsync(spec) {
      given = spec;
      return err({ code: "model_not_found", message: "not here" });
    },
  };
  const defaults = { maxTokens: 16, strategy: "balanced" as const };
  const caller = { accountId: "local", keyId: null, fairKey: "k" };
  const call: Pick<ClientCall, "body" | "caller" | "request"> = {
    body: () => body,
    caller,
    request: new Request("http://localhost/api/v1/jobs", { method: "POST" }),
  };
  const response = await submitJob(
    { jobs, defaults, outputs: new Map() } as unknown as JobsHttpDeps,
    call as ClientCall,
  );
  const { error } = (await response.json()) as { error: unknown };
  return { status: response.status, error, given };
}

test("a request with messages is kept as it came, so that it grows no larger than it was", async () => {
  const body = `{"model":"m","messages":[{"role":"user","content":"x"}],"bias":[${"1e20,".repeat(100)}1e20]}`;
  const { status, error, given } = await submit(body);
  expect(given?.bodyJson).toBe(body);
  expect([status, error]).toMatchObject([404, { code: "model_not_found", param: "model" }]);
});

test("a prompt becomes the only message; what would outgrow every link on the way is refused", async () => {
  const small = await submit('{"model":"m","prompt":"x","seed":1}');
  expect(JSON.parse(small.given?.bodyJson ?? "")).toEqual({
    model: "m",
    seed: 1,
    messages: [{ role: "user", content: "x" }],
  });
  const large = await submit(`{"model":"m","prompt":"x","bias":[${"1e20,".repeat(2_400_000)}1e20]}`);
  expect(large).toMatchObject({ status: 413, error: { code: "body_too_large" } });
  expect(large.given).toBeUndefined();
});
