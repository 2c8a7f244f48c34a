import { expect, test } from "bun:test";
import { chatRequestSchema, check, parseJson, textLength } from "./chat-request.ts";

const chat = (content: unknown) => ({ model: "m", messages: [{ role: "user", content }] });

test("a message may hold parts of any kind, with text or without", () => {
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,QUJD" } };
  const audio = { type: "input_audio", input_audio: { data: "QUJD", format: "wav" } };
  for (const content of [[image], [{ type: "text", text: "what is this?" }, image], [audio], [], null]) {
    expect(check(chatRequestSchema, chat(content)).ok).toBe(true);
  }
  for (const content of [7, [7], [{ text: "no type" }], {}]) {
    const checked = check(chatRequestSchema, chat(content));
    expect(checked.ok || checked.error.code).toBe("invalid_value");
  }
});

test("only text counts towards the context", () => {
  const checked = check(
    chatRequestSchema,
    chat([
      { type: "text", text: "four" },
      { type: "image_url", image_url: {} },
    ]),
  );
  expect(checked.ok && textLength(checked.value.messages)).toBe(4);
});

test("what is nested too deep is refused before it is parsed, though it has no end", () => {
  const refused = parseJson("[".repeat(1_000_000));
  expect(refused.ok || refused.error.code).toBe("invalid_value");
});

test("what is nested too deep is refused, brackets within strings do not count", () => {
  const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  expect(parseJson(nested(64)).ok).toBe(true);
  for (const text of [nested(65), `{"a":"\\"","b":${nested(65)}}`, nested(500_000)]) {
    const parsed = parseJson(text);
    expect(parsed.ok || parsed.error.code).toBe("invalid_value");
  }
  expect(parseJson(JSON.stringify("[{".repeat(100))).ok).toBe(true);
  const broken = parseJson('{"a":');
  expect(broken.ok || broken.error.code).toBe("invalid_json");
});
