// Peers: organisations that lend each other their pools. A client asks its own coordinator and is answered by another's
// node; nothing runs in circles, and whatever breaks on the way is said.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type Identity, identityOf } from "../src/identity/keys.ts";
import { signHeader } from "../src/identity/signed-fetch.ts";
import { systemClock } from "../src/lib/clock.ts";
import { markOf } from "../src/protocol/trail.ts";
import { type JobPage, refusalOf } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { lend, type Organisation, organisation, startNode } from "./harness/organisation.ts";
import { slowRequest } from "./harness/slow-client.ts";
import { readChat } from "./harness/sse.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const MIB = 1024 * 1024;

let stage: Stage;
let a: Organisation;
let b: Organisation;
let c: Organisation;
let backendB: FaultBackend;
let nodeB: Instance;

beforeAll(async () => {
  stage = await openStage();
  backendB = stage.backend({ model: "scripted-b" });
  // C takes nothing that is further away than one coordinator.
  [a, b, c] = await Promise.all([
    organisation(stage),
    organisation(stage),
    organisation(stage, "[coordinator]\nmax_hops = 1\n"),
  ]);
  await Promise.all([lend(stage, a, b), lend(stage, b, a), lend(stage, a, c)]);
  nodeB = await startNode(stage, b, { engine: "org-b", servers: [backendB.url], borrows: [a] });
  await stage.served(b.coordinator, "org-b");
  await startNode(stage, a, { engine: "org-a", borrows: [b] });
  await stage.served(a.coordinator, "org-b");
  await startNode(stage, c, { engine: "org-c", borrows: [a] });
  await stage.served(c.coordinator, "org-a");
});
afterEach(() => {
  backendB.script({ holdAfter: null });
  backendB.release();
});
afterAll(() => stage.close());

type Listed = { id: string; hops: number; nodes: number; via?: string[] };
async function listed(of: Organisation, path = "/v1/models"): Promise<Record<string, [hops: number, nodes: number]>> {
  const { data } = (await (await of.api("").get(path)).json()) as { data: Listed[] };
  return Object.fromEntries(data.map(({ id, hops, nodes }) => [id, [hops, nodes]]));
}

const greedy = { temperature: 0, max_tokens: 24, messages: [{ role: "user", content: "Tell me about the network." }] };

/** A request of one instance to the coordinator of another organisation. */
function signedBy(
  identity: Identity,
  { coordinator, pubkey: aud }: Organisation,
  path: string,
  trail: Record<string, string> = {},
  body?: object,
): Promise<Response> {
  const method = body === undefined ? "GET" : "POST";
  const text = body === undefined ? "" : JSON.stringify(body);
  const random = (n: number) => crypto.getRandomValues(new Uint8Array(n));
  const header = signHeader({ identity, aud, clock: systemClock, random }, method, path, text);
  return fetch(coordinator.url + path, {
    method,
    headers: { "x-infernet-auth": header, "content-type": "application/json", ...trail },
    ...(body === undefined ? {} : { body: text }),
  });
}

