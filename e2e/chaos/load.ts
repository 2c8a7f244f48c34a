// Load: clients that ask for streams, whole chats and asynchronous jobs, note what they got, and never wait for ever.
import type { Client } from "../harness/client.ts";
import { type ChatTranscript, readChat, type SseEvent } from "../harness/sse.ts";
import { within } from "../harness/wait-for.ts";
import type { Random } from "./random.ts";

export type Kind = "stream" | "whole" | "job read" | "job polled";

/** What a client asked and what it saw of it. */
export type Seen = {
  n: number;
  kind: Kind;
  prompt: string;
  maxTokens: number;
  /** Null where the client never learned it. */
  jobId: string | null;
  /** `completed`, an error's code, or `connection` where the line broke. */
  outcome: string;
  text: string;
  finishReason: string | null;
};

/** Ends in which a client is told what happened; anything else is a fault. */
export const HONEST_ENDS = [
  "completed",
  "connection",
  "node_lost",
  "no_nodes_online",
  "model_not_found",
  "backend_failed",
  "backend_unreachable",
  "first_token_timeout",
  "stream_timeout",
  "coordinator_restarted",
];

const ASKED = ["What is infernet?", "How do I join a node?", "What is a coordinator?", "How do I pay?", "Is it free?"];
/** Nothing may take longer, whatever happens meanwhile. */
const DEADLINE_MS = 180_000;

export async function askOne(api: Client, n: number, random: Random): Promise<Seen> {
  const kind: Kind = random.weighted({ stream: 9, whole: 3, "job read": 4, "job polled": 4 });
  const maxTokens = random.weighted({ "128": 4, "24": 1 });
  const prompt = `${random.pick(ASKED)} (${n})`;
  const seen: Seen = {
    n,
    kind,
    prompt,
    maxTokens: Number(maxTokens),
    jobId: null,
    outcome: "",
    text: "",
    finishReason: null,
  };
  const asking = kind === "stream" ? stream(api, seen) : kind === "whole" ? whole(api, seen) : job(api, seen);
  await within(`${kind} ${n}`, asking, { deadlineMs: DEADLINE_MS, detail: () => JSON.stringify(seen) });
  return seen;
}

export const fieldsOf = ({ prompt, maxTokens }: Pick<Seen, "prompt" | "maxTokens">) => ({
  messages: [{ role: "user", content: prompt }],
  temperature: 0,
  max_tokens: maxTokens,
});

async function stream(api: Client, seen: Seen): Promise<void> {
  let transcript: ChatTranscript | null = null;
  try {
    const response = await api.chat({ ...fieldsOf(seen), stream: true });
    seen.jobId = response.headers.get("x-infernet-job");
    if (response.status !== 200) return refused(seen, response);
    transcript = await readChat(response, (text) => {
      seen.text = text;
    });
  } catch (error) {
    if (!isConnection(error)) throw error;
    seen.outcome = "connection";
    return;
  }
  check(seen, new Set(transcript.chunks.map(({ id, created }) => `${id} ${created}`)).size <= 1, "one id");
  const finishes = transcript.chunks.filter(({ choices }) => choices[0]?.finish_reason);
  seen.text = transcript.text;
  seen.finishReason = transcript.finishReason;
  if (transcript.done) {
    check(seen, finishes.length === 1, "one finish reason");
    seen.outcome = "completed";
  } else if (transcript.error) seen.outcome = transcript.error.code ?? "no code";
  else seen.outcome = "connection";
}

async function whole(api: Client, seen: Seen): Promise<void> {
  try {
    const response = await api.chat(fieldsOf(seen));
    seen.jobId = response.headers.get("x-infernet-job");
    if (response.status !== 200) return refused(seen, response);
    const { choices } = (await response.json()) as {
      choices: { message: { content: string }; finish_reason: string }[];
    };
    seen.text = choices[0]?.message.content ?? "";
    seen.finishReason = choices[0]?.finish_reason ?? null;
    seen.outcome = "completed";
  } catch (error) {
    if (!isConnection(error)) throw error;
    seen.outcome = "connection";
  }
}

/** Submitted once; where the answer to that did not come, nobody knows whether it was taken. */
async function job(api: Client, seen: Seen): Promise<void> {
  try {
    const response = await api.submit(fieldsOf(seen));
    if (response.status !== 202) return refused(seen, response);
    seen.jobId = ((await response.json()) as { id: string }).id;
  } catch (error) {
    if (!isConnection(error)) throw error;
    seen.outcome = "connection";
    return;
  }
  await (seen.kind === "job read" ? readToTheEnd(api, seen, seen.jobId) : pollToTheEnd(api, seen, seen.jobId));
}

async function pollToTheEnd(api: Client, seen: Seen, id: string): Promise<void> {
  for (;;) {
    const view = await api.job(id).catch(() => null);
    if (view && !["queued", "dispatched", "running"].includes(view.status)) {
      seen.outcome = view.status === "completed" ? "completed" : (view.error?.code ?? view.status);
      seen.text = view.result?.choices[0]?.message.content ?? "";
      return;
    }
    await Bun.sleep(50);
  }
}

/** Reads on by Last-Event-ID over every break of the line; what comes twice is a fault. */
async function readToTheEnd(api: Client, seen: Seen, id: string): Promise<void> {
  const ids: string[] = [];
  for (;;) {
    const onEvent = (event: SseEvent) => {
      if (event.id === null) return;
      check(seen, !ids.includes(event.id), `piece ${event.id} once`);
      ids.push(event.id);
      seen.text += (JSON.parse(event.data) as { text: string }).text;
    };
    const last = ids.at(-1);
    try {
      const end = await api.readJob(id, { onEvent, ...(last === undefined ? {} : { lastEventId: last }) });
      if (end.done) seen.outcome = "completed";
      else if (end.error?.code === "stream_restarted") {
        ids.length = 0;
        seen.text = "";
        continue;
      } else if (end.error) seen.outcome = end.error.code ?? "no code";
      if (seen.outcome !== "") return;
    } catch (error) {
      if (!isConnection(error) && !/answered 5\d\d/.test(`${error}`)) throw error;
    }
    await Bun.sleep(50);
  }
}

async function refused(seen: Seen, response: Response): Promise<void> {
  seen.outcome = ((await response.json()) as { error: { code: string } }).error.code;
}

/** What fetch and its streams throw where the other end is gone. */
function isConnection(error: unknown): boolean {
  return /ECONNREFUSED|ECONNRESET|ConnectionClosed|ConnectionRefused|socket|Unable to connect|terminated|ended inside/i.test(
    `${error} ${(error as { code?: string }).code ?? ""}`,
  );
}

function check(seen: Seen, holds: boolean, what: string): void {
  if (!holds) throw new Error(`${seen.kind} ${seen.n} does not have ${what}: ${JSON.stringify(seen)}`);
}
