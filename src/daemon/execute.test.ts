// What a backend is asked for, of what the coordinator sent.
import { expect, test } from "bun:test";
import type { GenerateRequest } from "../backends/backend.ts";
import { ok } from "../lib/result.ts";
import type { DispatchFrame } from "../protocol/frames.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { execute } from "./execute.ts";
import { keptAttempt } from "./kept-attempts.ts";

const COORDINATOR = pubkeySchema.parse("c".repeat(64));

async function askedFor(over: Partial<DispatchFrame>): Promise<Record<string, unknown>> {
  let asked: GenerateRequest | undefined;
  const backend = {
    kind: "openai" as const,
    async generate(request: GenerateRequest) {
      asked = request;
      return ok({ finish: [], usage: null });
    },
  };
  const frame: DispatchFrame = { type: "dispatch", attempt: "a", model: "m", body: { messages: [] }, ...over };
  await execute(backend, frame, keptAttempt("a"), () => {}, COORDINATOR);
  return { ...asked?.body };
}

test.each([
  [{}, { max_tokens: 7 }],
  [{ max_tokens: 100 }, { max_tokens: 7 }],
  [{ max_completion_tokens: 100 }, { max_completion_tokens: 7 }],
  [
    { max_tokens: 100, max_completion_tokens: 100 },
    { max_tokens: 7, max_completion_tokens: 7 },
  ],
])("of %j the bound that is left is told in the client's own words", async (fields, bounds) => {
  const body = await askedFor({ max_tokens: 7, body: { messages: [], ...fields } });
  expect(body).toEqual({ model: "m", messages: [], ...bounds });
});

test("an answer that has begun stands at the end, in the message that the client had begun, if it had", async () => {
  const user = { role: "user", content: "Tell" };
  const own = { role: "assistant", content: "Well: " };
  const messagesOf = async (messages: object[]) => (await askedFor({ answered: "once", body: { messages } })).messages;
  expect(await messagesOf([user])).toEqual([user, { role: "assistant", content: "once" }]);
  expect(await messagesOf([user, own])).toEqual([user, { role: "assistant", content: "Well: once" }]);
  expect(await askedFor({ task: "completion", answered: "once", body: { prompt: "Well: " } })).toEqual({
    model: "m",
    prompt: "Well: once",
  });
});
