// Scripted Ollama: a stand-in for Ollama's HTTP API, no model and no download. Its pulls go as far as a test lets them
// and tell when they were left; its chats answer one piece and hold. For what the real one cannot be made to do here.

export type Pull = {
  model: string;
  /** Bytes sent as done, of `TOTAL`. */
  completed: number;
  state: "pulling" | "done" | "failed" | "left";
};

export type ScriptedOllama = {
  url: string;
  /** Models there are. */
  models: Set<string>;
  pulls: Pull[];
  /** Chats that hold their answer back. */
  holding(): number;
  /** Says that the newest pull is so far. */
  pullTo(completed: number): void;
  finishPull(): void;
  failPull(message: string): void;
  /** Lets held chats end. */
  release(): void;
  close(): void;
};

export const TOTAL = 1_000_000;
const DIGEST = `sha256:${"6a0746a1ec1a".padEnd(64, "0")}`;

type Open = Pull & { say(line: object): void; end(): void };

export function startScriptedOllama(initial: readonly string[] = []): ScriptedOllama {
  const models = new Set(initial);
  const pulls: Open[] = [];
  let held: (() => void)[] = [];

  const lines = (start: (say: (line: object) => void, end: () => void) => void, gone: () => void): Response => {
    const encoder = new TextEncoder();
    let open = true;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        const say = (line: object) => {
          if (open) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
        };
        start(say, () => {
          if (open) controller.close();
          open = false;
        });
      },
      cancel() {
        open = false;
        gone();
      },
    });
    return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
  };
  const pull = (model: string): Response => {
    let mine: Open | undefined;
    return lines(
      (say, end) => {
        mine = { model, completed: 0, state: "pulling", say, end };
        pulls.push(mine);
        say({ status: "pulling manifest" });
        say({ status: "pulling 6a0746a1ec1a", digest: DIGEST, total: TOTAL, completed: 0 });
      },
      () => {
        if (mine?.state === "pulling") mine.state = "left";
      },
    );
  };
  const chat = (model: string): Response =>
    lines(
      (say, end) => {
        const at = { model, created_at: "2025-01-01T00:00:00Z" };
        say({ ...at, message: { role: "assistant", content: "Hello" }, done: false });
        held.push(() => {
          say({ ...at, message: { role: "assistant", content: " there" }, done: false });
          const counts = { prompt_eval_count: 3, eval_count: 2 };
          say({ ...at, message: { role: "assistant", content: "" }, done: true, done_reason: "stop", ...counts });
          end();
        });
      },
      () => undefined,
    );
  const newest = (): Open => {
    const one = pulls.at(-1);
    if (one?.state !== "pulling") throw new Error("nothing is being pulled");
    return one;
  };
  const tag = (name: string) => ({
    name,
    model: name,
    size: TOTAL,
    digest: "a".repeat(64),
    details: { family: "llama" },
  });

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const text = await request.text();
      const { model = "" } = (text === "" ? {} : JSON.parse(text)) as { model?: string };
      switch (`${request.method} ${pathname}`) {
        case "GET /":
          return new Response("Ollama is running");
        case "GET /api/version":
          return Response.json({ version: "0.12.6" });
        case "GET /api/tags":
          return Response.json({ models: [...models].map(tag) });
        case "GET /api/ps":
          return Response.json({ models: [] });
        case "POST /api/show":
          return Response.json({
            capabilities: ["completion"],
            model_info: { "general.architecture": "llama", "llama.context_length": 8192 },
            details: { family: "llama" },
          });
        case "POST /api/pull":
          return pull(model);
        case "DELETE /api/delete":
          return models.delete(model)
            ? new Response(null)
            : Response.json({ error: `model '${model}' not found` }, { status: 404 });
        case "POST /api/chat":
          return chat(model);
        default:
          return Response.json({ error: "not scripted" }, { status: 404 });
      }
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    models,
    pulls,
    holding: () => held.length,
    pullTo(completed) {
      const one = newest();
      one.completed = completed;
      one.say({ status: "pulling 6a0746a1ec1a", digest: DIGEST, total: TOTAL, completed });
    },
    finishPull() {
      const one = newest();
      one.state = "done";
      models.add(one.model);
      one.say({ status: "success" });
      one.end();
    },
    failPull(message) {
      const one = newest();
      one.state = "failed";
      one.say({ error: message });
      one.end();
    },
    release() {
      for (const end of held) end();
      held = [];
    },
    close: () => void server.stop(true),
  };
}
