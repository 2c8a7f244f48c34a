// What a coordinator and a node may hear from somebody who means harm or is broken: wrong signatures and keys, garbage,
// oversized, replayed and reordered frames. Each is refused with its reason, and everybody else goes on as before.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { MAX_NODE_MESSAGE_BYTES, type NodeFrame } from "../src/protocol/frames.ts";
import { decodeJoinToken } from "../src/protocol/join-token.ts";
import { signReady } from "../src/protocol/link-handshake.ts";
import type { Pubkey } from "../src/protocol/primitives.ts";
import { pubkeyOf } from "../src/protocol/schnorr.ts";
import { type HostileNode, openHostileNode, tryUpgrade, upgradeHeader } from "./harness/hostile-node.ts";
import { startImpostor } from "./harness/impostor-coordinator.ts";
import { createJoinToken, type Instance } from "./harness/instance.ts";
import { readChat } from "./harness/sse.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const POLICY_VIOLATION = 1008; // RFC 6455 §7.4.1
const TOO_BIG = [1006, 1009]; // Bun cuts a message over the limit without a closing handshake

let stage: Stage;
let coordinator: Instance;
let key: string;
let target: { url: string; coordinator: Pubkey };
let other: Pubkey;

const secretKey = () => crypto.getRandomValues(new Uint8Array(32));
const open = () => openHostileNode(target);

beforeAll(async () => {
  stage = await openStage();
  ({ coordinator, key } = await stage.coordinator(
    '[coordinator]\nregistration = "open"\nmax_attempts = 1\nresume_grace_s = 0\n',
  ));
  const token = decodeJoinToken(await createJoinToken(stage.executable, coordinator));
  if (!token.ok) throw new Error(token.error.message);
  target = { url: coordinator.url, coordinator: token.value.coordinator };
  other = pubkeyOf(secretKey());
});
afterAll(() => stage.close());

describe("the link's upgrade", () => {
  test("is taken with a fresh signature of a key that nobody knows", async () => {
    expect(await tryUpgrade(target)).toEqual({ status: 101, code: null });
  });
  test("without a signature", async () => {
    expect(await tryUpgrade({ ...target, authHeader: "" })).toEqual({ status: 401, code: "header_missing" });
  });
  test("with a header that is none", async () => {
    expect(await tryUpgrade({ ...target, authHeader: "e30" })).toEqual({ status: 401, code: "header_malformed" });
  });
  test("signed for another coordinator", async () => {
    expect(await tryUpgrade({ ...target, audience: other })).toEqual({ status: 401, code: "wrong_recipient" });
  });
  test.each([-120_000, 120_000])("from a clock that is %d ms off", async (clockSkewMs) => {
    expect(await tryUpgrade({ ...target, clockSkewMs })).toEqual({ status: 401, code: "clock_skew" });
  });
  test("with another's key in the envelope", async () => {
    const header = upgradeHeader({ ...target, secretKey: secretKey() });
    const envelope = JSON.parse(Buffer.from(header, "base64url").toString("utf8")) as Record<string, unknown>;
    const forged = Buffer.from(JSON.stringify({ ...envelope, pubkey: other })).toString("base64url");
    expect(await tryUpgrade({ ...target, authHeader: forged })).toEqual({ status: 401, code: "bad_signature" });
  });
  test("sent again by a node that is registered", async () => {
    const node = await open();
    await node.join();
    const again = { ...target, authHeader: node.authHeader };
    expect(await tryUpgrade(again)).toEqual({ status: 401, code: "nonce_replayed" });
    node.close();
  });
});

/** The coordinator's last word on a link, and how it closed it. */
async function refusal(node: HostileNode): Promise<{ code: string; closed: number }> {
  const { code } = await node.next("error");
  return { code, closed: (await node.closed()).code };
}
const BAD_FRAME = { code: "bad_frame", closed: POLICY_VIOLATION };

describe("before the handshake is done", () => {
  test.each([
    ["no JSON", "{"],
    ["no array", '{"type":"hello"}'],
    ["an empty message", "[]"],
    ["a frame of no known type", '[{"type":"root"}]'],
    ["a hello with a short nonce", '[{"type":"hello","version":"x","nonce":"00"}]'],
    ["a heartbeat first", '[{"type":"heartbeat","status":"available","running":0}]'],
    [
      "five thousand frames",
      `[${Array(5000).fill('{"type":"heartbeat","status":"available","running":0}').join(",")}]`,
    ],
    ["deeply nested JSON", "[".repeat(100_000)],
  ])("%s closes the link", async (_name, message) => {
    const node = await open();
    node.sendRaw(message);
    expect(await refusal(node)).toEqual(BAD_FRAME);
  });

  test("a binary message closes the link", async () => {
    const node = await open();
    node.sendRaw(new Uint8Array([0, 1, 2]));
    expect((await node.closed()).code).toBe(POLICY_VIOLATION);
  });

  test("a message over the limit closes the link", async () => {
    const node = await open();
    node.sendRaw(" ".repeat(MAX_NODE_MESSAGE_BYTES + 1));
    expect(TOO_BIG).toContain((await node.closed()).code);
  });

  test("a second hello closes the link", async () => {
    const node = await open();
    await node.hello();
    node.send({ type: "hello", version: "x", nonce: "0".repeat(32) });
    expect(await refusal(node)).toEqual(BAD_FRAME);
  });

  test("a ready signed for another link, another key or another coordinator closes the link", async () => {
    const earlier = await open();
    const recorded = earlier.readyFrame(await earlier.hello());
    for (const bend of ["link", "key", "coordinator"] as const) {
      const node = await openHostileNode({ ...target, secretKey: earlier.secretKey });
      const handshake = await node.hello();
      const sigs = {
        link: recorded.sig,
        key: signReady(secretKey(), handshake),
        coordinator: signReady(node.secretKey, { ...handshake, coordinator: other }),
      };
      node.send(node.readyFrame(handshake, { sig: sigs[bend] }));
      expect(await refusal(node)).toEqual(BAD_FRAME);
      expect(node.received.some(({ type }) => type === "admitted")).toBe(false);
    }
    earlier.close();
  });
});

