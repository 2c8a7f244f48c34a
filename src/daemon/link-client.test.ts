// The link, both ends of it: the node's client and the coordinator's links, with the job engine behind.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { unfinishedJobs } from "../jobs/records.ts";
import { LIMITS, NO_EXTRA, recorder, spec } from "../jobs/testing/stage.ts";
import { err, ok } from "../lib/result.ts";
import {
  ATTEMPT_CREDIT_BYTES,
  type Device,
  HANDSHAKE_TIMEOUT_MS,
  HEARTBEAT_MS,
  MAX_NODE_MESSAGE_BYTES,
  type MachineLoad,
  SILENCE_MS,
} from "../protocol/frames.ts";
import type { NodeTerms } from "../protocol/terms.ts";
import { commandsByIds, issueCommand } from "../registry/commands.ts";
import { allowNode } from "../registry/nodes.ts";
import { framesIn, type LinkStage, linkStage, NODE, STRANGER, testNode } from "./testing/link-stage.ts";

const TERMS: NodeTerms = {
  ...{ slots: 2, price_input: 0, price_output: 0, prices: {}, schedule: [], idle_only: false },
  ...{ idle_gpu_percent: 20, idle_cpu_percent: 50, idle_busy_s: 10, idle_resume_s: 120, idle_drain_s: 30 },
  ...{ fixed: [], allows: ["models"] },
};

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

let on: LinkStage;
beforeEach(() => {
  on = linkStage(database);
});
const node = () => on.registry.nodes.get(NODE.pubkey);
const typesIn = (messages: readonly string[]) => framesIn(messages).map(({ type }) => type);
/** Past the node's next attempt to dial. */
async function redial(): Promise<void> {
  on.clock.advance(1_000);
  await on.turns();
}

