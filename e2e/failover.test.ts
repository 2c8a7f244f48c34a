// A node dies, stops or fails in the middle of an answer that a client reads: the next node goes on with it, and the
// client sees one answer. Real processes; the backends are scripted, so that the moment and the text are exact.
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { type Client, client, type JobView } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT, type Script } from "./harness/fault-backend.ts";
import { createJoinToken, type Instance } from "./harness/instance.ts";
import { type ChatTranscript, readChat, type SseEvent } from "./harness/sse.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

type Pair = { backend: FaultBackend; node: Instance };
type AttemptView = JobView["attempts"][number] & { took_over: string | null; pieces: number; bytes: number };

let stage: Stage;
let coordinator: Instance;
let key: string;
/** Their backends continue a last message of the assistant; those of the plain ones do not. */
let continuing: Pair[];
let plain: Pair[];

async function pairOf(kind: "llamacpp" | "openai", model: string): Promise<Pair> {
  const backend = stage.backend({ model });
  const token = await createJoinToken(stage.executable, coordinator);
  const config = `[node]\nslots = 4\njoin_token = "${token}"\nbackends = [{ kind = "${kind}", url = "${backend.url}" }]\n`;
  return { backend, node: await stage.start({ mode: "node", config }) };
}
beforeAll(async () => {
  stage = await openStage({ charges: true });
  ({ coordinator, key } = await stage.coordinator("[coordinator]\nresume_grace_s = 1\n"));
  continuing = await Promise.all([1, 2].map(() => pairOf("llamacpp", "continuing")));
  plain = await Promise.all([1, 2].map(() => pairOf("openai", "plain")));
  await ready();
});
afterAll(() => stage.close());
afterEach(async () => {
  for (const pair of [...continuing, ...plain]) {
    pair.backend.release();
    pair.node.signal("SIGCONT");
    if (!pair.node.running()) pair.node = await stage.restart(pair.node);
  }
  await ready();
});
async function ready(): Promise<void> {
  await stage.served(coordinator, "continuing", 2);
  await stage.served(coordinator, "plain", 2);
}
const api = (model: string): Client => client(() => coordinator.url, key, model);

/** The pair that holds an answer after `sent` pieces, and the other one. */
async function holder(pairs: Pair[], sent: number): Promise<{ busy: Pair; other: Pair }> {
  const holds = ({ backend }: Pair) => {
    const last = backend.requests.at(-1);
    return last?.state === "held" && last.sent === sent;
  };
  const busy = await waitFor(`a backend to hold after ${sent} pieces`, () => pairs.find(holds), {
    detail: () => JSON.stringify(pairs.map(({ backend }) => backend.requests.at(-1))) + coordinator.output(),
  });
  const other = pairs.find((pair) => pair !== busy);
  if (!other) throw new Error("there are two");
  return { busy, other };
}

type Case = { pairs: Pair[]; model: string; fields?: object; first: Partial<Script>; second: Partial<Script> };

/** Whoever is asked first says `first` and holds it; whoever comes second says `second`. `strike` goes between. */
async function answerInTwoParts(of: Case, strike: (busy: Pair) => unknown) {
  for (const { backend } of of.pairs) backend.scriptNext(of.first);
  const shown: object[] = [];
  const response = await api(of.model).chat({ stream: true, ...of.fields });
  const reading = readChat(response, undefined, (chunk) => shown.push(...deltasOf(chunk)));
  const held = of.first.holdAfter ?? 0;
  const { busy, other } = await holder(of.pairs, held);
  const said = (of.first.tokens ?? [])
    .slice(0, held)
    .map((token) => (typeof token === "string" ? { content: token } : token));
  await waitFor("the first part to be read", () => wordsOf(shown) === wordsOf(said));
  other.backend.scriptNext(of.second);
  await strike(busy);
  const transcript = await reading;
  const id = `${response.headers.get("x-infernet-job")}`;
  const job = await api(of.model).jobIn(id, ["completed", "failed", "cancelled", "expired"]);
  return { transcript, job, attempts: job.attempts as AttemptView[], asked: other.backend.requests.at(-1)?.body };
}
const kill = ({ node }: Pair) => node.kill9();

