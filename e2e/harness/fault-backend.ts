// Fault backend: a scripted stand-in for an OpenAI-compatible server, real HTTP, no model. It does what it is told (waits, holds,
// dies in mid-stream, sends nonsense) and tells what it saw (requests, when they were left). Where a test needs an
// engine, it uses the embedded one; this is for what no engine does on command.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** How one request is answered. Pieces of the answer are `tokens`, one event each. */
export type Script = {
  /** Texts, or deltas in OpenAI's shape. */
  tokens: (string | Record<string, unknown>)[];
  finish: "stop" | "length" | "tool_calls";
  /** Milliseconds before the first piece, and between two. */
  firstTokenMs: number;
  betweenTokensMs: number;
  /** Sends so many pieces, then waits for release(); null: never waits. 0 holds the answer before its first piece. */
  holdAfter: number | null;
  /** More places to hold at, each until the next release(). */
  holdAgainAfter: number[];
  /** After so many pieces (and a hold there), does `fault` instead of going on; null: no fault. */
  faultAfter: number | null;
  /** `die`: cuts the connection. `garbage`: an event that is no JSON. `error`: OpenAI's error event. `end`: closes the stream without an end. */
  fault: "die" | "garbage" | "error" | "end";
  /** Answers with this status and an OpenAI error instead; null: 200. */
  status: number | null;
};

export type SeenRequest = {
  /** Position among all requests for an answer, from 0. */
  index: number;
  body: Record<string, unknown> & { messages?: { role: string; content: string }[] };
  /** performance.now() of this process. */
  atMs: number;
  sent: number;
  state: "waiting" | "held" | "streaming" | "finished" | "aborted" | "faulted";
  /** When its client left; null while it has not. */
  abortedAtMs: number | null;
};

export type FaultBackendOptions = {
  model?: string;
  /** What the model list says it takes; null says nothing. */
  contextLength?: number | null;
  script?: Partial<Script>;
};

export type FaultBackend = {
  url: string;
  model: string;
  requests: SeenRequest[];
  /** Requests neither finished nor left. */
  open(): number;
  /** Changes how requests that come from now on are answered. */
  script(change: Partial<Script>): void;
  /** As script(), for one request after another, the first of these first; then the common script again. */
  scriptNext(...changes: Partial<Script>[]): void;
  /** Lets every held request go on, to its end. */
  release(): void;
  close(): void;
};

const WORDS = ["Hello", " from", " the", " scripted", " backend", "."];
const PLAIN: Script = {
  tokens: WORDS,
  finish: "stop",
  firstTokenMs: 0,
  betweenTokensMs: 0,
  holdAfter: null,
  holdAgainAfter: [],
  faultAfter: null,
  fault: "die",
  status: null,
};
const CREATED_AT_S = 1_760_000_000;
const PROMPT_TOKENS = 7;

/** What its usage says of any prompt. */
export const SCRIPTED_PROMPT_TOKENS = PROMPT_TOKENS;
/** What the scripted backend answers where nothing goes wrong. */
export const PLAIN_TEXT = WORDS.join("");

/** Ends a held or pausing answer early. */
class Gone extends Error {}

