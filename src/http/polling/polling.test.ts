// The polling routes on the real server, as an existing daemon uses them: signed with version 1, by its own code's
// shapes. What leases do is tested in registry/.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { type Identity, identityOf } from "../../identity/keys.ts";
import { signV1 } from "../../protocol/auth-v1.ts";
import { encodeJoinToken } from "../../protocol/join-token.ts";
import { cancelCommand, issueCommand } from "../../registry/commands.ts";
import { ejectNode } from "../../registry/nodes.ts";
import { joinToken } from "../../registry/testing/join-token.ts";
import { COORDINATOR, type CoordinatorStage, coordinatorStage, until } from "../testing/coordinator-stage.ts";

let on: CoordinatorStage;
beforeEach(async () => {
  on = await coordinatorStage();
});
afterEach(() => on[Symbol.asyncDispose]());

function newIdentity(): Identity {
  const made = identityOf(crypto.getRandomValues(new Uint8Array(32)));
  if (!made.ok) throw new Error(made.error);
  return made.value;
}

type Answer = { status: number; data: Record<string, unknown>; error: string; code: string };

/** A daemon: calls one path after the other, each signed. */
class Daemon {
  readonly identity = newIdentity();
  readonly pubkey = this.identity.pubkey;

  async call(path: string, body: unknown = {}, version: 1 | 2 = 1, signal?: AbortSignal): Promise<Answer> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const full = `/api/v1/node/${path}`;
    const header =
      version === 2
        ? (on.sign(this.identity, "POST", full, text)["x-infernet-auth"] ?? "")
        : signV1(this.identity.secretKey, {
            method: "POST",
            path: full,
            createdAtS: Math.floor(Date.now() / 1000),
            nonce: crypto.randomUUID(),
            bodySha256: createHash("sha256").update(text).digest("hex"),
          });
    const response = await fetch(on.server.url + full, {
      method: "POST",
      headers: { "content-type": "application/json", "x-infernet-auth": header },
      body: text,
      ...(signal ? { signal } : {}),
    });
    return { status: response.status, ...((await response.json()) as object) } as Answer;
  }
  register(over: object = {}): Promise<Answer> {
    const specs = { gpus: [{ vendor: "nvidia", model: "RTX", vram_mb: 8192 }], served_models: ["polled"] };
    return this.call("register", {
      role: "provider",
      node_id: `node-${this.pubkey.slice(0, 8)}`,
      name: "d",
      specs,
      ...over,
    });
  }
  heartbeat(over: object = {}): Promise<Answer> {
    return this.call("heartbeat", { role: "provider", status: "available", ...over });
  }
  async poll(limit?: number): Promise<{ id: string; input_spec: Record<string, unknown> }[]> {
    const { data, status } = await this.call("jobs/poll", limit === undefined ? {} : { limit });
    if (status !== 200) throw new Error(`poll: ${status}`);
    return data.jobs as never;
  }
  events(id: string, ...events: [string, object][]): Promise<Answer> {
    return this.call(`jobs/${id}/events`, { events: events.map(([event_type, data]) => ({ event_type, data })) });
  }
  complete(id: string, result: object): Promise<Answer> {
    return this.call(`jobs/${id}/complete`, { status: "completed", result });
  }
}

async function joined(over: object = {}): Promise<Daemon> {
  const daemon = new Daemon();
  const { status, data } = await daemon.register(over);
  expect([status, data.id]).toEqual([200, daemon.pubkey]);
  return daemon;
}
const bytes = (count: number) => crypto.getRandomValues(new Uint8Array(count));
const chat = (over: object = {}, signal?: AbortSignal) =>
  on.call("/v1/chat/completions", {
    body: { model: "polled", messages: [{ role: "user", content: "hi" }], ...over },
    ...(signal ? { signal } : {}),
  });
const queued = () => until(() => on.jobs.queued() > 0);