type Delta = {
  content?: string;
  tool_calls?: { id?: string; function?: { name?: string; arguments?: string } }[];
};
const toolsOf = (deltas: object[]) => deltas.flatMap((delta) => (delta as Delta).tool_calls ?? []);
/** Text and calls of tools, however the pieces were joined on the way. */
const wordsOf = (deltas: object[]): string =>
  [
    ...deltas.map((delta) => (delta as Delta).content ?? ""),
    ...toolsOf(deltas).map((part) => `${part.function?.name ?? ""}${part.function?.arguments ?? ""}`),
  ].join("");
const deltasOf = ({ choices }: ChatTranscript["chunks"][number]): object[] => choices.map(({ delta }) => delta);

function expectOneAnswer({ chunks, done, error }: ChatTranscript): void {
  expect([done, error]).toEqual([true, null]);
  expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size).toBe(1);
  expect(chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.role ?? [])).flat()).toEqual(["assistant"]);
  expect(chunks.filter(({ choices }) => choices[0]?.finish_reason).length).toBe(1);
}

test("a killed node's answer goes on at the next, from its last piece on, within one answer", async () => {
  const { transcript, attempts, job, asked } = await answerInTwoParts(
    {
      pairs: continuing,
      model: "continuing",
      fields: { max_tokens: 20, stream_options: { include_usage: true } },
      first: { tokens: ["Hello", " from", " nobody"], holdAfter: 2 },
      second: { tokens: [" the", " scripted", " backend."] },
    },
    kill,
  );
  expectOneAnswer(transcript);
  expect(transcript).toMatchObject({ text: PLAIN_TEXT, finishReason: "stop" });
  expect(asked).toMatchObject({ max_tokens: 18 });
  expect(asked?.messages?.slice(-2)).toEqual([
    { role: "user", content: "Hello?" },
    { role: "assistant", content: "Hello from" },
  ]);
  expect(attempts.map(({ outcome, took_over, pieces, bytes }) => [outcome, took_over, pieces, bytes])).toEqual([
    ["lost", null, 2, 10],
    ["completed", "continue", 3, 22],
  ]);
  // The prompt counts once, though the second node read what the first had written; the output is both parts'.
  expect([job.usage, transcript.usage]).toMatchObject(Array(2).fill({ prompt_tokens: 5, completion_tokens: 5 }));
});

test("white space and characters of many bytes come through the seam whole", async () => {
  const { transcript, asked } = await answerInTwoParts(
    {
      pairs: continuing,
      model: "continuing",
      first: { tokens: ["Grüße, ", "👩‍🚀", " 你好\n\n", "x"], holdAfter: 3 },
      second: { tokens: ["\n", "\n世界 ", "🚀"] },
    },
    kill,
  );
  expectOneAnswer(transcript);
  expect(transcript.text).toBe("Grüße, 👩‍🚀 你好\n\n世界 🚀");
  expect(asked?.messages?.at(-1)?.content).toBe("Grüße, 👩‍🚀 你好");
});

const call = (fields: object) => ({ tool_calls: [{ index: 0, ...fields }] });
const TOOLS = { tools: [{ type: "function", function: { name: "weather" } }] };

test("a tool call that had begun is finished by the next node, under its first id", async () => {
  const { transcript } = await answerInTwoParts(
    {
      pairs: continuing,
      model: "continuing",
      fields: TOOLS,
      first: {
        tokens: [
          "Let me see. ",
          call({ id: "call_a", type: "function", function: { name: "weather", arguments: "" } }),
          call({ function: { arguments: '{"city":' } }),
          "x",
        ],
        holdAfter: 3,
      },
      second: {
        tokens: [
          call({ id: "call_b", type: "function", function: { name: "weather", arguments: '{"city":"Bern"' } }),
          call({ function: { arguments: "}" } }),
        ],
        finish: "tool_calls",
      },
    },
    kill,
  );
  expectOneAnswer(transcript);
  expect([transcript.text, transcript.finishReason]).toEqual(["Let me see. ", "tool_calls"]);
  const parts = toolsOf(transcript.chunks.flatMap(deltasOf));
  expect(parts.flatMap(({ id }) => id ?? [])).toEqual(["call_a"]);
  expect(parts.map((part) => part.function?.name ?? "").join("")).toBe("weather");
  expect(parts.map((part) => part.function?.arguments ?? "").join("")).toBe('{"city":"Bern"}');
});

