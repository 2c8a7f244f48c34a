// Spending: what clients are charged, with real processes: never more than there is, whatever happens at once or breaks
// off; and every time the books are right to the µ$.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import type { Output } from "../src/admin/operations.ts";
import { sqldPath, testServer } from "../src/db/test-server.ts";
import { askAtOnce } from "./harness/at-once.ts";
import { client, refusalOf } from "./harness/client.ts";
import { type FaultBackend, SCRIPTED_PROMPT_TOKENS } from "./harness/fault-backend.ts";
import { openHostileNode } from "./harness/hostile-node.ts";
import { decodedToken, encodedToken } from "./harness/house.ts";
import { commandJson, createJoinToken, createKey, type Instance } from "./harness/instance.ts";
import { type Books, booksOf, faultsOf, openBooks } from "./harness/money.ts";
import { readChat } from "./harness/sse.ts";
import { backendsToml, openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const BILLING = '[billing]\nmode = "credits"\nfee_bps = 1200\n';
/** µ$ for each token of output, and nothing for the prompt: what is held is what six tokens cost. */
const TOKEN = 50;
const SIX = 6 * TOKEN;
const PRICES = `price_input = 0\nprice_output = ${TOKEN * 1_000_000}`;
const DEAR = `price_output_max = ${TOKEN * 1_000_000}\n`;
const MODEL = "scripted-model";
const shares = (gross: number) => {
  const fee = Math.floor((gross * 1200) / 10_000);
  return { gross, fee, nodeAmount: gross - fee };
};

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

type World = { coordinator: Instance; backend: FaultBackend; books: Books; key: string };
async function openWorld(config = "[coordinator]\n", prices = PRICES): Promise<World> {
  const { coordinator, key } = await stage.coordinator(`${config}${DEAR}${BILLING}`);
  const backend = stage.backend();
  await stage.node(coordinator, [backend.url], `[node]\nprobe = false\n${prices}`);
  await stage.served(coordinator, MODEL);
  const books = await booksOf(coordinator.dataDirectory);
  stage.onClose(() => books.close());
  return { coordinator, backend, books, key };
}
/** Nothing is held, and doctor finds nothing. */
async function expectClean(books: Books): Promise<void> {
  await books.settled();
  expect(faultsOf(await books.check())).toEqual([]);
}

const chat = { model: MODEL, messages: [{ role: "user", content: "Hello?" }], max_tokens: 6 };
const countOf = (answers: { status: number; code: string | null }[], status: number, code: string | null = null) =>
  answers.filter((one) => one.status === status && (code === null || one.code === code)).length;

describe("a thousand at once against credit for ten", () => {
  test("at one coordinator: ten are answered, and exactly ten are paid for", async () => {
    const { coordinator, backend, books, key } = await openWorld();
    await books.grant(10 * SIX);
    // Nobody is through before all have asked: what is not spent yet is held.
    backend.script({ holdAfter: 0 });
    const asked = askAtOnce([coordinator.url], key, chat, 1000);
    await waitFor("ten to be under way", () => backend.open() === 10);
    expect(await books.client()).toEqual({ balance: 10 * SIX, held: 10 * SIX });
    backend.release();
    const answers = await asked;
    expect([countOf(answers, 200), countOf(answers, 402, "insufficient_credit")]).toEqual([10, 990]);
    await expectClean(books);
    expect(await books.client()).toEqual({ balance: 0, held: 0 });
    expect((await books.receipts()).map(({ gross, fee, nodeAmount }) => ({ gross, fee, nodeAmount }))).toEqual(
      Array(10).fill(shares(SIX)),
    );
    expect(backend.requests.length).toBe(10);
  });

  test.skipIf(sqldPath === null)("at two coordinators on one database: the same ten between them", async () => {
    const server = await testServer(sqldPath ?? "");
    stage.onClose(() => server[Symbol.asyncDispose]());
    const backends = [stage.backend(), stage.backend()];
    const config = (backend: FaultBackend) =>
      `[database]\nurl = "${server.url}"\n[coordinator]\n${DEAR}${BILLING}[node]\nprobe = false\n${PRICES}\n${backendsToml([backend.url])}`;
    const [one, other] = backends as [FaultBackend, FaultBackend];
    const first = await stage.start({ mode: "both", config: config(one) });
    const dataDirectory = stage.directory("second");
    for (const name of ["coordinator.key", "master.key"])
      copyFileSync(join(first.dataDirectory, name), join(dataDirectory, name));
    const second = await stage.start({ mode: "both", config: config(other), dataDirectory });
    const key = await createKey(stage.executable, first);
    const books = await openBooks({ url: server.url });
    stage.onClose(() => books.close());
    for (const { url } of [first, second]) {
      const list = async () =>
        (await client(() => url, key, MODEL).get("/v1/models")).json() as Promise<{ data?: unknown[] }>;
      await waitFor("the key and the model at each", async () => (await list()).data?.length);
    }
    await books.grant(10 * SIX);
    const answers = await askAtOnce([first.url, second.url], key, chat, 1000);
    expect([countOf(answers, 200), countOf(answers, 402, "insufficient_credit")]).toEqual([10, 990]);
    await expectClean(books);
    expect(await books.client()).toEqual({ balance: 0, held: 0 });
    const receipts = await books.receipts();
    expect(receipts.map(({ gross }) => gross)).toEqual(Array(10).fill(SIX));
    // Each node's are numbered without a gap.
    const numbers = Map.groupBy(receipts, ({ node }) => node);
    for (const [, list] of numbers) expect(list.map(({ seq }) => seq)).toEqual(list.map((_, i) => i + 1));
    expect(backends.map(({ requests }) => requests.length).reduce((a, b) => a + b)).toBe(10);
  });

  test("with a prompt that is held at its longest: what is spent is the sum of the receipts, and never more than there was", async () => {
    const { coordinator, books, key } = await openWorld(
      "[coordinator]\nprice_input_max = 1000000000\n",
      `${PRICES.replace("price_input = 0", "price_input = 1000000")}`,
    );
    const granted = 20_000;
    await books.grant(granted);
    const answers = await askAtOnce([coordinator.url], key, chat, 500);
    await expectClean(books);
    const { balance } = await books.client();
    const receipts = await books.receipts();
    expect(receipts.length).toBe(countOf(answers, 200));
    expect(receipts.length).toBeGreaterThan(0);
    expect(balance).toBe(granted - receipts.reduce((sum, { gross }) => sum + gross, 0));
    expect(balance).toBeGreaterThanOrEqual(0);
    expect(countOf(answers, 200) + countOf(answers, 402)).toBe(500);
  });
});

describe("what is charged", () => {
  const GRANTED = 1_000_000;
  /** µ$ for each token of the prompt. */
  const PROMPT = 1;
  let world: World;
  /** When the test began, and what its jobs are said to have cost. */
  let balance = 0;
  let spent = 0;
  beforeAll(async () => {
    world = await openWorld(
      "[coordinator]\nprice_input_max = 1000000\nresume_grace_s = 1\n",
      PRICES.replace("price_input = 0", `price_input = ${PROMPT * 1_000_000}`),
    );
    await world.books.grant(GRANTED);
  });
  beforeEach(async () => {
    balance = (await world.books.client()).balance;
    spent = 0;
  });
  afterEach(async () => {
    world.backend.release();
    await expectClean(world.books);
    expect(await world.books.client()).toEqual({ balance: balance - spent, held: 0 });
  });
  const api = (model = MODEL) => client(() => world.coordinator.url, world.key, model);
  /** What the job is said to have cost; the books are looked at after each test. */
  async function chargedFor(id: string): Promise<number> {
    const amount = (await world.books.charged()).get(id);
    if (amount === undefined || amount === null) throw new Error(`job ${id} was charged nothing`);
    spent += amount;
    return amount;
  }
  const idOf = (response: Response): string => response.headers.get("x-infernet-job") ?? "";
  const receiptsOf = async (id: string) =>
    (await world.books.receipts()).filter(({ attempt }) => attempt.startsWith(id));

  test("is the prompt and the output, by the node's own count, within what can be true", async () => {
    const response = await api().chat({ max_tokens: 100 });
    const { usage } = (await response.json()) as { usage: object };
    expect(usage).toMatchObject({ prompt_tokens: SCRIPTED_PROMPT_TOKENS, completion_tokens: 6 });
    expect(await chargedFor(idOf(response))).toBe(SCRIPTED_PROMPT_TOKENS * PROMPT + SIX);
  });

  test("of a stream that its reader leaves half-way is what was delivered", async () => {
    const { backend } = world;
    backend.scriptNext({ holdAfter: 4 });
    const leaving = new AbortController();
    const response = await api().chat({ stream: true, max_tokens: 6 }, { signal: leaving.signal });
    const id = idOf(response);
    const gone = await readChat(response, (text) => {
      if (text === "Hello from the scripted") leaving.abort();
    }).catch((error: unknown) => error);
    expect(gone).toBeInstanceOf(DOMException);
    expect(await api().jobIn(id, ["cancelled", "completed"])).toMatchObject({ status: "cancelled" });
    await waitFor("the backend to be left", () => backend.requests.at(-1)?.state === "aborted");
    // Nobody said how long the prompt was: it is reckoned by its bytes.
    const { usage } = await api().job(id);
    expect(usage?.completion_tokens).toBe(4);
    expect(await chargedFor(id)).toBe((usage?.prompt_tokens ?? 0) * PROMPT + 4 * TOKEN);
    expect((await receiptsOf(id)).length).toBe(1);
  });

  test("of an answer that never began is nothing", async () => {
    world.backend.scriptNext(...Array(3).fill({ status: 500 }));
    const refused = await refusalOf(await api().chat({ max_tokens: 6 }));
    expect(refused.status).toBe(502);
    world.backend.scriptNext({});
  });

  test("of three choices is the prompt once and the output three times, within three times the limit", async () => {
    const response = await api().chat({ n: 3, max_tokens: 6 });
    const { choices } = (await response.json()) as { choices: { index: number }[] };
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(await chargedFor(idOf(response))).toBe(SCRIPTED_PROMPT_TOKENS * PROMPT + 3 * SIX);
  });

  test("of an answer that goes on past its limit ends at the limit, in mid-stream", async () => {
    world.backend.scriptNext({ tokens: Array.from({ length: 200 }, (_, n) => ` word${n}`), betweenTokensMs: 1 });
    const response = await api().chat({ stream: true, max_tokens: 20, stream_options: { include_usage: true } });
    const id = idOf(response);
    const transcript = await readChat(response);
    expect(transcript).toMatchObject({ done: true, finishReason: "length", usage: { completion_tokens: 20 } });
    expect(transcript.text).toBe(Array.from({ length: 20 }, (_, n) => ` word${n}`).join(""));
    await waitFor("the backend to be left", () => world.backend.requests.at(-1)?.state === "aborted");
    const { usage } = await api().job(id);
    expect(await chargedFor(id)).toBe((usage?.prompt_tokens ?? 0) * PROMPT + 20 * TOKEN);
  });

  test("of an answer whose node is killed is one run's, a receipt to each of the two that delivered", async () => {
    const pairs = await Promise.all(
      [1, 2].map(async () => {
        const backend = stage.backend({ model: "continuing" });
        const token = await createJoinToken(stage.executable, world.coordinator);
        const toml = `${PRICES.replace("price_input = 0", "price_input = 1000000")}\njoin_token = "${token}"`;
        const backends = `[[node.backends]]\nkind = "llamacpp"\nurl = "${backend.url}"\n`;
        return { backend, node: await stage.start({ mode: "node", config: `[node]\n${toml}\n${backends}` }) };
      }),
    );
    await stage.served(world.coordinator, "continuing", 2);
    for (const { backend } of pairs) backend.scriptNext({ tokens: ["Hello", " from", " nobody"], holdAfter: 2 });
    const response = await api("continuing").chat({ stream: true, max_tokens: 20 });
    const id = idOf(response);
    let shown = "";
    const reading = readChat(response, (text) => {
      shown = text;
    });
    await waitFor("the first part to be read", () => shown === "Hello from");
    const busy = pairs.find(({ backend }) => backend.open() > 0);
    const other = pairs.find((pair) => pair !== busy);
    other?.backend.scriptNext({ tokens: [" the", " scripted", " backend."] });
    await busy?.node.kill9();
    expect(await reading).toMatchObject({ text: "Hello from the scripted backend.", done: true });
    const { attempts, usage } = await api("continuing").jobIn(id, ["completed", "failed"]);
    expect(usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 5 });
    const receipts = await receiptsOf(id);
    const first = shares(5 * PROMPT + 2 * TOKEN);
    const second = shares(3 * TOKEN);
    expect(receipts.toSorted((a, b) => (a.attempt < b.attempt ? -1 : 1))).toMatchObject([
      { attempt: `${id}.1`, node: attempts[0]?.node, ...first },
      { attempt: `${id}.2`, node: attempts[1]?.node, ...second },
    ]);
    expect(await chargedFor(id)).toBe(first.gross + second.gross);
    for (const { node, nodeAmount } of receipts) expect((await world.books.node(node)).balance).toBe(nodeAmount);
    for (const { node } of pairs) if (node.running()) await node.kill9();
  });

  test("of a node that ignores its limit, and claims more than it sent, is what it was asked for", async () => {
    const { pubkey } = await commandJson<Output<"status">>(stage.executable, world.coordinator.dataDirectory, [
      "status",
    ]);
    const secret = decodedToken(await createJoinToken(stage.executable, world.coordinator));
    const hostile = await openHostileNode({ url: world.coordinator.url, coordinator: pubkey });
    stage.onClose(() => hostile.close());
    await hostile.join({ prices: { input: 1_000_000, output: TOKEN * 1_000_000 }, join_token: encodedToken(secret) });
    const asked = api("hostile-model").chat({ stream: true, max_tokens: 10 });
    const { attempt } = await hostile.next("dispatch");
    const deltas = Array.from({ length: 50 }, () => ({ content: "x" }));
    hostile.send({ type: "delta", attempt, offset: 0, deltas, pieces: 50 });
    const transcript = await readChat(await asked);
    expect(transcript).toMatchObject({ text: "x".repeat(10), finishReason: "length", done: true });
    await hostile.next("cancel");
    const usage = { prompt_tokens: 2_000_000_000, completion_tokens: 2_000_000_000 };
    hostile.send({ type: "end", attempt, offset: 50, deltas: [], outcome: "completed", finish: [], usage });
    const [id = ""] = attempt.split(".");
    const { usage: counted } = await api().job(id);
    expect(counted?.completion_tokens).toBe(10);
    expect(await chargedFor(id)).toBe((counted?.prompt_tokens ?? 0) * PROMPT + 10 * TOKEN);
    expect(counted?.prompt_tokens).toBeLessThan(200);
    // One that ends within its limit and lies about both of its counts.
    const lied = api("hostile-model").chat({ max_tokens: 10 });
    const { attempt: second } = await hostile.next("dispatch");
    const finish = [{ index: 0, reason: "stop" as const }];
    hostile.send({
      type: "end",
      attempt: second,
      offset: 0,
      deltas: [{ content: "ab" }],
      outcome: "completed",
      finish,
      usage,
    });
    const response = await lied;
    const { usage: told } = (await response.json()) as { usage: { prompt_tokens: number; completion_tokens: number } };
    expect(told.completion_tokens).toBe(2);
    expect(told.prompt_tokens).toBeLessThan(5_000);
    expect(await chargedFor(idOf(response))).toBe(told.prompt_tokens * PROMPT + 2 * TOKEN);
    hostile.close();
  });

  test("once a price has risen is the one that was held for, and at most that", async () => {
    const { pubkey } = await commandJson<Output<"status">>(stage.executable, world.coordinator.dataDirectory, [
      "status",
    ]);
    const secret = decodedToken(await createJoinToken(stage.executable, world.coordinator));
    const rising = await openHostileNode({ url: world.coordinator.url, coordinator: pubkey });
    stage.onClose(() => rising.close());
    const serves = (output: number) => ({
      models: [
        {
          name: "rising",
          context_length: null,
          digest: null,
          loaded: true,
          quantization: null,
          demo: false,
          backend: 0,
        },
      ],
      backends: [{ kind: "openai" as const, continues: false, healthy: true }],
      slots: 1,
      prices: { input: 0, output },
    });
    await rising.join({ ...serves(1_000_000), join_token: encodedToken(secret) });
    // The second waits for the only slot while the price goes up.
    const asked = [1, 2].map(() => api("rising").chat({ max_tokens: 10 }));
    const { attempt: first } = await rising.next("dispatch");
    await waitFor("both to hold", async () => (await world.books.holds()).length === 2);
    rising.send({ type: "heartbeat", status: "available", running: 1, serves: serves(TOKEN * 1_000_000) });
    const end = (attempt: string) =>
      rising.send({
        type: "end",
        attempt,
        offset: 0,
        deltas: [{ content: "four" }],
        outcome: "completed",
        finish: [{ index: 0, reason: "stop" }],
        usage: { prompt_tokens: 1, completion_tokens: 4 },
      });
    end(first);
    const { attempt: second } = await rising.next("dispatch");
    end(second);
    const answers = await Promise.all(asked);
    for (const response of answers) {
      expect(response.status).toBe(200);
      expect(await chargedFor(idOf(response))).toBe(4);
    }
    // Who asks from now on pays what it costs now.
    const later = api("rising").chat({ max_tokens: 10 });
    const { attempt: third } = await rising.next("dispatch");
    end(third);
    expect(await chargedFor(idOf(await later))).toBe(4 * TOKEN);
    rising.close();
  });
});

