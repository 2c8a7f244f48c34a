import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Delta, MAX_DELTA_CHARS } from "../../protocol/generation.ts";
import { textOf } from "../testing/collect.ts";
import { ChatStream, type ChatStreamOptions } from "./chat-stream.ts";

const chunk = (delta: unknown, extra: Record<string, unknown> = {}): string =>
  JSON.stringify({
    id: "c",
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: null, ...extra }],
  });

/** Feeds the pieces as the adapter does. */
function run(pieces: Uint8Array[], options: ChatStreamOptions = {}): { deltas: Delta[]; stream: ChatStream } {
  const deltas: Delta[] = [];
  const stream = new ChatStream(
    (delta) => {
      deltas.push(delta);
      return undefined;
    },
    { newCallId: () => "new", ...options },
  );
  const decoder = new TextDecoder();
  for (const piece of pieces) void stream.push(decoder.decode(piece, { stream: true }));
  const rest = decoder.decode();
  if (rest !== "") void stream.push(rest);
  void stream.end();
  return { deltas, stream };
}
const runText = (text: string) => run([new TextEncoder().encode(text)]);

/** Joins neighbouring text of each choice, so that answers read in different pieces can be compared. */
function joined(deltas: Delta[]): Delta[] {
  const out = new Map<number, Delta[]>();
  for (const { index = 0, ...delta } of deltas) {
    const list = out.get(index) ?? [];
    out.set(index, list);
    const last = list.at(-1);
    const key = Object.keys(delta).join();
    if (last && Object.keys(last).join() === key && (key === "content" || key === "reasoning_content")) {
      last[key] = `${last[key]}${delta[key]}`;
    } else list.push({ ...delta });
  }
  return [...out].sort(([a], [b]) => a - b).flatMap(([index, list]) => list.map((delta) => ({ ...delta, index })));
}