describe("a job", () => {
  test("is polled, streamed in events and completed; the client sees an answer like any other", async () => {
    const daemon = await joined();
    const answer = chat({ max_tokens: 7, temperature: 0.5, stream: true, provider: {}, top_k: 3 });
    await queued();
    const [job] = await daemon.poll();
    expect(job).toMatchObject({
      type: "chat",
      status: "assigned",
      model_name: "polled",
      payment_offer: 0,
      payment_coin: "USDC",
      input_spec: { messages: [{ role: "user", content: "hi" }], max_tokens: 7, temperature: 0.5, top_k: 3 },
    });
    expect(Object.keys(job?.input_spec ?? {}).toSorted()).toEqual(["max_tokens", "messages", "temperature", "top_k"]);
    const id = `${job?.id}`;
    const first = await daemon.events(
      id,
      ["meta", { provider_name: "d" }],
      ["token", { text: "Hel" }],
      ["token", { text: "" }],
    );
    expect(first).toMatchObject({ status: 200, data: { inserted: 3 } });
    await daemon.events(id, ["token", { text: "lo" }], ["done", { text: "Hello", reason: "length" }]);
    const done = await daemon.complete(id, { type: "chat", text: "Hello", token_count: 2, duration_ms: 5 });
    expect(done).toMatchObject({ status: 200, data: { id, status: "completed" } });
    const text = await (await answer).text();
    expect(text.match(/"content":"(\w+)"/g)?.join("")).toBe('"content":"Hel""content":"lo"');
    expect(text).toContain('"finish_reason":"length"');
    expect(text).toContain("[DONE]");
    expect(on.ended[0]).toMatchObject({ state: "completed", usage: { completion_tokens: 2 } });
    expect(await daemon.complete(id, { text: "Hello" })).toMatchObject({ status: 409, code: "already_completed" });
  });

  test("all of whose events were lost is whole all the same", async () => {
    const daemon = await joined();
    const answer = chat();
    await queued();
    const [job] = await daemon.poll();
    await daemon.complete(`${job?.id}`, { text: "Hello" });
    expect(((await (await answer).json()) as { choices: object[] }).choices[0]).toMatchObject({
      message: { content: "Hello" },
      finish_reason: "stop",
    });
  });

  test("that fails there says why, in the daemon's order: an error event, then complete", async () => {
    const daemon = await joined();
    const answer = chat();
    for (let attempt = 1; attempt <= 3; attempt++) {
      await queued();
      const [job] = await daemon.poll();
      const id = `${job?.id}`;
      expect((await daemon.events(id, ["error", { message: "out of memory" }])).status).toBe(200);
      const failed = await daemon.call(`jobs/${id}/complete`, { status: "failed", error: "out of memory" });
      expect(failed).toMatchObject({ status: 200, data: { id, status: "failed" } });
      // There is no other node: this one has a moment to recover.
      on.clock.advance(500);
    }
    expect([(await answer).status, await (await answer).json()]).toMatchObject([
      502,
      { error: { code: "backend_failed" } },
    ]);
    expect(on.ended[0]?.attempts.map(({ error }) => error?.message)).toEqual(Array(3).fill("out of memory"));
  });

  test("whose client has gone: the daemon is told at its next events, and its complete is refused", async () => {
    const daemon = await joined();
    const leaving = new AbortController();
    const answer = chat({ stream: true }, leaving.signal).catch(() => null);
    await queued();
    const [job] = await daemon.poll();
    const id = `${job?.id}`;
    leaving.abort();
    await answer;
    await until(() => on.ended.length > 0);
    expect(await daemon.events(id, ["token", { text: "x" }])).toMatchObject({ status: 409, code: "job_cancelled" });
    expect(await daemon.complete(id, { text: "x" })).toMatchObject({ status: 409, code: "job_cancelled" });
  });

  test("that came to an end elsewhere, was never there, or is another node's, is refused", async () => {
    const [daemon, other] = [await joined(), await joined()];
    const answer = chat();
    await queued();
    const [job] = await daemon.poll();
    const id = `${job?.id}`;
    expect(await other.events(id, ["token", { text: "x" }])).toMatchObject({ status: 409, code: "lease_lapsed" });
    expect(await other.complete(id.replace(/1$/, "2"), { text: "x" })).toMatchObject({
      status: 409,
      code: "lease_lapsed",
    });
    expect(await daemon.events("x", ["token", { text: "x" }])).toMatchObject({ status: 400, code: "invalid_value" });
    await daemon.complete(id, { text: "x" });
    expect((await answer).status).toBe(200);
  });
});