test("another tool call than the one that was shown is a clear error", async () => {
  const { transcript, job } = await answerInTwoParts(
    {
      pairs: continuing,
      model: "continuing",
      fields: TOOLS,
      first: {
        tokens: [
          "See: ",
          call({ id: "a", type: "function", function: { name: "weather", arguments: '{"city":"B' } }),
          "x",
        ],
        holdAfter: 2,
      },
      second: {
        tokens: [call({ id: "b", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } })],
      },
    },
    kill,
  );
  expect([transcript.done, transcript.error?.code, job.status]).toEqual([false, "node_lost", "failed"]);
});

test("a backend that breaks in mid-answer is no different from a node that does", async () => {
  const { transcript, attempts } = await answerInTwoParts(
    {
      pairs: continuing,
      model: "continuing",
      first: { tokens: ["Hello", " from", "x"], holdAfter: 2, faultAfter: 2, fault: "die" },
      second: { tokens: [" here."] },
    },
    ({ backend }) => backend.release(),
  );
  expectOneAnswer(transcript);
  expect(transcript.text).toBe("Hello from here.");
  expect(attempts.map(({ outcome, took_over }) => [outcome, took_over])).toEqual([
    ["failed", null],
    ["completed", "continue"],
  ]);
});

test("what a node stopped doing goes on elsewhere long before its heartbeat is missed", async () => {
  const startedMs = performance.now();
  const { transcript, attempts } = await answerInTwoParts(
    {
      pairs: continuing,
      model: "continuing",
      first: { tokens: ["Hello", " from", "x"], holdAfter: 2 },
      second: { tokens: [" here."] },
    },
    ({ node }) => node.signal("SIGSTOP"),
  );
  expectOneAnswer(transcript);
  expect(transcript.text).toBe("Hello from here.");
  expect(attempts[0]?.outcome).toBe("lost");
  expect(performance.now() - startedMs).toBeLessThan(60_000);
});

test("where no backend continues, an answer at temperature 0 is made again and joined to itself", async () => {
  const { transcript, attempts } = await answerInTwoParts(
    {
      pairs: plain,
      model: "plain",
      fields: { temperature: 0 },
      first: { holdAfter: 3, tokens: ["Hello", " from", " the", " scripted"] },
      second: {},
    },
    kill,
  );
  expectOneAnswer(transcript);
  expect(transcript.text).toBe(PLAIN_TEXT);
  expect(attempts.map(({ took_over }) => took_over)).toEqual([null, "replay"]);
});

test("and one at random is a clear error", async () => {
  const { transcript, job } = await answerInTwoParts(
    { pairs: plain, model: "plain", first: { holdAfter: 2, tokens: ["Hello", " from", "x"] }, second: {} },
    kill,
  );
  expect([transcript.text, transcript.done, transcript.error?.code]).toEqual(["Hello from", false, "node_lost"]);
  expect([job.status, job.error?.code]).toEqual(["failed", "node_lost"]);
});

test("readers of an asynchronous job read on over the seam, and again from the middle", async () => {
  for (const { backend } of continuing) backend.scriptNext({ tokens: ["Hello", " from", "x"], holdAfter: 2 });
  const jobs = api("continuing");
  const id = await jobs.submitted();
  const { busy, other } = await holder(continuing, 2);
  const seen: SseEvent[] = [];
  const reading = jobs.readJob(id, { onEvent: (event) => void seen.push(event) });
  await waitFor("the first part", () => seen.some(({ data }) => data.includes("from")));
  other.backend.scriptNext({ tokens: [" here", "."] });
  await kill(busy);
  expect(await reading).toMatchObject({ text: "Hello from here.", done: true });
  const first = seen.find(({ id: place }) => place?.startsWith("1:"))?.id;
  expect(await jobs.readJob(id)).toMatchObject({ text: "Hello from here.", done: true });
  const { text, done } = await jobs.readJob(id, { lastEventId: `${first}` });
  expect([done, "Hello from here.".endsWith(text)]).toEqual([true, true]);
  const job = await jobs.jobIn(id, ["completed"]);
  expect(job.result?.choices[0]?.message.content).toBe("Hello from here.");
});