const lineEnd = fc.constantFrom("\n", "\r\n", "\r");
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom('"', "\\", "\n", "\u2028", "é", "😀", "data: ", '","', '"}}]}', "\ufeff", "你好"),
);
const toolCall = fc.record(
  {
    index: fc.constantFrom(0, 1),
    id: fc.constantFrom("a", "b"),
    function: fc.record({ name: fc.constantFrom("f", "g"), arguments: fc.constantFrom("{", '"x":1', "}", "") }),
  },
  { requiredKeys: ["function"] },
);
const usage = fc.record({ prompt_tokens: fc.nat(9), completion_tokens: fc.nat(9) });
/** One event's data: mostly plain text, now and then something else. */
const eventData = fc.oneof(
  { weight: 6, arbitrary: text.map((content) => chunk({ content })) },
  { weight: 1, arbitrary: text.map((content) => chunk({ role: "assistant", content })) },
  { weight: 1, arbitrary: text.map((reasoning) => chunk({ reasoning_content: reasoning })) },
  { weight: 1, arbitrary: text.map((reasoning) => chunk({ reasoning, content: null })) },
  { weight: 1, arbitrary: text.map((content) => chunk({ content }, { logprobs: { content: [] } })) },
  { weight: 1, arbitrary: text.map((content) => chunk({ content }, { index: 1 })) },
  { weight: 1, arbitrary: fc.array(toolCall, { maxLength: 3 }).map((calls) => chunk({ tool_calls: calls })) },
  { weight: 1, arbitrary: fc.constant(chunk({ function_call: { name: "f", arguments: "{}" } })) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("stop", "length", "tool_calls", "function_call", { type: "length" })
      .map((finish) => chunk({}, { finish_reason: finish })),
  },
  { weight: 1, arbitrary: usage.map((counts) => JSON.stringify({ id: "c", object: "", choices: [], usage: counts })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(text, usage)
      .map(([content, counts]) =>
        JSON.stringify({ id: "c", object: "", choices: [{ index: 0, delta: { content } }], usage: counts }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(text, fc.boolean()).map(([content, hasLogprobs]) => {
      const logprobs = hasLogprobs ? { content: [{ token: content, logprob: -1, top_logprobs: [] }] } : null;
      return JSON.stringify({
        id: "c",
        object: "",
        choices: [{ index: 0, text: content, logprobs, finish_reason: null }],
      });
    }),
  },
);
const stream = fc
  .tuple(fc.array(eventData, { maxLength: 12 }), lineEnd, fc.boolean(), fc.boolean())
  .map(([events, end, comments, multiline]) => {
    const lines = events.map((data) => {
      const cut = multiline ? data.indexOf(',"object"') + 1 : 0;
      const source = cut > 0 ? `data: ${data.slice(0, cut)}${end}data:${data.slice(cut)}` : `data: ${data}`;
      return `${comments ? `: ping${end}` : ""}${source}${end}${end}`;
    });
    return { events, source: `${lines.join("")}data: [DONE]${end}${end}` };
  });

const options = fc.record({
  choices: fc.constantFrom(1, 2),
  usageByChoice: fc.boolean(),
  completion: fc.boolean(),
});

describe("chat stream", () => {
  test("any split of the bytes gives the same answer", () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(400), { maxLength: 30 }), options, ({ source }, sizes, option) => {
        const bytes = new TextEncoder().encode(source);
        const pieces: Uint8Array[] = [];
        let at = 0;
        for (const size of sizes) {
          pieces.push(bytes.slice(at, at + size));
          at += size;
        }
        pieces.push(bytes.slice(at));
        const whole = run([bytes], option);
        const split = run(pieces, option);
        expect(joined(split.deltas)).toEqual(joined(whole.deltas));
        expect(split.stream.result()).toEqual(whole.stream.result());
      }),
      { numRuns: 300 },
    );
  });

  test("the server's pieces are counted, however many of them one read brought", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 5 }), { maxLength: 30 }), fc.array(fc.nat(9)), (texts, reads) => {
        let counted = 0;
        const stream = new ChatStream((_, pieces = 1) => {
          counted += pieces;
          return undefined;
        });
        const events = texts.map((content) => `data: ${chunk({ content })}\n\n`);
        while (events.length > 0) void stream.push(events.splice(0, reads.shift() ?? events.length).join(""));
        void stream.end();
        expect(counted).toBe(texts.filter((content) => content !== "").length);
      }),
    );
  });

  test("a stream cut after every single byte gives the same answer", () => {
    const source = `: hi\r\n\r\ndata: ${chunk({ role: "assistant", content: "" })}\r\n\r\ndata: ${chunk({ content: "日本😀" })}\r\n\r\ndata: ${chunk({ content: 'a"\\b' })}\r\n\r\ndata: ${chunk({}, { finish_reason: "length" })}\r\n\r\ndata: [DONE]\r\n\r\n`;
    const bytes = new TextEncoder().encode(source);
    const single = run([...bytes].map((byte) => Uint8Array.of(byte)));
    expect(textOf(single.deltas)).toBe('日本😀a"\\b');
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { deltas, stream: parsed } = run([bytes.slice(0, cut), bytes.slice(cut)]);
      expect(textOf(deltas)).toBe('日本😀a"\\b');
      expect(parsed.result()).toEqual({ finish: [{ index: 0, reason: "length" }], usage: null });
    }
  });

  test("the short way gives what parsing every event gives", () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 20 }), fc.boolean(), (contents, ascii) => {
        const asWritten = (json: string) =>
          ascii ? json.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`) : json;
        // A lesson first, so that the others take the short way.
        const events = ["lesson", ...contents].map((content) => asWritten(chunk({ content })));
        const slow = events.map((event) => JSON.parse(event).choices[0].delta.content as string).join("");
        const { deltas } = runText(events.map((event) => `data: ${event}\n\n`).join(""));
        expect(textOf(deltas)).toBe(slow.toWellFormed());
      }),
      { numRuns: 500 },
    );
  });

  test("the short way is not taken where an event differs outside its text", () => {
    const first = chunk({ content: "x" });
    const other = first.replace('"index":0', '"index":1');
    const { deltas } = runText(`data: ${first}\n\ndata: ${first}\n\ndata: ${other}\n\ndata: ${first}\n\n`);
    expect(textOf(deltas, 0)).toBe("xxx");
    expect(textOf(deltas, 1)).toBe("x");
  });

  test("text that equals a key or another value of its event is found in the right place", () => {
    const event = (content: string) =>
      `data: {"content":"content","id":"stop","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}}}]}\n\n`;
    const { deltas } = runText(event("content") + event("stop") + event("id") + event("content"));
    expect(textOf(deltas)).toBe("contentstopidcontent");
  });

  test("a raw control character in a string is refused, short way or not", () => {
    const good = `data: ${chunk({ content: "ab" })}\n\n`;
    expect(() => runText(good + good.replace("ab", "a\tb"))).toThrow(SyntaxError);
  });

  test("the text of one read is one delta", () => {
    const events = Array.from({ length: 50 }, (_, i) => `data: ${chunk({ content: `${i} ` })}\n\n`).join("");
    expect(runText(events).deltas).toEqual([{ content: Array.from({ length: 50 }, (_, i) => `${i} `).join("") }]);
  });

  test("two choices in one read give one delta each", () => {
    const of = (index: number, content: string) =>
      `data: {"choices":[{"index":${index},"delta":{"content":"${content}"}}]}\n\n`;
    expect(runText(of(0, "a") + of(1, "b") + of(0, "c") + of(1, "d")).deltas).toEqual([
      { content: "ac" },
      { content: "bd", index: 1 },
    ]);
  });

  test("text longer than a delta may be is cut between characters", () => {
    const long = "😀".repeat(MAX_DELTA_CHARS);
    const { deltas } = runText(`data: ${chunk({ content: `a${long}` })}\n\n`);
    expect(textOf(deltas)).toBe(`a${long}`);
    for (const delta of deltas) {
      expect(delta.content?.length).toBeLessThanOrEqual(MAX_DELTA_CHARS);
      expect(delta.content?.isWellFormed()).toBe(true);
    }
  });

  test("a character sent as two halves comes out whole", () => {
    const half = (escaped: string) => `data: {"choices":[{"index":0,"delta":{"content":"${escaped}"}}]}\n\n`;
    const encoder = new TextEncoder();
    const { deltas } = run([encoder.encode(half("a\\ud83d")), encoder.encode(half("\\ude00b"))]);
    expect(deltas).toEqual([{ content: "a" }, { content: "😀b" }]);
  });

  test("half a character that nothing completes becomes U+FFFD", () => {
    expect(runText(`data: {"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}\n\n`).deltas).toEqual([
      { content: "a" },
      { content: "\ufffd" },
    ]);
  });

  test("reasoning text has one name, whatever the server calls it", () => {
    const { deltas } = runText(
      `data: ${chunk({ reasoning: "hm" })}\n\ndata: ${chunk({ reasoning: "!" })}\n\ndata: ${chunk({ reasoning_content: "ok" })}\n\ndata: ${chunk({ content: "a" })}\n\n`,
    );
    expect(deltas).toEqual([{ reasoning_content: "hm!ok" }, { content: "a" }]);
  });

  test("an event without end is refused before it fills the memory", () => {
    const { stream: parser } = runText("");
    expect(() => {
      for (let i = 0; i < 40; i++) void parser.push("x".repeat(1024 * 1024));
    }).toThrow(RangeError);
  });
});