describe("two organisations that lend each other their pools", () => {
  test("each hear of the other's models, and nothing of their own comes back", async () => {
    // A list is heard of as a whole, and again when it has changed.
    await waitFor("b to hear of a's model", async () => "org-a" in (await listed(b)));
    await waitFor("a to hear of b's models", async () => "scripted-b" in (await listed(a)));
    expect(await listed(a)).toEqual({ "org-a": [0, 1], "org-b": [1, 1], "scripted-b": [1, 1] });
    expect(await listed(b)).toEqual({ "org-a": [1, 1], "org-b": [0, 1], "scripted-b": [0, 1] });
  });

  test("a client of one is answered by the other's engine, streamed, as if it had asked there", async () => {
    const direct = await b.api("org-b").readChat(greedy);
    const through = await a.api("org-b").readChat(greedy);
    expect(through.text).toBe(direct.text);
    expect(through.text.length).toBeGreaterThan(10);
    expect(through).toMatchObject({ done: true, error: null, finishReason: direct.finishReason });
    expect(through.usage).toEqual(direct.usage);
    const whole = (await (await a.api("org-b").chat(greedy)).json()) as { choices: { message: { content: string } }[] };
    expect(whole.choices[0]?.message.content).toBe(direct.text);
  });

  test("completions and embeddings go the same way", async () => {
    const ask = async (of: Organisation, path: string, fields: object) =>
      (await of.api("org-b").post(path, { model: "org-b", ...fields })).json() as Promise<Record<string, unknown>>;
    const completion = { prompt: "The network", temperature: 0, max_tokens: 12 };
    const direct = await ask(b, "/v1/completions", completion);
    expect(direct.choices).toMatchObject([{ text: expect.stringMatching(/./) }]);
    expect((await ask(a, "/v1/completions", completion)).choices).toEqual(direct.choices);
    const texts = { input: ["The network", "Grüße 🌍"] };
    const vectors = await ask(b, "/v1/embeddings", texts);
    expect((vectors.data as unknown[]).length).toBe(2);
    expect((await ask(a, "/v1/embeddings", texts)).data).toEqual(vectors.data);
  });

  test("the job names the coordinator that it was passed on to", async () => {
    await a.api("scripted-b").readChat();
    const job = await waitFor("the job's record", async () =>
      (await a.api("scripted-b").jobs("?limit=1&status=completed")).data.find(({ model }) => model === "scripted-b"),
    );
    expect(job.attempts).toMatchObject([{ through: [markOf(b.pubkey)], outcome: "completed" }]);
  });

  test("a client that leaves cancels the answer down to the other's backend", async () => {
    backendB.scriptNext({ holdAfter: 2 });
    const before = backendB.requests.length;
    const leaving = new AbortController();
    const reading = a
      .api("scripted-b")
      .chat({ stream: true }, { signal: leaving.signal })
      .then((response) => response.text())
      .catch((error: unknown) => error);
    const seen = await waitFor("the answer to be held", () => {
      const request = backendB.requests[before];
      return request?.state === "held" && request;
    });
    leaving.abort();
    await waitFor("the backend to hear of it", () => seen.state === "aborted");
    await reading;
    const job = await waitFor("b's own job to be cancelled", async () => {
      const list = await signedBy(a.node, b, "/api/v1/jobs?limit=1&status=cancelled");
      return ((await list.json()) as JobPage).data.find(({ error }) => error?.code === "client_gone");
    });
    // It is a's: b's clients do not get to see it, and a's node sees none of theirs.
    expect((await b.api("").get(`/api/v1/jobs/${job.id}`)).status).toBe(404);
    const [own] = (await b.api("").jobs("?limit=1")).data;
    expect((await signedBy(a.node, b, `/api/v1/jobs/${own?.id}`)).status).toBe(404);
  });

  test("a slow reader holds the other's backend back over both hops, and loses nothing", async () => {
    const tokens = Array.from({ length: (31 * MIB) / 4096 }, (_, n) => `${n}:`.padEnd(4096, "abcdefgh"));
    backendB.scriptNext({ tokens });
    const before = backendB.requests.length;
    const body = {
      model: "scripted-b",
      stream: true,
      max_tokens: tokens.length,
      messages: [{ role: "user", content: "a long one" }],
    };
    const reader = await slowRequest(
      `${a.coordinator.url}/v1/chat/completions`,
      { authorization: `Bearer ${a.key}` },
      body,
    );
    let last = -1;
    let sinceMs = 0;
    await waitFor("the backend to be held back", () => {
      const sent = backendB.requests[before]?.sent ?? 0;
      if (sent !== last) sinceMs = performance.now();
      last = sent;
      return sent > 0 && performance.now() - sinceMs > 1_000;
    });
    expect(backendB.requests[before]?.state).toBe("streaming");
    console.log(`held back after ${((last * 4096) / MIB).toFixed(1)} MiB of 31`);
    expect(last).toBeLessThan(tokens.length);
    reader.resume();
    const transcript = await readChat(new Response(await reader.body()));
    expect(transcript).toMatchObject({ done: true, error: null });
    expect(transcript.text === tokens.join("")).toBe(true); // no diff of 31 MiB
  });

  test("what the other refuses keeps its meaning", async () => {
    const long = "word ".repeat(200_000);
    const refused = await refusalOf(await a.api("org-b").chat({ messages: [{ role: "user", content: long }] }));
    expect(refused).toMatchObject({ status: 400, code: "context_length_exceeded" });
    backendB.scriptNext({ status: 400 });
    expect(await refusalOf(await a.api("scripted-b").chat())).toMatchObject({ status: 400, code: "invalid_request" });
  });
});