describe("handshake", () => {
  test("each side proves itself, the node is admitted and serves; its token goes in ready, not before", async () => {
    const { states } = await testNode(on, { joinToken: "infjoin_x" });
    expect(states).toEqual(["approved"]);
    expect(typesIn(on.wire.fromNode)).toEqual(["hello", "ready"]);
    expect(on.wire.fromNode[0]).not.toContain("infjoin");
    expect(on.admissions[0]?.join_token).toBe("infjoin_x");
    expect([...on.registry.models.keys()]).toEqual(["m"]);
  });

  test("a link that leads where the node has one already is given up before it takes anything over", async () => {
    on = linkStage(database, { replica: "a" });
    const reached = new Set<string>();
    const reaches = (replica: string) => {
      if (reached.has(replica)) return null;
      reached.add(replica);
      return () => void reached.delete(replica);
    };
    const first = await testNode(on, { reaches });
    const held = on.wire;
    const second = await testNode(on, { reaches });
    expect([first.states, second.states, held.open]).toEqual([["approved"], ["offline"], true]);
    expect(typesIn(on.wire.fromNode)).toEqual(["hello"]);
    // Once the other is gone it may.
    await first.client.stop(0);
    await redial();
    expect([second.states, [...reached]]).toEqual([["offline", "approved"], ["a"]]);
  });

  test("the token is not sent again once the node is known there", async () => {
    await testNode(on, { joinToken: "infjoin_x" });
    on.wire.cut();
    await on.turns();
    await redial();
    expect(on.admissions.map((ready) => ready.join_token)).toEqual(["infjoin_x", undefined]);
  });

  test("with another key than the pinned one the node hangs up and says neither token nor anything else", async () => {
    on = linkStage(database, { coordinator: STRANGER });
    const { states } = await testNode(on, { joinToken: "infjoin_x" });
    expect(states).toEqual(["offline"]);
    expect(typesIn(on.wire.fromNode)).toEqual(["hello"]);
    expect([on.wire.open, on.admissions]).toEqual([false, []]);
  });

  test("a ready signed by another key is refused, and nothing after it is heard", async () => {
    const { states } = await testNode(on, { identity: { ...STRANGER, pubkey: NODE.pubkey } });
    expect([on.admissions, on.wire.open]).toEqual([[], false]);
    expect(states).not.toContain("approved");
    expect(framesIn(on.wire.fromCoordinator).at(-1)).toMatchObject({ type: "error", code: "bad_frame" });
    expect(node()).toBeUndefined();
  });

  test("what the coordinator refuses is said", async () => {
    on.admission = err({ code: "join_token_used", message: "the join token was used by another node" });
    const { states } = await testNode(on);
    expect(states.some((state) => state === "approved" || state === "pending")).toBe(false);
    expect(framesIn(on.wire.fromCoordinator).at(-1)).toMatchObject({ type: "error", code: "join_token_used" });
    expect([on.wire.open, node()]).toEqual([false, undefined]);
  });

  test("a pending node is held, hears that it is alive, and gets no work", async () => {
    on.admission = ok({ status: "pending" });
    const { states } = await testNode(on);
    expect([states, node(), on.registry.models.size]).toEqual([["pending"], undefined, 0]);
    on.clock.advance(HEARTBEAT_MS);
    await on.turns();
    expect([typesIn(on.wire.fromCoordinator).at(-1), on.wire.open]).toEqual(["alive", true]);
    on.links.reset(NODE.pubkey, "approved");
    on.admission = ok({ status: "approved" });
    await on.turns();
    await redial();
    expect(states.at(-1)).toBe("approved");
  });

  test("ends after ten seconds, whichever side is silent", async () => {
    on.reachable = false;
    const { states } = await testNode(on, {
      dial: (events) => {
        on.dials.push(on.clock.nowMs());
        return {
          send() {},
          bufferedBytes: () => 0,
          close: (code, reason) => queueMicrotask(() => events.closed(code, reason)),
        };
      },
    });
    on.clock.advance(HANDSHAKE_TIMEOUT_MS - 1);
    await on.turns();
    expect(states).toEqual([]);
    on.clock.advance(1);
    await on.turns();
    expect(states).toEqual(["offline"]);
    const closed: string[] = [];
    on.links.accept({ pubkey: NODE.pubkey, address: "x", known: async () => {} }, () => ({
      send: (text) => closed.push(text),
      bufferedBytes: () => 0,
      close: (_, reason) => closed.push(reason),
    }));
    on.clock.advance(HANDSHAKE_TIMEOUT_MS);
    expect(closed.at(-1)).toBe("handshake_timeout");
  });
});

/** A peer that speaks raw text to the coordinator. */
function raw() {
  const heard: string[] = [];
  let open = true;
  let events: { message(text: string): void; closed(code: number, reason: string): void } | null = null;
  on.links.accept({ pubkey: NODE.pubkey, address: "x", known: async () => {} }, (given) => {
    events = given;
    return {
      send: (text) => heard.push(text),
      bufferedBytes: () => 0,
      close(code, reason) {
        open = false;
        queueMicrotask(() => given.closed(code, reason));
      },
    };
  });
  return { heard, say: (text: string) => events?.message(text), isOpen: () => open };
}
const hello = `{"type":"hello","version":"1","nonce":"${"a".repeat(32)}"}`;