describe("what is wrong is said", () => {
  const wrong: [string, unknown, RegExp][] = [
    ["jobs/x/events", { events: [{ event_type: "tool_call", data: {} }] }, /meta.*token.*done.*error/],
    ["jobs/x/events", { events: [] }, /events/],
    ["jobs/x/events", { events: Array(201).fill({ event_type: "meta" }) }, /events/],
    ["jobs/x/complete", { status: "running" }, /status/],
    ["jobs/poll", { limit: "five" }, /limit/],
    ["register", { role: "king", node_id: "x" }, /role/],
    ["register", { role: "provider" }, /node_id/],
    ["heartbeat", {}, /role/],
    ["payouts/set", { coin: "USDC", network: "solana" }, /address/],
  ];
  for (const [path, body, message] of wrong) {
    test(`${path} ${JSON.stringify(body).slice(0, 60)}`, async () => {
      const daemon = await joined();
      const answer = await daemon.call(path, body);
      expect(answer).toMatchObject({ status: 400, code: "invalid_value" });
      expect(answer.error).toMatch(message);
    });
  }

  test("a body that is no JSON, and one over 1 MiB", async () => {
    const daemon = await joined();
    expect(await daemon.call("jobs/poll", "{")).toMatchObject({ status: 400, code: "invalid_json" });
    const large = await daemon.call("jobs/poll", { x: "x".repeat(1024 * 1024) });
    expect(large).toMatchObject({ status: 413, code: "body_too_large" });
  });

  test("any number as a limit is brought into bounds, and nothing is five", async () => {
    const daemon = await joined();
    const answers = Array.from({ length: 4 }, () => chat());
    await until(() => on.jobs.queued() === 4);
    const [one, three, none] = [await daemon.poll(0), await daemon.poll(), await daemon.poll(1e9)];
    expect([one.length, three.length, none.length]).toEqual([1, 3, 0]);
    for (const { id } of [...one, ...three]) await daemon.complete(id, { text: "x" });
    for (const answer of answers) expect((await answer).status).toBe(200);
  });
});