describe("the hop limit", () => {
  test("a coordinator that takes one hop hears of its neighbour's models only", async () => {
    expect(await listed(c)).toEqual({ "org-a": [1, 1], "org-c": [0, 1] });
    const direct = await a.api("org-a").readChat(greedy);
    expect((await c.api("org-a").readChat(greedy)).text).toBe(direct.text);
    expect(await refusalOf(await c.api("org-b").chat())).toMatchObject({ status: 404, code: "model_not_found" });
  });

  /** A request to A under a key that A knows as a client. */
  const signed = (path: string, trail: Record<string, string>, body?: object) => signedBy(friend, a, path, trail, body);
  const made = identityOf(crypto.getRandomValues(new Uint8Array(32)));
  if (!made.ok) throw new Error(made.error);
  const friend = made.value;
  beforeAll(async () => {
    const { dataDirectory } = a.coordinator;
    await commandJson(stage.executable, dataDirectory, ["nodes", "allow", friend.pubkey, "--role", "aggregator"]);
  });
  const chat = (model: string) => ({ model, max_tokens: 4, messages: [{ role: "user", content: "Hello?" }] });
  const models = async (trail: Record<string, string>) =>
    ((await (await signed("/v1/models", trail)).json()) as { data: Listed[] }).data.map(({ id }) => id);

  test("a request that may go no further is answered by a node of one's own, or not at all", async () => {
    const limit = { "x-infernet-hops": "3" };
    expect(await models(limit)).toEqual(["org-a"]);
    expect((await signed("/v1/chat/completions", limit, chat("org-a"))).status).toBe(200);
    const refused = await refusalOf(await signed("/v1/chat/completions", limit, chat("org-b")));
    expect(refused).toMatchObject({
      status: 404,
      code: "model_not_found",
      message: expect.stringContaining("further away"),
    });
    const beyond = await signed("/v1/chat/completions", { "x-infernet-hops": "4" }, chat("org-a"));
    expect(await refusalOf(beyond)).toMatchObject({ status: 508, code: "hop_limit" });
  });

  test("a request that comes back is told so at once, and one is not sent back where it came from", async () => {
    const before = backendB.requests.length;
    const back = await signed("/v1/chat/completions", { "x-infernet-via": markOf(a.pubkey) }, chat("org-a"));
    expect(await refusalOf(back)).toMatchObject({ status: 508, code: "loop_detected" });
    const fromB = { "x-infernet-hops": "1", "x-infernet-via": markOf(b.pubkey) };
    expect(await models(fromB)).toEqual(["org-a"]);
    const refused = await refusalOf(await signed("/v1/chat/completions", fromB, chat("scripted-b")));
    expect(refused).toMatchObject({ status: 404, code: "model_not_found" });
    expect(backendB.requests.length).toBe(before);
  });

  test("nobody else is believed, and asynchronous jobs are not passed on", async () => {
    const headers = { "x-infernet-via": markOf(a.pubkey), "x-infernet-hops": "9" };
    expect((await a.api("org-a").chat({ max_tokens: 4 }, { headers })).status).toBe(200);
    const job = await signed("/api/v1/jobs", { "x-infernet-hops": "1" }, chat("org-a"));
    expect(await refusalOf(job)).toMatchObject({ status: 400, code: "invalid_request" });
    const own = await signed("/api/v1/jobs", {}, chat("org-a"));
    expect(own.status).toBe(202);
    const { id } = (await own.json()) as { id: string };
    await waitFor("the job of a signed client", async () => {
      const view = (await (await signed(`/api/v1/jobs/${id}`, {})).json()) as { status: string };
      return view.status === "completed";
    });
  });

  test("a picture of several megabytes may be signed", async () => {
    const url = `data:image/png;base64,${"A".repeat(4 * MIB)}`;
    const content = [{ type: "image_url", image_url: { url } }];
    const response = await signed(
      "/v1/chat/completions",
      {},
      { ...chat("org-a"), messages: [{ role: "user", content }] },
    );
    expect((await refusalOf(response)).code).not.toBe("body_too_large");
  });
});