describe("a coordinator that is killed", () => {
  test("lets go of what its chats held, once, and settles its jobs when it is back", async () => {
    const { coordinator, backend, books, key } = await openWorld();
    await books.grant(1000 * SIX);
    let now = coordinator;
    const api = client(() => now.url, key, MODEL);
    backend.script({ holdAfter: 2 });
    const chats = [1, 2, 3].map(() => api.chat({ stream: true, max_tokens: 6 }));
    for (const response of await Promise.all(chats)) void response.text().catch(() => undefined);
    const id = await api.submitted({ max_tokens: 6 });
    await waitFor(
      "all four to be held at the backend",
      () => backend.requests.filter(({ state }) => state === "held").length === 4,
    );
    expect(await books.client()).toEqual({ balance: 1000 * SIX, held: 4 * SIX });
    await now.kill9();
    now = await stage.restart(now);
    backend.script({ holdAfter: null });
    backend.release();
    await api.jobIn(id, ["completed"]);
    await expectClean(books);
    expect(await books.client()).toEqual({ balance: 999 * SIX, held: 0 });
    expect((await books.receipts()).map(({ attempt, gross }) => [attempt.slice(0, 36), gross])).toEqual([[id, SIX]]);
    await now.kill9();
    now = await stage.restart(now);
    await expectClean(books);
    expect(await books.client()).toEqual({ balance: 999 * SIX, held: 0 });
  });
});