describe("registration", () => {
  test("before it, heartbeat and me are 404, and there is no work", async () => {
    const daemon = new Daemon();
    for (const path of ["heartbeat", "me"])
      expect(await daemon.call(path, { role: "provider" })).toMatchObject({ status: 404, code: "not_registered" });
    expect(await daemon.call("jobs/poll")).toMatchObject({ status: 401, code: "key_unknown" });
  });

  test("a node id belongs to the key that had it first", async () => {
    await joined({ node_id: "mine" });
    expect(await new Daemon().register({ node_id: "mine" })).toMatchObject({ status: 403, code: "node_id_taken" });
  });

  test("me shows the node's own row, where existing daemons look for it", async () => {
    const daemon = await joined({ address: "10.0.0.1", port: 46337, gpu_model: "RTX", price: 0.5 });
    const row = {
      id: daemon.pubkey,
      status: "available",
      address: "10.0.0.1",
      port: 46337,
      specs: { served_models: ["polled"], gpus: [{ model: "RTX" }] },
      last_seen: expect.any(String),
    };
    expect((await daemon.call("me", { role: "provider" })).data).toMatchObject({ ...row, row });
    await daemon.heartbeat({ address: null, specs: null });
    expect((await daemon.call("me")).data).toMatchObject({ address: "10.0.0.1" });
  });

  test("what it serves follows heartbeats, and offline takes it off at once; a poll brings it back", async () => {
    const daemon = await joined();
    expect([...on.registry.models.keys()]).toEqual(["polled"]);
    expect(on.registry.nodes.get(daemon.pubkey)?.device?.gpus).toMatchObject([{ name: "RTX", vram_mib: 8192 }]);
    await daemon.heartbeat({ specs: { served_models: ["other", { name: "third" }, 7, ""], load: { running: 1 } } });
    expect(on.registry.nodes.get(daemon.pubkey)?.machine).toBeNull();
    expect([...on.registry.models.keys()]).toEqual(["other", "third"]);
    await daemon.heartbeat({ status: "offline" });
    expect([...on.registry.models.keys()]).toEqual([]);
    const late = await daemon.events(`${crypto.randomUUID()}.1`, ["token", { text: "x" }]);
    expect([late.code, on.registry.models.size]).toEqual(["lease_lapsed", 0]);
    await daemon.poll();
    expect([...on.registry.models.keys()]).toEqual(["other", "third"]);
  });

  test("how busy its machine is, is what it said last, as far as that is understood", async () => {
    const daemon = await joined();
    const machine = () => on.registry.nodes.get(daemon.pubkey)?.machine;
    const specs = { served_models: ["polled"], load: { cpu_percent: 41.6, gpu: 90, temperature: -4, memory: "x" } };
    await daemon.heartbeat({ specs });
    expect(machine()).toEqual({ gpu: 90, gpu_memory: null, temperature: null, cpu: 42, memory: null });
    await daemon.heartbeat({});
    expect(machine()).toBeNull();
  });

  test("specs that are too large or too deep are not kept, and do no harm", async () => {
    const daemon = await joined();
    let deep: unknown = 1;
    for (let i = 0; i < 50; i++) deep = { deep };
    await daemon.heartbeat({ specs: { served_models: ["a"], deep } });
    expect((await daemon.call("me")).data.specs).toEqual({ served_models: ["a"] });
    await daemon.heartbeat({ specs: { served_models: ["b"], long: "x".repeat(20_000) } });
    expect((await daemon.call("me")).data.specs).toEqual({ served_models: ["b"] });
  });

  test("prices in specs are asked for, by model too, also where the rest of specs is too large to keep", async () => {
    const daemon = await joined({ price: 4.25 });
    const priced = () =>
      [...on.registry.models.values()]
        .flat()
        .map(({ model, priceInput, priceOutput }) => [model, priceInput, priceOutput]);
    expect(priced()).toEqual([["polled", 0, 0]]);
    const specs = { served_models: ["a", "b"], prices: { input: 5, output: 6 }, long: "x".repeat(20_000) };
    await daemon.heartbeat({ specs: { ...specs, model_prices: { b: { input: 7, output: 8 } } } });
    expect(priced()).toEqual([
      ["a", 5, 6],
      ["b", 7, 8],
    ]);
    on.pollers.reset(daemon.pubkey, "the coordinator starts again");
    await daemon.poll();
    expect(priced().length).toBe(2);
    expect(priced()[1]).toEqual(["b", 7, 8]);
    await daemon.heartbeat({ specs: { ...specs, prices: { input: -1, output: "6" }, model_prices: [1] } });
    expect(priced()).toEqual([
      ["a", 0, 0],
      ["b", 0, 0],
    ]);
  });

  test("a client or a peer waits for approval even where nodes need none, and gets no jobs", async () => {
    const daemon = new Daemon();
    expect((await daemon.register({ role: "client" })).data).toMatchObject({ status: "pending" });
    expect(await daemon.call("jobs/poll")).toMatchObject({ status: 403, code: "key_pending" });
    expect((await daemon.call("heartbeat", { role: "client" })).status).toBe(200);
    expect((await daemon.call("me")).data).toMatchObject({ status: "pending", role: "client" });
  });

  test("a join token lets a key in at once, in the role it names, and only once", async () => {
    const { secret } = await joinToken({ db: on.database.db, clock: on.clock, random: bytes }, { role: "client" });
    const made = encodeJoinToken({ url: "http://127.0.0.1:1", coordinator: COORDINATOR.pubkey, secret });
    if (!made.ok) throw new Error(made.error.message);
    const token = { join_token: made.value, role: "client" };
    const answers = [
      await new Daemon().register({ ...token, role: "aggregator" }),
      await new Daemon().register(token),
      await new Daemon().register(token),
      await new Daemon().register({ ...token, join_token: "infjoin_x" }),
    ];
    expect(answers.map(({ status, code, data }) => code ?? [status, data.status].join())).toEqual([
      "join_token_role",
      "200,approved",
      "join_token_used",
      "join_token_invalid",
    ]);
  });

  test("remove forgets the node; one that was ejected stays so", async () => {
    const daemon = await joined();
    expect((await daemon.call("remove", { role: "provider" })).data).toEqual({
      id: daemon.pubkey,
      deleted: true,
    });
    expect(on.registry.offersOf("polled")).toEqual([]);
    expect((await daemon.call("me")).status).toBe(404);
    expect((await daemon.register()).status).toBe(200);
    await ejectNode({ ...on.database, clock: on.clock }, daemon.pubkey, "bad");
    expect((await daemon.call("remove")).data).toMatchObject({ deleted: false });
    expect(await daemon.register()).toMatchObject({ status: 403, code: "node_ejected" });
  });
});