describe("a node with a job", () => {
  let node: HostileNode;
  const model = "hostile-model";
  const delta = (attempt: string, offset: number, ...texts: string[]): NodeFrame => ({
    type: "delta",
    attempt,
    offset,
    deltas: texts.map((content) => ({ content })),
  });
  const end = (attempt: string, offset: number): NodeFrame => ({
    type: "end",
    attempt,
    offset,
    deltas: [],
    outcome: "completed",
    finish: [{ index: 0, reason: "stop" }],
    usage: { prompt_tokens: 1, completion_tokens: 3 },
  });

  beforeEach(async () => {
    node = await open();
    await node.join({ slots: 4 });
  });

  function ask(): Promise<Response> {
    return fetch(`${coordinator.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "x" }] }),
    });
  }

  test("deltas that come twice are shown once", async () => {
    const answer = ask().then((response) => readChat(response));
    const { attempt } = await node.next("dispatch");
    node.send(delta(attempt, 0, "one "), delta(attempt, 0, "one "), delta(attempt, 0, "one ", "two "));
    node.send(delta(attempt, 1, "two ", "three"), end(attempt, 3), end(attempt, 3));
    expect(await answer).toMatchObject({ text: "one two three", finishReason: "stop", done: true });
    await node.next("ack");
    node.close();
  });

  test("a gap in the deltas closes the link, and the client is told", async () => {
    const answer = ask().then((response) => readChat(response));
    const { attempt } = await node.next("dispatch");
    node.send(delta(attempt, 0, "one "));
    node.send(delta(attempt, 2, "three"));
    expect(await refusal(node)).toEqual(BAD_FRAME);
    const transcript = await answer;
    expect(transcript).toMatchObject({ text: "one ", done: false });
    expect(transcript.error?.code).toBe("node_lost");
  });

  test("more than was granted closes the link", async () => {
    const answer = ask().then((response) => readChat(response));
    const { attempt } = await node.next("dispatch");
    const piece = "x".repeat(60_000);
    // In one message, so that no grant can come between.
    const flood = Array.from({ length: 40 }, (_, offset) => delta(attempt, offset, piece));
    node.send(...flood);
    expect(await refusal(node)).toEqual(BAD_FRAME);
    expect((await answer).error?.code).toBe("node_lost");
  });

  test("deltas for another node's attempt change nothing there", async () => {
    const answer = ask().then((response) => readChat(response));
    const { attempt } = await node.next("dispatch");
    const thief = await open();
    await thief.join({ slots: 0 });
    thief.send(delta(attempt, 0, "stolen"), end(attempt, 1));
    await thief.next("ack"); // it has been heard
    node.send(delta(attempt, 0, "mine"), end(attempt, 1));
    expect(await answer).toMatchObject({ text: "mine", done: true });
    for (const link of [node, thief]) link.close();
  });

  test("an attempt that never was is answered with a cancel, not with a fault", async () => {
    const attempt = "01890000-0000-7000-8000-000000000000.1";
    node.send(delta(attempt, 0, "x"));
    expect(await node.next("cancel")).toEqual({ type: "cancel", attempt });
    node.send(end(attempt, 1));
    expect((await node.next("ack")).attempts).toEqual([attempt]);
    node.close();
  });

  test("a second link of the same key takes over from the first", async () => {
    const second = await openHostileNode({ ...target, secretKey: node.secretKey });
    await second.join();
    await node.closed();
    second.close();
  });
});

describe("a node", () => {
  async function nodeFor(pinned: Pubkey, url: string): Promise<Instance> {
    const backend = stage.backend();
    const config = `[node]\ncoordinators = [{ url = "${url}", pubkey = "${pinned}" }]
[[node.backends]]\nkind = "openai"\nurl = "${backend.url}"\n`;
    return stage.start({ mode: "node", config });
  }

  test("that pins another key than the coordinator's gets nowhere, and says why", async () => {
    const node = await nodeFor(other, coordinator.url);
    await node.waitForOutput(/wrong_recipient|signed for/);
    expect((await node.kill9()).signal).toBe("SIGKILL");
  });

  test("says hello to an impostor and nothing more", async () => {
    const impostor = startImpostor(target.coordinator);
    stage.onClose(() => impostor.close());
    const node = await nodeFor(target.coordinator, impostor.url);
    await node.waitForOutput(/does not hold the key/);
    await waitFor("the node to hang up", () => impostor.abandoned() > 0);
    expect(impostor.received.map(({ type }) => type)).not.toContain("ready");
    expect(impostor.received[0]).toMatchObject({ type: "hello" });
    await node.kill9();
  });
});

test("after all that the coordinator is well, and a right node has work", async () => {
  const node = await open();
  expect(await node.join({ slots: 1 })).toMatchObject({ status: "approved" });
  const health = await fetch(`${coordinator.url}/healthz`);
  expect(health.status).toBe(200);
  expect(coordinator.running()).toBe(true);
  node.close();
});
