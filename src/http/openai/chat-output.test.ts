import { expect, test } from "bun:test";
import { type JobSpec, newJob } from "../../jobs/job.ts";
import { jobIdSchema } from "../../protocol/primitives.ts";
import { NO_WISHES } from "../../scheduler/wishes.ts";
import { chatShape, chatStream } from "./chat-output.ts";

const SPEC: JobSpec = {
  kind: "chat",
  task: "chat",
  accountId: "local",
  keyId: null,
  fairKey: "k",
  model: "m",
  stream: true,
  bodyJson: "{}",
  maxTokens: 8,
  defaultMaxTokens: true,
  promptGuess: 5,
  promptExtra: 64,
  budgets: [],
  choices: 1,
  fallbacks: [],
  allowed: null,
  reserved: null,
  wishes: NO_WISHES,
  minContext: 1,
  wantContext: 1,
  affinity: null,
  cost: 1,
  structured: false,
  repeatable: false,
};

test("the server's limit on silence is set again before a stream's end, completed or not", async () => {
  for (const state of ["completed", "failed"] as const) {
    let restored = 0;
    const head = { id: "chatcmpl-1", created: 1, model: () => "m" };
    const stream = chatStream(
      head,
      chatShape(),
      false,
      () => 0,
      () => void restored++,
    );
    const job = newJob(jobIdSchema.parse("01a1fdce-c253-748b-98d4-ee89d4ef96ea"), SPEC, stream, 0);
    void stream.deltas(1, 0, [{ content: "text" }]);
    expect(restored).toBe(0);
    stream.end({ ...job, state });
    expect(restored).toBe(1);
    await stream.closed;
  }
});