describe("what does not fit closes the link", () => {
  test.each([
    ["no JSON", "hello"],
    ["no array", hello],
    ["no frames", "[]"],
    ["an unknown frame", '[{"type":"shutdown"}]'],
    ["a frame of the other side", '[{"type":"alive"}]'],
    ["work before the handshake", '[{"type":"heartbeat","status":"available","running":0}]'],
    ["two hellos", `[${hello},${hello}]`],
    ["a nonce that is none", '[{"type":"hello","version":"1","nonce":"short"}]'],
    ["an oversized message", `[${hello.replace('"1"', `"${"x".repeat(MAX_NODE_MESSAGE_BYTES)}"`)}]`],
  ])("%s", async (_, text) => {
    const peer = raw();
    peer.say(text);
    await on.turns();
    expect(peer.isOpen()).toBe(false);
    expect(peer.heard.at(-1)).toContain('"type":"error"');
    const before = peer.heard.length;
    peer.say(`[${hello}]`);
    await on.turns();
    expect(peer.heard.length).toBe(before);
  });

  test("at the node too", async () => {
    const { states } = await testNode(on);
    const [first] = on.wires;
    on.registry.nodes.get(NODE.pubkey)?.channel?.send('{"type":"admitted","status":"approved","resume":[]}');
    await on.turns();
    expect([first?.open, states.at(-1)]).toEqual([false, "offline"]);
  });

  test("a gap in an attempt's deltas does, and the job goes on over the next link with nothing missing", async () => {
    const { generations } = await testNode(on);
    const { job, output } = on.submit();
    await on.turns();
    let swallow = true;
    on.wire.tamper = (text) => {
      if (!text.includes('"delta"') || !swallow) return text;
      swallow = false;
      return null;
    };
    generations[0]?.say("a");
    await on.turns();
    generations[0]?.say("b");
    await on.turns();
    expect(on.wires[0]?.open).toBe(false);
    // Nothing of it had arrived, so it was given to a node again: this one, once it is back.
    await redial();
    generations.at(-1)?.say("a", "b");
    generations.at(-1)?.end();
    await on.turns();
    expect([job.state, output.text]).toEqual(["completed", "ab"]);
  });
});

describe("work", () => {
  test("a chat goes to the backend and back, and is forgotten once it is acknowledged", async () => {
    const { generations, client } = await testNode(on);
    const { job, output } = on.submit({ bodyJson: '{"messages":[],"seed":7}', defaultMaxTokens: true, maxTokens: 9 });
    await on.turns();
    expect(generations[0]?.request).toEqual({
      task: "chat",
      model: "m",
      body: { model: "m", messages: [], seed: 7, max_tokens: 9 },
    });
    generations[0]?.say("hel", "lo");
    await on.turns();
    expect([job.state, output.pieces]).toEqual(["running", ["1:0"]]);
    generations[0]?.say(" you");
    generations[0]?.end();
    await on.turns();
    expect([job.state, output.text, job.usage]).toEqual([
      "completed",
      "hello you",
      { prompt_tokens: 1, completion_tokens: 1 },
    ]);
    on.clock.advance(1_000);
    await on.turns();
    expect([client.running, node()?.running]).toEqual([0, 0]);
  });

  test("what takes its time is accepted, and only then", async () => {
    const { generations } = await testNode(on);
    const { job } = on.submit();
    on.submit();
    await on.turns();
    generations[1]?.say("quick");
    await on.turns();
    for (let i = 0; i < 4; i++) {
      on.clock.advance(500);
      await on.turns();
    }
    const accepted = framesIn(on.wire.fromNode).filter(({ type }) => type === "accepted");
    expect(accepted.map(({ attempt }) => attempt)).toEqual([`${job.id}.1`]);
    on.clock.advance(LIMITS.connectTimeoutMs);
    expect(job.attempts.length).toBe(1);
  });

  test("more than the node's slots and what it does not serve are refused, not failed", async () => {
    await testNode(on, { limit: 1 });
    const channel = node()?.channel;
    const ids = ["1", "2", "3"].map((n) => `01890000-0000-7000-8000-00000000000${n}.1`);
    const dispatch = (attempt?: string, model = "m") =>
      channel?.send(JSON.stringify({ type: "dispatch", attempt, model, body: { messages: [] } }));
    dispatch(ids[0]);
    dispatch(ids[1]);
    dispatch(ids[2], "other");
    await on.turns();
    const ends = framesIn(on.wire.fromNode).filter(({ type }) => type === "end");
    expect(ends).toMatchObject([
      { attempt: ids[1], outcome: "refused", error: { code: "backend_busy" } },
      { attempt: ids[2], outcome: "refused", error: { code: "model_not_found" } },
    ]);
  });

  test("a backend's failure and its fault are told, and the next attempt is made", async () => {
    const { generations } = await testNode(on);
    const { job } = on.submit();
    await on.turns();
    generations[0]?.end(err({ code: "backend_busy", message: "full" }));
    await on.turns();
    expect(job.attempts[0]).toMatchObject({ outcome: "failed", error: { code: "backend_busy", message: "full" } });
    // There is no other node: this one has a moment to recover.
    on.clock.advance(250);
    await on.turns();
    generations[1]?.say("x");
    generations[1]?.end();
    await on.turns();
    expect(job.state).toBe("completed");
  });

  test("a cancellation reaches the backend's signal, and the slot is free when it has let go", async () => {
    const { generations, client } = await testNode(on);
    const { job } = on.submit();
    await on.turns();
    generations[0]?.say("x");
    await on.turns();
    on.jobs.cancel(job, { code: "client_gone", message: "gone" });
    expect(node()?.running).toBe(1);
    await on.turns();
    expect([generations[0]?.signal.aborted, node()?.running]).toEqual([true, 0]);
    on.clock.advance(1_000);
    await on.turns();
    expect(client.running).toBe(0);
  });

  test("an attempt whose end waits for credit is let go of when it is cancelled", async () => {
    const { generations, client } = await testNode(on);
    const output = recorder();
    const { job } = on.submit({}, output);
    await on.turns();
    output.behind = Promise.withResolvers();
    for (let i = 0; i < 6; i++) generations[0]?.say("x".repeat(64_000));
    generations[0]?.end();
    await on.turns();
    expect(job.state).toBe("running");
    on.jobs.cancel(job, { code: "client_gone", message: "gone" });
    await on.turns();
    on.clock.advance(1_000);
    await on.turns();
    expect([client.running, node()?.running]).toEqual([0, 0]);
  });
});

