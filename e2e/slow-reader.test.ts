// A reader that takes its answer slowly, or not at all: the backend is held back, nobody on the way piles the answer up,
// and nothing of it is lost.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Client, client } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import type { Instance } from "./harness/instance.ts";
import { mib, residentBytes } from "./harness/memory.ts";
import { type SlowClient, slowRequest } from "./harness/slow-client.ts";
import { readChat, readSse } from "./harness/sse.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const MIB = 1024 * 1024;
const PIECE_CHARS = 4096;
/** An answer of so many MiB, every piece of it different. */
const pieces = (size: number): string[] =>
  Array.from({ length: (size * MIB) / PIECE_CHARS }, (_, n) => `${n}:`.padEnd(PIECE_CHARS, "abcdefgh"));
/** What may be under way in the end: the kernel's buffers of two connections (6 + 4 MiB each at most), and ours. */
const MOST_UNDER_WAY = 28 * MIB;
/** What a process may grow by; the answers are a multiple of it, or near it where the node keeps them for a resume. */
const MOST_GROWTH_MIB = { coordinator: 64, node: 128 };
const STILL_MS = 500;
/** Of a reader that takes little by little: three such stops are longer than what counts as stalled, each far shorter. */
const STOP_MS = 1_500;
const STALLED_S = 4;

let stage: Stage;
beforeAll(async () => {
  stage = await openStage({ charges: true });
});
afterAll(() => stage.close());

type Chain = { coordinator: Instance; node: Instance; backend: FaultBackend; api: Client; key: string };

/** Of tokens: answers here are long. */
const UNBOUNDED = "default_max_tokens = 1000000\n";

async function chain(config: string): Promise<Chain> {
  const { coordinator, key } = await stage.coordinator(`[coordinator]\n${UNBOUNDED}${config}`);
  const backend = stage.backend();
  const node = await stage.node(coordinator, [backend.url]);
  await stage.served(coordinator, backend.model);
  const api = client(() => coordinator.url, key, backend.model);
  expect((await api.readChat()).text).toBe(PLAIN_TEXT); // everything that is loaded at first use is loaded
  return { coordinator, node, backend, api, key };
}

/** A streamed chat whose reader takes the first bytes and no more. */
function stalledChat({ coordinator, key, backend }: Chain): Promise<SlowClient> {
  const messages = [{ role: "user", content: "a long one" }];
  const body = { model: backend.model, stream: true, messages };
  return slowRequest(`${coordinator.url}/v1/chat/completions`, { authorization: `Bearer ${key}` }, body);
}

/** Bytes the backend got rid of, once it has got rid of no more for a while. */
async function heldBackAt({ backend }: Chain, stillMs = STILL_MS): Promise<number> {
  let last = -1;
  let sinceMs = 0;
  await waitFor("the backend to be held back", () => {
    const sent = backend.requests.at(-1)?.sent ?? 0;
    if (sent !== last) sinceMs = performance.now();
    last = sent;
    return sent > 0 && performance.now() - sinceMs > stillMs;
  });
  return last * PIECE_CHARS;
}

const resident = ({ coordinator, node }: Chain) => ({
  coordinator: mib(residentBytes(coordinator.pid)),
  node: mib(residentBytes(node.pid)),
});

function expectSmall(now: ReturnType<typeof resident>, before: ReturnType<typeof resident>): void {
  console.log(`resident MiB: ${JSON.stringify(before)} before, ${JSON.stringify(now)} now`);
  expect(now.coordinator - before.coordinator).toBeLessThan(MOST_GROWTH_MIB.coordinator);
  expect(now.node - before.node).toBeLessThan(MOST_GROWTH_MIB.node);
}

describe("a chat's reader", () => {
  test("that stops for a while holds the backend back, and has everything in the end", async () => {
    const all = await chain("");
    const tokens = pieces(30);
    all.backend.scriptNext({ tokens });
    const before = resident(all);
    const reader = await stalledChat(all);
    const taken = await heldBackAt(all);
    expect(taken).toBeLessThan(MOST_UNDER_WAY);
    expect(all.backend.requests.at(-1)?.state).toBe("streaming");
    expectSmall(resident(all), before);
    // Others are served as if nothing were.
    expect((await all.api.readChat()).text).toBe(PLAIN_TEXT);

    reader.resume();
    const transcript = await readChat(new Response(await reader.body()));
    expectSmall(resident(all), before);
    expect(transcript).toMatchObject({ done: true, error: null, finishReason: "stop" });
    expect(transcript.text === tokens.join("")).toBe(true); // no diff of 30 MiB
  });

  test("that has stopped for good is cut off, and its backend is let go of", async () => {
    const all = await chain("stalled_reader_timeout_s = 2\n");
    all.backend.scriptNext({ tokens: pieces(64) });
    const before = resident(all);
    const reader = await stalledChat(all);
    expect(await heldBackAt(all)).toBeLessThan(MOST_UNDER_WAY);
    const seen = all.backend.requests.at(-1);
    await waitFor("the backend to be let go of", () => seen?.state === "aborted");
    expectSmall(resident(all), before);
    await waitFor("the job to say why", async () =>
      (await all.api.jobs("?status=cancelled")).data.some(({ error }) => error?.code === "reader_stalled"),
    );
    expect((await all.api.readChat()).text).toBe(PLAIN_TEXT);
    reader.resume();
    const transcript = await readChat(new Response(await reader.body()));
    expect(transcript).toMatchObject({ done: false, error: { code: "reader_stalled" } });
  });

  test("that takes little by little is not stalled, however long it takes", async () => {
    const all = await chain(`stalled_reader_timeout_s = ${STALLED_S}\n`);
    const tokens = pieces(28);
    all.backend.scriptNext({ tokens });
    const reader = await stalledChat(all);
    // Takes a portion, then waits until the rest has come to a stop behind it.
    for (let stops = 0; stops < 3; stops++) {
      const from = reader.received();
      reader.resume();
      await waitFor("a portion", () => reader.received() > from + 4 * MIB);
      reader.pause();
      await heldBackAt(all, STOP_MS);
    }
    reader.resume();
    const transcript = await readChat(new Response(await reader.body()));
    expect(transcript).toMatchObject({ done: true, error: null });
    expect(transcript.text === tokens.join("")).toBe(true);
  });
});

test("an answer over 32 MiB is ended with an error, and its backend is let go of", async () => {
  const all = await chain("");
  // So much more that what is left fits no buffer on the way.
  all.backend.scriptNext({ tokens: pieces(128) });
  const transcript = await all.api.readChat();
  expect(transcript).toMatchObject({ done: false, error: { code: "output_too_large" } });
  await waitFor("the backend to be let go of", () => all.backend.requests.at(-1)?.state === "aborted");
});

test("a reader of an asynchronous job never holds the node, and has everything in the end", async () => {
  const all = await chain("");
  const tokens = pieces(20);
  all.backend.scriptNext({ tokens });
  const id = await all.api.submitted();
  await all.api.jobIn(id, ["running", "completed"]);
  const headers = { authorization: `Bearer ${all.key}` };
  const reader = await slowRequest(`${all.coordinator.url}/api/v1/jobs/${id}/stream`, headers);
  await all.api.jobIn(id, ["completed"]);
  expect(all.backend.requests.at(-1)?.state).toBe("finished");
  reader.resume();
  let text = "";
  for await (const { data } of readSse(new Response(await reader.body()))) {
    if (data.startsWith("{")) text += (JSON.parse(data) as { text: string }).text;
  }
  expect(text === tokens.join("")).toBe(true);
});
