import { expect, test } from "bun:test";
import type { ChatRequest } from "./chat-request.ts";
import { jobSpec } from "./job-spec.ts";

const DEFAULTS = { maxTokens: 16, strategy: "balanced", tokensPerImage: 4096 } as const;
const CALLER = { accountId: "local", keyId: null, fairKey: "k" };
function guessOf(request: Omit<ChatRequest, "model">): number {
  const asked = { model: "m", ...request };
  return jobSpec("chat", asked, JSON.stringify(asked), CALLER, DEFAULTS).promptGuess;
}
const withImage = (url: string) =>
  guessOf({
    messages: [{ role: "user", content: [{ type: "text", text: "what?" }, imageOf(url)] }],
  });
const imageOf = (url: string) => ({ type: "image_url", image_url: { url } });

test("a prompt is guessed by its bytes, and one with an image not by the image's bytes", () => {
  const text = "x".repeat(4000);
  const plain = guessOf({ messages: [{ role: "user", content: text }] });
  expect(plain).toBeGreaterThanOrEqual(1000);
  expect(plain).toBeLessThan(1100);
  const large = withImage(`data:image/png;base64,${"A".repeat(2_000_000)}`);
  expect(large).toBe(withImage("https://example.com/a.png"));
  expect(large).toBeGreaterThan(100);
  expect(large).toBeLessThan(DEFAULTS.tokensPerImage);
});

test("descriptions of tools count beside an image", () => {
  const messages: ChatRequest["messages"] = [{ role: "user", content: [imageOf("https://example.com/a.png")] }];
  const tools = [{ type: "function", function: { name: "f", description: "x".repeat(4000) } }];
  expect(guessOf({ messages, tools }) - guessOf({ messages })).toBeGreaterThanOrEqual(1000);
});