describe("back-pressure", () => {
  test("a reader that is behind stops the backend, at a bounded amount, and starts it again", async () => {
    const { generations } = await testNode(on);
    const output = recorder();
    const { job } = on.submit({}, output);
    await on.turns();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    output.behind = { promise, resolve, reject };
    const [generation] = generations;
    const piece = "x".repeat(16_000);
    let said = 0;
    let waits: Promise<void> | undefined;
    for (; said < 1_000; said++) {
      waits = generation?.say(piece);
      await on.turns(2);
      if (waits && Bun.peek.status(waits) === "pending") break;
    }
    expect(output.text.length).toBeWithin(ATTEMPT_CREDIT_BYTES / 2, ATTEMPT_CREDIT_BYTES + 2 * piece.length);
    expect(said * piece.length).toBeLessThan(2 * ATTEMPT_CREDIT_BYTES);
    output.behind = null;
    resolve();
    await on.turns();
    await waits;
    generation?.end();
    await on.turns();
    expect([job.state, output.text.length]).toEqual(["completed", (said + 1) * piece.length]);
  });

  test("a reader that keeps up never stops it", async () => {
    const { generations } = await testNode(on);
    const { output } = on.submit();
    await on.turns();
    for (let i = 0; i < 100; i++) {
      const waits = generations[0]?.say("x".repeat(16_000));
      if (waits) await Promise.race([waits, on.turns(20).then(() => Promise.reject(new Error("stuck")))]);
      await on.turns(3);
    }
    expect(output.text.length).toBe(1_600_000);
  });
});