describe("commands", () => {
  const issue = async (node: Daemon, model: string) => {
    const made = await issueCommand(
      { db: on.database.db, clock: on.clock, newId: () => Bun.randomUUIDv7() },
      { node: node.pubkey, command: "model_install", args: { model }, accountId: "local" },
    );
    if (!made.ok) throw new Error(made.error);
    return made.value.id;
  };

  test("are polled once, shown as far as they are, and end once", async () => {
    const [daemon, other] = [await joined(), await joined()];
    const id = await issue(daemon, "qwen2.5:0.5b");
    expect((await other.call("commands/poll")).data).toEqual({ commands: [] });
    const command = { id, command: "model_install", args: { model: "qwen2.5:0.5b" } };
    expect((await daemon.call("commands/poll")).data).toEqual({ commands: [command] });
    expect((await daemon.call("commands/poll")).data).toEqual({ commands: [] });
    const progress = { status: "pulling", phase: "download", total: 10, completed: 4.5, pct: 45 };
    const said = await daemon.call(`commands/${id}/progress`, { progress });
    expect(said.data).toMatchObject({ id, status: "running" });
    expect(on.delivery.progressOf(id)).toEqual({ phase: "pulling", completed: 4, total: 10 });
    for (const path of ["progress", "complete"])
      expect(await other.call(`commands/${id}/${path}`, { progress, status: "failed" })).toMatchObject({
        status: 404,
        code: "command_unknown",
      });
    for (const status of ["completed", "failed"])
      expect((await daemon.call(`commands/${id}/complete`, { status })).data).toEqual({
        id,
        status: "completed",
      });
    expect(on.delivery.progressOf(id)).toBeNull();
  });

  test("that are cancelled are told so with the next progress", async () => {
    const daemon = await joined();
    const id = await issue(daemon, "large");
    await daemon.call("commands/poll");
    await cancelCommand({ db: on.database.db, clock: on.clock }, id);
    const said = await daemon.call(`commands/${id}/progress`, { progress: { status: "pulling" } });
    expect(said.data).toMatchObject({ status: "cancelled" });
    const ended = await daemon.call(`commands/${id}/complete`, { status: "failed", error: "stopped" });
    expect(ended.data).toEqual({ id, status: "cancelled" });
  });
});

describe("payout addresses", () => {
  const address = { coin: "usdc", network: "solana", address: "A1" };

  test("the first may be set with version 1, and only version 2 changes it", async () => {
    const daemon = await joined();
    expect((await daemon.call("payouts/list")).data).toEqual({ rows: [] });
    expect((await daemon.call("payouts/set", address)).status).toBe(200);
    expect((await daemon.call("payouts/set", address)).status).toBe(200);
    for (const other of [
      { ...address, address: "B" },
      { ...address, network: "base" },
    ])
      expect(await daemon.call("payouts/set", other)).toMatchObject({ status: 403, code: "payout_needs_v2" });
    expect((await daemon.call("payouts/set", { ...address, network: "base" }, 2)).status).toBe(200);
    expect((await daemon.call("payouts/set", { ...address, address: "C" }, 2)).status).toBe(200);
    expect((await daemon.call("payouts/list", {}, 2)).data).toMatchObject({
      rows: [
        { coin: "USDC", network: "solana", address: "C", is_default: true },
        { coin: "USDC", network: "base", address: "A1", is_default: false },
      ],
    });
  });

  test("payments of a node that earned nothing are none", async () => {
    expect((await (await joined()).call("payments/list", { limit: 20 })).data).toEqual({
      total: { unpaid: 0, in_payout: 0, paid: 0 },
      rows: [],
    });
  });
});
