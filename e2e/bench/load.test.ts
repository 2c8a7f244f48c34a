// The load client must accept right replies however they are cut, and must call each kind of wrong reply bad.
import { expect, test } from "bun:test";
import { runLoad } from "./load.ts";
import type { Mode } from "./load-answer.ts";
import { replyText, tokenText } from "./tokens.ts";

const TOKENS = 6;
const REQUESTS = 9;
const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
const piece = (content: string, finish: string | null = null) =>
  event({ choices: [{ index: 0, delta: { content }, finish_reason: finish }] });
const pieces = Array.from({ length: TOKENS }, (_, index) => piece(tokenText(index)));
const finish = event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
const usage = (tokens: number) => event({ choices: [], usage: { completion_tokens: tokens } });
const DONE = "data: [DONE]\n\n";
const good = pieces.join("") + finish + usage(TOKENS) + DONE;
const unary = (content: string, tokens = TOKENS) =>
  JSON.stringify({
    choices: [{ message: { content }, finish_reason: "stop" }],
    usage: { completion_tokens: tokens },
  });
const escaped = good.replace(/[^ -~\n]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
const swapped = [pieces[0], pieces[2], pieces[1], ...pieces.slice(3)].join("");

/** `reason` null: a right reply. `step`: bytes per chunk. `cut`: the connection breaks at the body's end. */
type Case = {
  name: string;
  mode?: Mode;
  body: string;
  reason: string | null;
  step?: number;
  cut?: true;
  status?: number;
};
const cases: Case[] = [
  { name: "whole", body: good, reason: null },
  { name: "cut at every byte", body: good, reason: null, step: 1 },
  { name: "cut each 7 bytes", body: good, reason: null, step: 7 },
  { name: "unicode escapes", body: escaped, reason: null },
  { name: "tokens merged", body: piece(replyText(TOKENS)) + finish + DONE, reason: null },
  {
    name: "finish_reason beside the last token",
    body: pieces.slice(0, -1).join("") + piece(tokenText(TOKENS - 1), "stop") + DONE,
    reason: null,
  },
  { name: "CRLF lines", body: good.replace(/\n/g, "\r\n"), reason: null },
  { name: "comments between", body: `: ping\n\n${good}`, reason: null },
  { name: "token missing", body: pieces.slice(0, -1).join("") + finish + DONE, reason: "missing-tokens" },
  { name: "token doubled at the end", body: pieces.join("") + pieces.at(-1) + finish + DONE, reason: "wrong-text" },
  { name: "two tokens swapped", body: swapped + finish + DONE, reason: "wrong-text" },
  { name: "UTF-8 damaged", body: good.replace("é", "\ufffd"), reason: "wrong-text" },
  { name: "no DONE", body: pieces.join("") + finish, reason: "no-DONE" },
  { name: "no finish_reason", body: pieces.join("") + DONE, reason: "no-finish-reason" },
  { name: "wrong usage", body: pieces.join("") + finish + usage(TOKENS + 1) + DONE, reason: "wrong-usage" },
  { name: "error event", body: pieces[0] + event({ error: { message: "x" } }) + DONE, reason: "error-event" },
  { name: "event after DONE", body: pieces.join("") + finish + DONE + pieces[0], reason: "after-done" },
  { name: "connection cut", body: good.slice(0, 300), reason: "closed-early", cut: true },
  { name: "status 500", body: "no", reason: "status-500", status: 500 },
  { name: "unary right", mode: "unary", body: unary(replyText(TOKENS)), reason: null },
  { name: "unary right, cut at every byte", mode: "unary", body: unary(replyText(TOKENS)), reason: null, step: 1 },
  { name: "unary wrong text", mode: "unary", body: unary(replyText(TOKENS - 1)), reason: "wrong-text" },
  { name: "unary wrong usage", mode: "unary", body: unary(replyText(TOKENS), 3), reason: "wrong-usage" },
  { name: "unary not JSON", mode: "unary", body: "{", reason: "bad-json" },
];

/** Answers with `body`; with `together` only once so many requests wait, all of them then. */
function serve({ body, step = 1 << 20, cut, status = 200 }: Case, together = 1) {
  const bytes = Buffer.from(body);
  const waiting: Bun.Socket[] = [];
  const reply = async (socket: Bun.Socket) => {
    socket.write(`HTTP/1.1 ${status} X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n`);
    for (let from = 0; from < bytes.length; from += step) {
      const part = bytes.subarray(from, from + step);
      socket.write(Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]));
      if (step < 100) await new Promise((resolve) => setImmediate(resolve));
    }
    if (cut) socket.end();
    else socket.write("0\r\n\r\n");
  };
  return Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      async data(socket) {
        waiting.push(socket);
        if (waiting.length >= together) await Promise.all(waiting.splice(0).map(reply));
      },
    },
  });
}
const optionsFor = (port: number, mode: Mode) => ({
  mode,
  url: `http://127.0.0.1:${port}/v1/chat/completions`,
  requests: REQUESTS,
  seconds: Number.POSITIVE_INFINITY,
  connections: 1,
  waves: false,
  tokens: TOKENS,
  model: "m",
  headers: {},
  maxS: 10,
  timeoutMs: 3000,
});

for (const scenario of cases)
  test(scenario.name, async () => {
    const listener = serve(scenario);
    const result = await runLoad(optionsFor(listener.port, scenario.mode ?? "stream"));
    listener.stop(true);
    if (scenario.reason === null) expect(result).toMatchObject({ ok: REQUESTS, bad: 0, why: {} });
    else {
      expect(result.ok).toBe(0);
      expect(Object.keys(result.why)).toEqual([scenario.reason]);
    }
  });

test("waves: all connections ask at once, again and again", async () => {
  const listener = serve({ name: "waves", body: good, reason: null }, 8);
  const result = await runLoad({ ...optionsFor(listener.port, "stream"), connections: 8, waves: true, requests: 24 });
  listener.stop(true);
  expect(result).toMatchObject({ ok: 24, bad: 0 });
});

test("nobody listens: every request is bad and the run ends", async () => {
  const listener = serve({ name: "closed", body: good, reason: null });
  const { port } = listener;
  listener.stop(true);
  const result = await runLoad({ ...optionsFor(port, "unary"), requests: 3 });
  expect(result).toMatchObject({ ok: 0, bad: 3, why: { connect: 3 } });
});