describe("reconnect", () => {
  test("in mid-stream the answer goes on without a repeated or a lost piece, and a repetition is dropped", async () => {
    const { generations } = await testNode(on);
    const { job, output } = on.submit();
    await on.turns();
    const [generation] = generations;
    generation?.say("a");
    await on.turns();
    generation?.say("b");
    on.wire.cut();
    await on.turns();
    generation?.say("c");
    await on.turns();
    expect([job.state, node()?.channel]).toEqual(["running", null]);
    on.clock.advance(500);
    await on.turns();
    expect(on.admissions[1]?.attempts).toEqual([{ attempt: `${job.id}.1`, offset: expect.any(Number) }]);
    generation?.say("d");
    await on.turns();
    const [repeat] = on.wire.fromNode.filter((text) => text.includes('"delta"'));
    on.wire.inject(repeat ?? "");
    generation?.end();
    await on.turns();
    expect([job.state, output.text, node()?.running]).toEqual(["completed", "abcd", 0]);
  });

  test("an answer that ended while the link was down arrives after it", async () => {
    const { generations } = await testNode(on);
    const { job, output } = on.submit();
    await on.turns();
    generations[0]?.say("a");
    await on.turns();
    on.wire.cut();
    await on.turns();
    generations[0]?.say("b");
    generations[0]?.end();
    await redial();
    expect([job.state, output.text]).toEqual(["completed", "ab"]);
  });

  test("what had not begun was given away meanwhile: the node stops it when it is back", async () => {
    const { generations, client } = await testNode(on);
    on.submit();
    await on.turns();
    on.wire.cut();
    await on.turns();
    expect(generations[0]?.signal.aborted).toBe(false);
    await redial();
    expect(generations[0]?.signal.aborted).toBe(true);
    expect([generations.length, client.running, node()?.running]).toEqual([2, 1, 1]);
  });

  test("nothing is said in the middle of a handshake, though a job waits to be accepted", async () => {
    const { generations, states } = await testNode(on);
    const { job } = on.submit();
    await on.turns();
    generations[0]?.say("a");
    await on.turns();
    on.submit();
    await on.turns();
    on.wire.cut();
    await on.turns();
    on.clock.advance(250);
    on.clock.advance(3_000);
    await on.turns();
    expect(states).toEqual(["approved", "offline", "approved"]);
    expect(job.state).toBe("running");
  });

  test("a newer link takes over, what runs goes on over it, and the older one is closed", async () => {
    const { generations } = await testNode(on);
    const { job, output } = on.submit();
    await on.turns();
    generations[0]?.say("a");
    await on.turns();
    const [first] = on.wires;
    first?.vanish();
    expect([first?.open, node()?.channel]).toEqual([true, expect.anything()]);
    await redial();
    expect([first?.open, on.wire.open, node()?.running]).toEqual([false, true, 1]);
    generations[0]?.say("b");
    generations[0]?.end();
    await on.turns();
    expect([job.state, output.text]).toEqual(["completed", "ab"]);
  });

  test("a dispatch that the link lost is made again, after the node was let in and not before", async () => {
    const { generations, states } = await testNode(on);
    on.wire.muteCoordinator = true;
    const { job, output } = on.submit();
    await on.turns();
    on.wire.vanish();
    await redial();
    expect(states).toEqual(["approved", "offline", "approved"]);
    expect(typesIn(on.wire.fromCoordinator)).toEqual(["welcome", "admitted", "dispatch"]);
    generations[0]?.say("a");
    generations[0]?.end();
    await on.turns();
    expect([job.state, output.pieces]).toEqual(["completed", ["2:0"]]);
  });

  test("a coordinator that was started anew gets the whole answer again, from its first piece", async () => {
    const next = linkStage(database, { clock: on.clock });
    const { generations } = await testNode(on, { dial: (events) => (on.reachable ? on : next).dial(events) });
    const submitted = await on.jobs.submitAsync(spec({ kind: "async" }), recorder(true), NO_EXTRA, () => {});
    await on.settle();
    await on.turns();
    generations[0]?.say("a");
    await on.turns();
    generations[0]?.say("b");
    await on.turns();
    on.reachable = false;
    const found = (await unfinishedJobs(database.db, "me")).find(
      ({ job }) => submitted.ok && job.id === submitted.value.id,
    );
    if (!found) throw new Error("the job is not in the database");
    const output = recorder(true);
    const job = next.jobs.recover(found.job, spec({ kind: "async" }), output, found.hold);
    on.wire.cut();
    await on.turns();
    await redial();
    generations[0]?.say("c");
    generations[0]?.end();
    await on.turns();
    await next.settle();
    expect([job.state, output.text, generations.length]).toEqual(["completed", "abc", 1]);
  });

  test("waits grow from a quarter of a second to fifteen, and start again after a link that lasted", async () => {
    on.reachable = false;
    await testNode(on);
    for (let i = 0; i < 400; i++) {
      on.clock.advance(250);
      await on.turns(2);
    }
    const gaps = on.dials.slice(1).map((atMs, i) => atMs - (on.dials[i] ?? 0));
    expect(gaps.slice(0, 8)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    on.reachable = true;
    on.clock.advance(15_000);
    await on.turns();
    on.clock.advance(10_001);
    on.wire.cut();
    await on.turns();
    const before = on.dials.length;
    on.clock.advance(250);
    expect(on.dials.length).toBe(before + 1);
  });

  test("output that nobody came back for is dropped after 90 s, however often is dialled in vain", async () => {
    const { generations, client } = await testNode(on);
    on.submit();
    await on.turns();
    generations[0]?.say("a");
    await on.turns();
    on.reachable = false;
    on.wire.cut();
    await on.turns();
    for (let i = 0; i < 89; i++) {
      on.clock.advance(1_000);
      await on.turns(2);
    }
    expect([client.running, generations[0]?.signal.aborted]).toEqual([1, false]);
    on.clock.advance(1_000);
    await on.turns(2);
    expect([client.running, generations[0]?.signal.aborted]).toEqual([0, true]);
    expect(on.dials.length).toBeGreaterThan(6);
  });
});

describe("presence", () => {
  test("heartbeats keep a link, and 90 s of silence end it", async () => {
    await testNode(on);
    for (let i = 0; i < 10; i++) {
      on.clock.advance(HEARTBEAT_MS);
      await on.turns(3);
    }
    expect([on.wires.length, node()?.rttMs]).toEqual([1, expect.any(Number)]);
    on.wire.tamper = () => null;
    on.clock.advance(SILENCE_MS);
    expect(node()?.channel).not.toBeNull();
    on.clock.advance(HANDSHAKE_TIMEOUT_MS + 1);
    await on.turns(3);
    expect(on.wires[0]?.open).toBe(false);
  });

  test("a node that works and does not answer is cut off long before its heartbeat is missed", async () => {
    const { generations } = await testNode(on);
    const { job } = on.submit({});
    await on.turns();
    generations[0]?.say("a");
    await on.turns();
    on.wire.tamper = () => null;
    for (let i = 0; i < 10; i++) {
      on.clock.advance(1_000);
      await on.turns();
    }
    expect([on.wires[0]?.open, job.state]).toEqual([false, "running"]);
  });

  test("a coordinator that does not answer heartbeats is dialled again", async () => {
    const { states } = await testNode(on);
    on.wire.muteCoordinator = true;
    for (let i = 0; i < 62; i++) {
      on.clock.advance(1_000);
      await on.turns();
    }
    expect([states, on.wires.length]).toEqual([["approved", "offline", "approved"], 2]);
  });

  test("what a node serves is told when it changes, and only then", async () => {
    const serves = await testNode(on);
    await serves.announce();
    serves.models.push("new");
    await serves.announce();
    expect([...on.registry.models.keys()].sort()).toEqual(["m", "new"]);
    const beats = on.wire.fromNode.filter((text) => text.includes("heartbeat"));
    expect(beats.map((text) => text.includes('"serves"'))).toEqual([false, true]);
  });

  test("a GPU that is found after the start is told once", async () => {
    let device: Device = { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] };
    const { announce } = await testNode(on, { device: () => device });
    device = { ...device, gpus: [{ name: "RTX 4090", vram_mib: 24_564 }] };
    await announce();
    await announce();
    expect(node()?.device).toEqual(device);
    const beats = on.wire.fromNode.filter((text) => text.includes("heartbeat"));
    expect(beats.map((text) => text.includes("RTX 4090"))).toEqual([true, false]);
  });

  test("the terms of a node are told with `ready`, and again when they change, and only then", async () => {
    let terms = TERMS;
    const { client } = await testNode(on, { terms: () => terms });
    expect(node()?.terms).toEqual(terms);
    client.announce();
    terms = { ...terms, schedule: ["sat,sun"] };
    client.announce();
    client.announce();
    await on.turns();
    expect(node()?.terms).toEqual(terms);
    expect(on.wire.fromNode.filter((text) => text.includes('"terms"'))).toHaveLength(2);
  });

  test("a node that tells no terms is never sent the word for changing them, which would end its link", async () => {
    const { db } = database;
    const old = await testNode(on);
    const made = {
      node: NODE.pubkey,
      command: "configure",
      args: { terms: { slots: 1 } },
      accountId: "local",
    } as const;
    const deps = { db, clock: on.clock, newId: () => Bun.randomUUIDv7() };
    await allowNode(deps, NODE.pubkey);
    const issue = async () => {
      const issued = await issueCommand(deps, made);
      if (!issued.ok) throw new Error(issued.error);
      on.delivery.nudge(NODE.pubkey);
      await on.delivery.settled();
      await on.turns();
      return issued.value.id;
    };
    const [ended] = await commandsByIds(deps, [await issue()]);
    expect(ended).toMatchObject({ state: "refused", error: expect.stringContaining("older than this command") });
    expect(on.wire.fromCoordinator.join()).not.toContain("configure");
    await old.client.stop(0);
    await testNode(on, { terms: () => TERMS });
    const [sent] = await commandsByIds(deps, [await issue()]);
    expect(sent).toMatchObject({ state: "running" });
    expect(on.wire.fromCoordinator.join()).toContain("configure");
  });

  test("what a backend says of its load goes along with heartbeats", async () => {
    const load = { running: 3, waiting: 1, cache: 0.5 };
    const node = await testNode(on);
    await node.announce();
    node.backend.load = async () => ok(load);
    await node.announce();
    await node.announce();
    const beats = on.wire.fromNode.flatMap((text) => JSON.parse(text)).filter(({ type }) => type === "heartbeat");
    expect([beats[0].loads, beats.at(-1).loads]).toEqual([undefined, [load]]);
  });

  test("how busy its machine is goes along with heartbeats, and before their time only where it changed notably", async () => {
    const quiet: MachineLoad = { gpu: null, gpu_memory: null, temperature: null, cpu: 10, memory: 40 };
    let machine: MachineLoad | null = null;
    const { client } = await testNode(on, { machine: () => machine });
    const told = async (next: MachineLoad | null) => {
      machine = next;
      client.machineLooked();
      await on.turns();
      return [on.wire.fromNode.filter((text) => text.includes('"heartbeat"')).length, node()?.machine];
    };
    expect(await told(null)).toEqual([0, null]);
    expect(await told(quiet)).toEqual([1, quiet]);
    expect(await told({ ...quiet, cpu: 14, memory: 44 })).toEqual([1, quiet]);
    const busy = { ...quiet, cpu: 15 };
    expect(await told(busy)).toEqual([2, busy]);
    const hot = { ...busy, gpu: 0, temperature: 30 };
    expect(await told(hot)).toEqual([3, hot]);
    const warmer = { ...hot, cpu: 16 };
    machine = warmer;
    on.clock.advance(HEARTBEAT_MS);
    await on.turns();
    expect(node()?.machine).toEqual(warmer);
    expect(await told(null)).toEqual([5, null]);
  });

  test("a node that stops takes nothing more, says so in every heartbeat, and lets its jobs end", async () => {
    const { generations, client } = await testNode(on);
    const { job } = on.submit();
    await on.turns();
    generations[0]?.say("a");
    await on.turns();
    let stopped = false;
    const stop = client.stop(60_000).then(() => {
      stopped = true;
    });
    await on.turns();
    expect(node()).toMatchObject({ status: "draining", accepting: false });
    for (let i = 0; i < 15; i++) {
      on.clock.advance(HEARTBEAT_MS / 15);
      generations[0]?.say("b");
      await on.turns();
    }
    expect([node()?.accepting, stopped]).toEqual([false, false]);
    generations[0]?.end();
    await on.turns();
    on.clock.advance(1_000);
    await on.turns();
    await stop;
    await on.turns();
    expect([job.state, on.wires.length, on.wire.open]).toEqual(["completed", 1, false]);
  });
});
