// Chat output: where an answer goes, as a stream of OpenAI's chunks or as one whole completion. A shape says what a
// choice looks like, of a chat or of a text completion.
import { answer, type Choice } from "../../jobs/answer.ts";
import type { Job, JobErrorCode, Output } from "../../jobs/job.ts";
import { usd } from "../../lib/money.ts";
import { type Delta, type FinishReason, isPlain } from "../../protocol/generation.ts";
import { openAiError } from "../errors.ts";

export type ChatHead = {
  /** OpenAI's `id`, the same in every chunk. */
  id: string;
  /** Unix seconds. */
  created: number;
};
/** The same of a stream, whose model is known with its first piece: the client may have named several. */
export type StreamHead = ChatHead & { model: () => string };

/** What Bun gives to a direct stream. `write` gives a promise where the socket is full; it resolves when there is room. */
type DirectController = {
  write(text: string): number | Promise<number>;
  flush(): unknown;
  close(): void;
};
/** Bun's stream that writes straight to the socket; the types at hand know only the standard ones. */
const DirectStream = ReadableStream as unknown as new (source: {
  type: "direct";
  pull(controller: DirectController): Promise<void>;
  cancel(): void;
}) => ReadableStream;

export type ChatStream = Output & {
  /** The body of the answer. To be taken once; everything so far and from now on is in it. */
  body(): ReadableStream;
  /** Sends an SSE comment where nothing was sent since `beforeMs`. */
  keepAlive(nowMs: number, beforeMs: number): void;
  /** Resolves when nothing will be sent any more. */
  readonly closed: Promise<void>;
};

const EVENT_END = "\n\n";

/** How OpenAI's answers to one route look; made anew for each answer. */
export type Shape = {
  /** OpenAI's `object`, of a chunk and of the whole. */
  readonly chunk: string;
  readonly whole: string;
  /** What to send for one piece; `chunkOf` makes a chunk of a choice's JSON. */
  piece(delta: Delta, chunkOf: (choiceJson: string) => string): string;
  /** What to send at a choice's end. */
  end(index: number, reason: FinishReason, chunkOf: (choiceJson: string) => string): string;
  /** One of the whole answer's choices. */
  choice(choice: Choice): object;
};

/** `/v1/chat/completions`. */
export function chatShape(): Shape {
  const greeted = new Set<number>();
  const choiceJson = (index: number, deltaJson: string, finish: string, logprobs?: unknown): string => {
    const logprobsJson = logprobs === undefined ? "" : `,"logprobs":${JSON.stringify(logprobs)}`;
    return `{"index":${index},"delta":${deltaJson}${logprobsJson},"finish_reason":${finish}}`;
  };
  const piece: Shape["piece"] = (delta, chunkOf) => {
    const index = delta.index ?? 0;
    const isNew = !greeted.has(index);
    if (isNew) greeted.add(index);
    const greeting = isNew ? chunkOf(choiceJson(index, '{"role":"assistant","content":""}', "null")) : "";
    if (isPlain(delta)) {
      // What another node repeated of an answer that was begun is empty.
      if (!isNew && delta.content === "") return "";
      return greeting + chunkOf(choiceJson(0, `{"content":${JSON.stringify(delta.content)}}`, "null"));
    }
    const { index: _, logprobs, ...rest } = delta;
    return greeting + chunkOf(choiceJson(index, JSON.stringify(rest), "null", logprobs));
  };
  return {
    chunk: "chat.completion.chunk",
    whole: "chat.completion",
    piece,
    end(index, reason, chunkOf) {
      const empty = greeted.has(index) ? "" : piece({ index, content: "" }, chunkOf);
      return empty + chunkOf(choiceJson(index, "{}", `"${reason}"`));
    },
    choice: (choice) => choice,
  };
}

