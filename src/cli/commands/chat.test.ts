// chat, against a server that speaks OpenAI's API.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { runCli } from "../program.ts";

type Asked = { messages: { role: string; content: string }[]; [field: string]: unknown };
type Answer = (body: Asked) => Response | Promise<Response>;

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const stream = (...pieces: string[]): Response =>
  new Response([...pieces.map((content) => chunk({ content })), chunk({}, "stop"), "data: [DONE]\n\n"].join(""), {
    headers: { "content-type": "text/event-stream" },
  });

const servers: { stop(force: boolean): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});
function coordinator(answer: Answer, models: string[] = ["m"], key = "inf_good") {
  const asked: Asked[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      if (request.headers.get("authorization") !== `Bearer ${key}`) {
        return Response.json({ error: { message: "no", type: "t", param: null, code: "c" } }, { status: 401 });
      }
      if (new URL(request.url).pathname === "/v1/models") {
        return Response.json({ object: "list", data: models.map((id) => ({ id, object: "model" })) });
      }
      const body = (await request.json()) as Asked;
      asked.push(body);
      return answer(body);
    },
  });
  servers.push(server);
  return { url: `http://127.0.0.1:${server.port}`, asked };
}

type World = { stdin?: string; typed?: string[]; key?: string; onOut?: (interrupt: () => void) => void };
async function chat(argv: string[], { stdin = "", typed, key = "inf_good", onOut }: World = {}) {
  const ran = { code: -1, out: "", err: "" };
  const lines = [...(typed ?? [])];
  let interrupt: () => void = () => undefined;
  const home = mkdtempSync(join(tmpdir(), "infernet-chat-"));
  const context: Context = {
    terminal: {
      out(text) {
        ran.out += text;
        onOut?.(() => interrupt());
      },
      err(text) {
        ran.err += text;
      },
      readStdin: async () => stdin,
      question: async () => lines.shift() ?? null,
      stdinIsTty: typed !== undefined,
      stdoutIsTty: typed !== undefined,
      stderrIsTty: typed !== undefined,
      colors: false,
    },
    env: { INFERNET_API_KEY: key, INFERNET_DATA_DIR: home },
    cwd: home,
    fetch: (url, init) => fetch(url, init),
    nowMs: () => Date.now(),
    onSignal(fn) {
      interrupt = () => fn("SIGINT");
      return () => undefined;
    },
    shell: async () => 1,
    self: [],
  };
  ran.code = await runCli(["chat", ...argv], context);
  rmSync(home, { recursive: true, force: true });
  return ran;
}

describe("one answer", () => {
  test("streams to stdout, with the first model served", async () => {
    const { url, asked } = coordinator(() => stream("Hel", "lo."), ["first", "second"]);
    expect(
      await chat(["--url", url, "-p", "hi", "-s", "be short", "--max-tokens", "7", "--temperature", "0.5"]),
    ).toEqual({
      code: 0,
      out: "Hello.\n",
      err: "",
    });
    expect(asked[0]).toMatchObject({ model: "first", max_tokens: 7, temperature: 0.5, stream: true });
    expect(asked[0]?.messages).toEqual([
      { role: "system", content: "be short" },
      { role: "user", content: "hi" },
    ]);
  });

  test("takes its question from standard input, and the model from the command line", async () => {
    const { url, asked } = coordinator(() => stream("ok"));
    expect((await chat(["mine", "--url", url], { stdin: "what?\n" })).out).toBe("ok\n");
    expect(asked[0]).toMatchObject({ model: "mine", messages: [{ role: "user", content: "what?" }] });
  });

  test("as JSON is the whole answer", async () => {
    const { url } = coordinator(() => stream("a", "b"));
    const { out } = await chat(["--url", url, "-p", "hi", "--json"]);
    expect(JSON.parse(out)).toMatchObject({ model: "m", content: "ab", finish: [{ index: 0, reason: "stop" }] });
  });

  test("cannot drive the terminal; a character split between pieces stays whole", async () => {
    const { url } = coordinator(() => stream("\u001b[2J", "🦙".slice(0, 1), "🦙".slice(1), "\n\tend"));
    expect((await chat(["--url", url, "-p", "hi"])).out).toBe("\\u{1b}[2J🦙\n\tend\n");
  });

  test("ends with 4 where the key is refused, with 3 where nobody answers, with 1 where the answer fails", async () => {
    const { url } = coordinator(() => Response.json({ error: { message: "boom", code: "x" } }, { status: 500 }));
    expect(await chat(["--url", url, "-p", "hi"], { key: "inf_bad" })).toMatchObject({ code: 4, out: "" });
    expect(await chat(["m", "--url", url, "-p", "hi"], { key: "inf_bad" })).toMatchObject({ code: 4, out: "" });
    expect(await chat(["--url", url, "-p", "hi"])).toMatchObject({ code: 1, err: expect.stringContaining("boom") });
    await servers.pop()?.stop(true);
    expect(await chat(["--url", url, "-p", "hi"])).toMatchObject({
      code: 3,
      err: expect.stringContaining("does not answer"),
    });
    expect(await chat(["m", "--url", url, "-p", "hi"])).toMatchObject({ code: 3 });
    expect(await chat(["--url", "ftp://x", "-p", "hi"])).toMatchObject({ code: 2 });
  });

  test("says so where no model is served", async () => {
    const { url } = coordinator(() => stream(), []);
    expect(await chat(["--url", url, "-p", "hi"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("serves no model now"),
    });
  });
});

describe("a conversation", () => {
  test("carries what was said, until /new", async () => {
    const { url, asked } = coordinator(({ messages }) => stream(`answer ${messages.length}`));
    const ran = await chat(["--url", url], { typed: ["one", "", "two", "/new", "three"] });
    expect(ran).toMatchObject({ code: 0, out: "answer 1\nanswer 3\nanswer 1\n" });
    expect(asked[1]?.messages.map(({ content }) => content)).toEqual(["one", "answer 1", "two"]);
    expect(asked[2]?.messages.map(({ content }) => content)).toEqual(["three"]);
  });

  test("a failed answer is said and not remembered", async () => {
    let count = 0;
    const fails = () => Response.json({ error: { message: "boom" } }, { status: 500 });
    const { url, asked } = coordinator(() => (count++ === 0 ? fails() : stream("fine")));
    const ran = await chat(["--url", url], { typed: ["one", "two"] });
    expect(ran).toMatchObject({ code: 0, out: "\nfine\n", err: expect.stringContaining("infernet: error: boom") });
    expect(asked[1]?.messages).toEqual([{ role: "user", content: "two" }]);
  });

  test("Ctrl-C stops an answer down to the server, and the conversation goes on", async () => {
    const gone = Promise.withResolvers<void>();
    let count = 0;
    const endless = () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode(chunk({ content: "on and" }))),
          cancel: () => gone.resolve(),
        }),
        { headers: { "content-type": "text/event-stream" } },
      );
    const { url, asked } = coordinator(() => (count++ === 0 ? endless() : stream("next")));
    let interrupted = false;
    const onOut = (interrupt: () => void) => {
      if (interrupted) return;
      interrupted = true;
      interrupt();
    };
    const ran = await chat(["--url", url], { typed: ["one", "two"], onOut });
    await gone.promise;
    expect(ran).toMatchObject({ code: 0, out: "on and\nnext\n" });
    expect(asked[1]?.messages.map(({ content }) => content)).toEqual(["two"]);
  });
});