export function startFaultBackend({
  model = "scripted-model",
  contextLength = null,
  script = {},
}: FaultBackendOptions = {}): FaultBackend {
  const requests: SeenRequest[] = [];
  let common: Script = { ...PLAIN, ...script };
  let next: Partial<Script>[] = [];
  let released = Promise.withResolvers<void>();

  const listing = {
    object: "list",
    data: [
      {
        id: model,
        object: "model",
        created: CREATED_AT_S,
        owned_by: "scripted",
        ...(contextLength === null ? {} : { max_model_len: contextLength }),
      },
    ],
  };

  async function chat(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen: SeenRequest = {
      index: requests.length,
      body: (await json(request)) as SeenRequest["body"],
      atMs: performance.now(),
      sent: 0,
      state: "waiting",
      abortedAtMs: null,
    };
    requests.push(seen);
    const gone = Promise.withResolvers<never>();
    gone.promise.catch(() => undefined); // nobody may be waiting when the client leaves
    response.on("close", () => {
      if (seen.state === "finished" || seen.state === "faulted") return;
      seen.state = "aborted";
      seen.abortedAtMs = performance.now();
      gone.reject(new Gone());
    });
    const plan = { ...common, ...next.shift() };
    let release = released.promise;
    const held = async () => {
      await Promise.race([release, gone.promise]);
      release = released.promise;
    };
    const answer: Answer = { seen, plan, model, response, held, gone: gone.promise };
    if (plan.status !== null) {
      seen.state = "faulted";
      replyError(response, plan.status);
    } else await (seen.body.stream ? streamed(answer) : whole(answer));
  }

  const server = createServer((request, response) => {
    if (request.method === "GET" && request.url === "/v1/models") return reply(response, 200, listing);
    if (request.method !== "POST" || request.url !== "/v1/chat/completions") return replyError(response, 404);
    chat(request, response).catch((error: unknown) => {
      if (error instanceof Gone) return;
      console.error("scripted backend:", error);
      response.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    model,
    requests,
    open: () => requests.filter(({ state }) => ["waiting", "held", "streaming"].includes(state)).length,
    script(change) {
      common = { ...common, ...change };
    },
    scriptNext(...changes) {
      next = changes;
    },
    release() {
      released.resolve();
      released = Promise.withResolvers<void>();
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

type Answer = {
  seen: SeenRequest;
  plan: Script;
  model: string;
  response: ServerResponse;
  /** Resolves at the first release() since the request came, or since it was held before; rejects as `gone` does. */
  held: () => Promise<void>;
  /** Rejects when the client leaves. */
  gone: Promise<never>;
};

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
function replyError(response: ServerResponse, status: number): void {
  const message = `the scripted backend answers ${status}`;
  reply(response, status, { error: { message, type: "scripted", param: null, code: null } });
}

/** Waits before piece `index` as the plan says. Throws Gone when the client leaves meanwhile. */
async function pause({ seen, plan, held, gone }: Answer, index: number): Promise<void> {
  const ms = index === 0 ? plan.firstTokenMs : plan.betweenTokensMs;
  if (ms > 0) await Promise.race([Bun.sleep(ms), gone]);
  if (plan.holdAfter !== index && !plan.holdAgainAfter.includes(index)) return;
  seen.state = "held";
  await held();
}

async function streamed(answer: Answer): Promise<void> {
  const { seen, plan, response } = answer;
  response.writeHead(200, { "content-type": "text/event-stream" });
  const write = async (text: string) => {
    // The callback of a write also comes when the client is gone; `drain` comes only when it has read.
    if (!response.write(text)) await Promise.race([once(response, "drain"), answer.gone]);
  };
  const chunk = (fields: object) => write(`data: ${JSON.stringify({ ...chunkHead(answer), ...fields })}\n\n`);
  for (const [index, token] of [...plan.tokens, null].entries()) {
    await pause(answer, index);
    if (plan.faultAfter === index) {
      seen.state = "faulted";
      await commitFault(plan.fault, response, write);
      return;
    }
    if (token === null) break;
    seen.state = "streaming";
    const said = typeof token === "string" ? { content: token } : token;
    const delta = index === 0 ? { role: "assistant", ...said } : said;
    await chunk({ choices: choicesOf(seen, (index) => ({ index, delta, finish_reason: null })) });
    seen.sent++;
  }
  await chunk({ choices: choicesOf(seen, (index) => ({ index, delta: {}, finish_reason: plan.finish })) });
  await chunk({ choices: [], usage: usageOf(answer) });
  seen.state = "finished";
  response.end("data: [DONE]\n\n");
}

async function commitFault(
  fault: Script["fault"],
  response: ServerResponse,
  write: (text: string) => Promise<void>,
): Promise<void> {
  if (fault === "garbage") await write('data: {"choices": [{"delta": \u0000<<<not JSON>>>\n\n');
  if (fault === "error") await write(`data: ${JSON.stringify({ error: { message: "scripted", code: 500 } })}\n\n`);
  if (fault === "die") response.destroy();
  else response.end();
}

async function whole(answer: Answer): Promise<void> {
  const { seen, plan, response } = answer;
  for (const index of [...plan.tokens.keys(), plan.tokens.length]) await pause(answer, index);
  if (plan.faultAfter !== null) {
    seen.state = "faulted";
    return plan.fault === "die" ? void response.destroy() : replyError(response, 500);
  }
  seen.state = "finished";
  const content = plan.tokens.filter((token) => typeof token === "string").join("");
  const message = { role: "assistant", content };
  reply(response, 200, {
    ...chunkHead(answer),
    object: "chat.completion",
    choices: choicesOf(seen, (index) => ({ index, message, finish_reason: plan.finish })),
    usage: usageOf(answer),
  });
}

const chunkHead = ({ seen, model }: Answer) => ({
  id: `chatcmpl-scripted-${seen.index}`,
  object: "chat.completion.chunk",
  created: CREATED_AT_S,
  model,
});
/** As many choices as were asked for, all alike. */
const choicesOf = <C>({ body: { n } }: SeenRequest, choice: (index: number) => C): C[] =>
  Array.from({ length: Number(n ?? 1) }, (_, index) => choice(index));
function usageOf({ seen, plan: { tokens } }: Answer) {
  const written = tokens.length * choicesOf(seen, () => null).length;
  return { prompt_tokens: PROMPT_TOKENS, completion_tokens: written, total_tokens: PROMPT_TOKENS + written };
}