/** Streams chunks as server-sent events. `beforeEnd` is called ahead of the last. */
export function chatStream(
  head: StreamHead,
  shape: Shape,
  includeUsage: boolean,
  nowMs: () => number,
  beforeEnd: () => void = () => undefined,
): ChatStream {
  let known = "";
  const start = (): string => {
    const { id, created, model } = head;
    known ||= `data: ${JSON.stringify({ id, object: shape.chunk, created, model: model() }).slice(0, -1)},"choices":[`;
    return known;
  };
  const end = `]${includeUsage ? ',"usage":null' : ""}}${EVENT_END}`;
  const opened = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  let controller: DirectController | null = null;
  let waiting = "";
  let ended = false;
  let wroteMs = nowMs();

  const write = (text: string): Promise<void> | undefined => {
    wroteMs = nowMs();
    if (!controller) {
      waiting += text;
      return opened.promise;
    }
    const wrote = controller.write(text);
    controller.flush();
    return typeof wrote === "number" ? undefined : wrote.then(() => undefined);
  };
  const chunkOf = (choiceJson: string): string => start() + choiceJson + end;
  const close = (text: string) => {
    ended = true;
    beforeEnd();
    void write(text);
    controller?.close();
    done.resolve();
  };

  return {
    closed: done.promise,
    deltas(_attempt, _offset, deltas) {
      let text = "";
      for (const delta of deltas) text += shape.piece(delta, chunkOf);
      return text === "" ? undefined : write(text);
    },
    canRestart: () => false,
    restart() {
      throw new Error("a stream that began cannot begin again");
    },
    end(job) {
      if (job.state !== "completed") return close(errorEvent(job));
      const finish = job.finish.length > 0 ? job.finish : [{ index: 0, reason: "stop" as const }];
      let text = "";
      for (const { index, reason } of finish) text += shape.end(index, reason, chunkOf);
      if (includeUsage) text += `${start()}],"usage":${JSON.stringify(usageOf(job))}}${EVENT_END}`;
      close(`${text}data: [DONE]${EVENT_END}`);
    },
    body: () =>
      new DirectStream({
        type: "direct",
        async pull(direct: DirectController) {
          controller = direct;
          // Bun sends the headers with the first bytes: where there is nothing to say yet, that is a comment.
          void direct.write(waiting || ": waiting\n\n");
          waiting = "";
          direct.flush();
          opened.resolve();
          if (ended) direct.close();
          await done.promise;
        },
        cancel() {
          // The request's signal tells the same.
          done.resolve();
          opened.resolve();
        },
      }),
    keepAlive(now, beforeMs) {
      if (ended || !controller || wroteMs > beforeMs) return;
      wroteMs = now;
      void controller.write(": keep-alive\n\n");
      controller.flush();
    },
  };
}

function errorEvent(job: Job): string {
  const code: JobErrorCode = job.error?.code ?? "backend_failed";
  return `data: ${JSON.stringify(openAiError(code, job.error?.message ?? "the job was cancelled"))}${EVENT_END}`;
}

/** What a request cost: as a number of USD, which OpenRouter's clients show, and exactly. Absent where nothing is charged. */
export type Cost = { cost?: number; cost_micro_usd?: number };
export const costOf = (charged: bigint | number | null): Cost =>
  charged === null ? {} : { cost: Number(usd(charged)), cost_micro_usd: Number(charged) };

type OpenAiUsage = { prompt_tokens: number; completion_tokens: number; total_tokens: number } & Cost;

/** OpenAI's `usage`. */
export function usageOf(job: Job): OpenAiUsage {
  const { prompt_tokens = 0, completion_tokens = 0 } = job.usage ?? {};
  const total_tokens = prompt_tokens + completion_tokens;
  return { prompt_tokens, completion_tokens, total_tokens, ...costOf(job.charged) };
}

export type WholeChat = Output & {
  /** OpenAI's `chat.completion`. To be called when the job has completed. */
  completion(job: Job): object;
  /** Resolves at the end. */
  readonly ended: Promise<void>;
};

/** Collects the answer until its end. Nothing is shown before, so the job may start over. */
export function wholeChat(head: ChatHead, shape: Shape): WholeChat {
  const folded = answer();
  const ended = Promise.withResolvers<void>();
  return {
    deltas(_attempt, _offset, deltas) {
      folded.add(deltas);
      return undefined;
    },
    canRestart: () => true,
    restart: () => folded.clear(),
    end: () => ended.resolve(),
    ended: ended.promise,
    completion: (job) => ({
      id: head.id,
      object: shape.whole,
      created: head.created,
      model: job.model,
      choices: folded.choices(job.finish).map(shape.choice),
      usage: usageOf(job),
    }),
  };
}
