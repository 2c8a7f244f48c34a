// Bench of the stream parser: ns per token from bytes to delta, beside the plain way (split at blank lines, JSON.parse
// each event), in one run. `bun e2e/bench/sse.ts [--tokens 20000] [--rounds 7] [--json]`
import { parseArgs } from "node:util";
import { ChatStream } from "../../src/backends/openai-compatible/chat-stream.ts";

const { values } = parseArgs({
  options: {
    tokens: { type: "string", default: "20000" },
    rounds: { type: "string", default: "7" },
    json: { type: "boolean", default: false },
  },
});
const tokens = Number(values.tokens);
const rounds = Number(values.rounds);

const WORDS = [" the", " node", " answers", ",", " and", " a", " token", " is", " sent", "."];
/** As code is: every fourth token needs an escape in JSON. */
const CODE = ["const", " x", " = ", '"a"', ";\n", "  return", " {", "\n\n"];
const TEXTS = { words: WORDS, code: CODE, chinese: ["你好", "世界", "，", "节点"] };

const event = (content: string): string =>
  `data: ${JSON.stringify({
    id: "chatcmpl-0123456789abcdef",
    object: "chat.completion.chunk",
    created: 1_760_000_000,
    model: "some-model-7b",
    choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null }],
  })}\n\n`;

/** The stream's bytes as reads of `perRead` events. */
function reads(words: string[], perRead: number): Uint8Array[] {
  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < tokens; i += perRead) {
    let text = "";
    for (let j = i; j < Math.min(i + perRead, tokens); j++) text += event(words[j % words.length] ?? "");
    pieces.push(encoder.encode(text));
  }
  pieces.push(encoder.encode("data: [DONE]\n\n"));
  return pieces;
}

/** What a first version would do. */
function plainWay(pieces: Uint8Array[]): number {
  const decoder = new TextDecoder();
  let waiting = "";
  let chars = 0;
  for (const piece of pieces) {
    waiting += decoder.decode(piece, { stream: true });
    const events = waiting.split("\n\n");
    waiting = events.pop() ?? "";
    for (const text of events) {
      const data = text.startsWith("data: ") ? text.slice(6) : "";
      if (data === "" || data === "[DONE]") continue;
      chars += JSON.parse(data).choices[0].delta.content.length;
    }
  }
  return chars;
}

function ours(pieces: Uint8Array[]): number {
  const decoder = new TextDecoder();
  let chars = 0;
  const stream = new ChatStream((delta) => {
    chars += delta.content?.length ?? 0;
    return undefined;
  });
  for (const piece of pieces) void stream.push(decoder.decode(piece, { stream: true }));
  void stream.end();
  return chars;
}

function nsPerToken(run: (pieces: Uint8Array[]) => number, pieces: Uint8Array[], chars: number): number {
  const times: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const started = Bun.nanoseconds();
    if (run(pieces) !== chars) throw new Error("wrong text");
    if (round >= 0) times.push((Bun.nanoseconds() - started) / tokens);
  }
  return times.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN;
}

const rows: { text: string; eventsPerRead: number; oursNs: number; plainNs: number }[] = [];
for (const [text, words] of Object.entries(TEXTS)) {
  for (const eventsPerRead of [1, 8, 300]) {
    const pieces = reads(words, eventsPerRead);
    let chars = 0;
    for (let i = 0; i < tokens; i++) chars += (words[i % words.length] ?? "").length;
    const plainNs = nsPerToken(plainWay, pieces, chars);
    rows.push({ text, eventsPerRead, oursNs: nsPerToken(ours, pieces, chars), plainNs });
  }
}
if (values.json) console.log(JSON.stringify(rows));
else {
  console.log("text      events/read   ours ns/token   split+JSON.parse ns/token");
  for (const { text, eventsPerRead, oursNs, plainNs } of rows) {
    console.log(
      `${text.padEnd(10)}${String(eventsPerRead).padStart(11)}${oursNs.toFixed(0).padStart(16)}${plainNs.toFixed(0).padStart(28)}`,
    );
  }
}