describe("without credit", () => {
  test("the refusal is one that OpenAI's client understands, and does not try again", async () => {
    const { coordinator, backend, books, key } = await openWorld();
    const openai = new OpenAI({ apiKey: key, baseURL: `${coordinator.url}/v1`, maxRetries: 3 });
    const ask = { ...chat, messages: [{ role: "user" as const, content: "Hello?" }] };
    for (const stream of [false, true]) {
      const refused = await openai.chat.completions.create({ ...ask, stream }).then(
        () => null,
        (error: unknown) => error,
      );
      expect(refused).toBeInstanceOf(OpenAI.APIError);
      expect(refused).toMatchObject({
        status: 402,
        code: "insufficient_credit",
        type: "insufficient_quota",
        param: null,
      });
      expect(`${refused}`).toContain("add credit");
    }
    const api = client(() => coordinator.url, key, MODEL);
    expect(await refusalOf(await api.submit({ max_tokens: 6 }))).toMatchObject({
      status: 402,
      code: "insufficient_credit",
    });
    expect((await api.jobs()).data).toEqual([]);
    expect(backend.requests).toEqual([]);
    await books.grant(SIX);
    expect((await openai.chat.completions.create(ask)).choices[0]?.message.content).toBeTruthy();
    expect(await refusalOf(await api.chat({ max_tokens: 6 }))).toMatchObject({ status: 402 });
    await expectClean(books);
  });

  test("everything is free where billing is off, whatever nodes ask, and nothing is written of money", async () => {
    const { coordinator, key } = await stage.coordinator(`[coordinator]\n${DEAR}`);
    await stage.node(coordinator, [stage.backend().url], `[node]\nprobe = false\n${PRICES}`);
    await stage.served(coordinator, MODEL);
    const books = await booksOf(coordinator.dataDirectory);
    stage.onClose(() => books.close());
    const api = client(() => coordinator.url, key, MODEL);
    expect(await api.readChat({ max_tokens: 6 })).toMatchObject({ done: true });
    const id = await api.submitted();
    await api.jobIn(id, ["completed"]);
    expect([await books.receipts(), await books.holds(), await books.client()]).toEqual([
      [],
      [],
      { balance: 0, held: 0 },
    ]);
    expect((await books.charged()).get(id)).toBeNull();
    await expectClean(books);
  });
});