describe("what breaks on the way", () => {
  test("a node that the other does not know waits there, says how it gets in, and serves once it is let in", async () => {
    const d = await organisation(stage);
    const node = await startNode(stage, d, { engine: "org-d", borrows: [b] });
    await node.waitForOutput(new RegExp(`infernet nodes approve ${d.nodeKey}`));
    await stage.served(d.coordinator, "org-d");
    await commandJson(stage.executable, b.coordinator.dataDirectory, ["nodes", "approve", d.nodeKey]);
    await waitFor("d to hear of b's model", async () => "org-b" in (await listed(d)));
    expect((await d.api("scripted-b").readChat()).text).toBe(PLAIN_TEXT);
  });

  test("a join token for a client, and nothing else, is enough to borrow", async () => {
    const create = ["join-token", "create", "--role", "client"];
    const { token } = await commandJson<{ token: string }>(stage.executable, b.coordinator.dataDirectory, create);
    const e = await organisation(stage);
    await startNode(stage, e, { engine: "org-e", tokens: [token] });
    await stage.served(e.coordinator, "org-b");
    expect((await e.api("scripted-b").readChat()).text).toBe(PLAIN_TEXT);
  });

  test("a backend that fails is asked again a bounded number of times: three by its own coordinator, for each of three from here", async () => {
    const before = backendB.requests.length;
    backendB.script({ status: 500 });
    const refused = await refusalOf(await a.api("scripted-b").chat());
    backendB.script({ status: null });
    expect(refused).toMatchObject({ status: 502, code: "backend_failed" });
    console.log(`asked ${backendB.requests.length - before} times`);
    expect(backendB.requests.length - before).toBeLessThanOrEqual(9);
  });

  test("a coordinator that is killed: first the request fails, then its models are offline, and the rest goes on", async () => {
    backendB.scriptNext({ holdAfter: 2 });
    let shown = "";
    const reading = readChat(await a.api("scripted-b").chat({ stream: true }), (text) => {
      shown = text;
    });
    // What was shown can not be taken back: no other node starts over.
    await waitFor("the first part to be read", () => shown === "Hello from");
    await Promise.all([b.coordinator.kill9(), nodeB.kill9()]);
    expect(await reading).toMatchObject({
      done: false,
      error: { code: expect.stringMatching(/backend_(unreachable|failed)/) },
    });
    const refused = await refusalOf(await a.api("org-b").chat());
    expect([502, 503]).toContain(refused.status);
    console.log(`right after: ${refused.status} ${refused.code}: ${refused.message}`);
    await waitFor(
      "a to give b's models up",
      async () => (await refusalOf(await a.api("org-b").chat())).code === "no_nodes_online",
    );
    expect(await listed(a)).toEqual({ "org-a": [0, 1] });
    expect((await a.api("org-a").readChat(greedy)).done).toBe(true);
  });
});
