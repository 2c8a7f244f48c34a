// Who may work: by token, by approval, by being allowed beforehand, or everybody; and who may not, with the reason.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Output } from "../src/admin/operations.ts";
import { LINK_PATH } from "../src/daemon/dial-websocket.ts";
import { signV1 } from "../src/protocol/auth-v1.ts";
import { pubkeyOf } from "../src/protocol/schnorr.ts";
import { PLAIN_TEXT } from "./harness/fault-backend.ts";
import { type HostileNode, openHostileNode, tryUpgrade } from "./harness/hostile-node.ts";
import { decodedToken, encodedToken, type House, openHouse } from "./harness/house.ts";
import { commandJson, createJoinToken } from "./harness/instance.ts";
import { backendsToml, openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const newSecretKey = () => crypto.getRandomValues(new Uint8Array(32));

const house = (config: string) => openHouse(stage, config);
const nodesOf = async ({ coordinator }: House) =>
  (await commandJson<Output<"listNodes">>(stage.executable, coordinator.dataDirectory, ["nodes", "list"])).nodes;
const rowOf = async (from: House, pubkey: string) => (await nodesOf(from)).find((row) => row.pubkey === pubkey);
const nodes = (from: House, ...args: string[]) =>
  commandJson(stage.executable, from.coordinator.dataDirectory, ["nodes", ...args]);

/** The refusal of a ready with this token: the coordinator's code. */
async function refusedToken({ target }: House, joinToken: string): Promise<string> {
  const node = await openHostileNode(target);
  node.send(node.readyFrame(await node.hello(), { join_token: joinToken }));
  const { code } = await node.next("error");
  await node.closed();
  return code;
}

/** Answers one chat on this node, to show that it has work. */
async function worksFor({ api }: House, node: HostileNode): Promise<void> {
  const answer = api.readChat();
  const { attempt } = await node.next("dispatch");
  const finish = [{ index: 0, reason: "stop" as const }];
  const usage = { prompt_tokens: 1, completion_tokens: 1 };
  node.send({ type: "end", attempt, offset: 0, deltas: [{ content: "work" }], outcome: "completed", finish, usage });
  expect(await answer).toMatchObject({ text: "work", done: true });
}

describe("by token", () => {
  let here: House;
  let token: string;
  beforeAll(async () => {
    here = await house('[coordinator]\nregistration = "token"\nresume_grace_s = 0\n');
  });
  beforeEach(async () => {
    token = await createJoinToken(stage.executable, here.coordinator);
  });

  test("a node with a fresh token works at once", async () => {
    const node = await openHostileNode(here.target);
    expect(await node.join({ join_token: token })).toMatchObject({ status: "approved" });
    await worksFor(here, node);
    node.close();
  });

  test("a node without one waits, is told so, is kept on the link and has no work", async () => {
    const node = await openHostileNode(here.target);
    expect(await node.join()).toMatchObject({ status: "pending", resume: [] });
    expect(await rowOf(here, node.pubkey)).toMatchObject({ status: "pending", online: false });
    node.send({ type: "heartbeat", status: "available", running: 0 });
    await node.next("alive");
    const refused = await here.api.chat();
    expect([404, 503]).toContain(refused.status); // nobody serves the model, whatever the pending node says
    expect(node.received.some(({ type }) => type === "dispatch")).toBe(false);
    node.send({ type: "delta", attempt: "01890000-0000-7000-8000-000000000000.1", offset: 0, deltas: [] });
    expect((await node.next("error")).code).toBe("bad_frame");
    await node.closed();
  });

  test("a token that was used, revoked, of another coordinator or none at all is refused, each with its code", async () => {
    const first = await openHostileNode(here.target);
    await first.join({ join_token: token });
    expect(await refusedToken(here, token)).toBe("join_token_used");
    first.close();

    const made = await commandJson<Output<"createJoinToken">>(stage.executable, here.coordinator.dataDirectory, [
      "join-token",
      "create",
    ]);
    await commandJson(stage.executable, here.coordinator.dataDirectory, ["join-token", "revoke", made.id]);
    expect(await refusedToken(here, made.token)).toBe("join_token_revoked");

    const elsewhere = encodedToken({ ...decodedToken(token), coordinator: pubkeyOf(newSecretKey()) });
    expect(await refusedToken(here, elsewhere)).toBe("join_token_unknown");
    expect(await refusedToken(here, "infjoin_nonsense")).toBe("join_token_invalid");
  });

  test("a token that has expired is refused", async () => {
    await here.coordinator.stop();
    const database = new Database(join(here.coordinator.dataDirectory, "infernet.db"));
    database.run("UPDATE join_tokens SET expires_ms = created_ms WHERE used_ms IS NULL");
    database.close();
    here.coordinator = await stage.restart(here.coordinator);
    expect(await refusedToken(here, token)).toBe("join_token_expired");
  });

  test("of twenty nodes with one token at once, one is let in", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => openHostileNode(here.target)));
    const answers = await Promise.all(
      all.map(async (node) => {
        node.send(node.readyFrame(await node.hello(), { join_token: token }));
        return Promise.any([node.next("admitted"), node.next("error")]);
      }),
    );
    const outcomes = answers.map((frame) => (frame.type === "admitted" ? frame.status : frame.code)).toSorted();
    expect(outcomes).toEqual(["approved", ...Array<string>(19).fill("join_token_used")]);
    for (const node of all) node.close();
  });

  test("a key that was allowed beforehand needs no token", async () => {
    const secretKey = newSecretKey();
    await nodes(here, "allow", pubkeyOf(secretKey));
    const node = await openHostileNode({ ...here.target, secretKey });
    expect(await node.join()).toMatchObject({ status: "approved" });
    await worksFor(here, node);
    node.close();
  });

  test("an ejected node is cut off in the middle of its work, and the work goes elsewhere", async () => {
    const secretKey = newSecretKey();
    await nodes(here, "allow", pubkeyOf(secretKey));
    const node = await openHostileNode({ ...here.target, secretKey });
    await node.join();
    const answer = here.api.readChat();
    await node.next("dispatch");
    const other = await openHostileNode(here.target);
    await other.join({ join_token: token });
    await nodes(here, "eject", node.pubkey, "--reason", "test");
    await node.closed();
    const { attempt } = await other.next("dispatch");
    const finish = [{ index: 0, reason: "stop" as const }];
    other.send({
      type: "end",
      attempt,
      offset: 0,
      deltas: [{ content: "x" }],
      outcome: "completed",
      finish,
      usage: null,
    });
    expect(await answer).toMatchObject({ text: "x", done: true });
    other.close();
    const again = { ...here.target, secretKey };
    expect(await tryUpgrade(again)).toEqual({ status: 403, code: "key_ejected" });
    expect(await rowOf(here, node.pubkey)).toMatchObject({ status: "ejected", online: false });
    await nodes(here, "allow", node.pubkey);
    expect(await tryUpgrade(again)).toEqual({ status: 101, code: null });
  });

  test("a version 1 signature does not open the link", async () => {
    const secretKey = newSecretKey();
    const authHeader = signV1(secretKey, {
      method: "GET",
      path: LINK_PATH,
      createdAtS: Math.floor(Date.now() / 1000),
      nonce: "0123456789abcdef",
      bodySha256: new Bun.CryptoHasher("sha256").update("").digest("hex"),
    });
    expect(await tryUpgrade({ ...here.target, authHeader })).toEqual({ status: 401, code: "version_unsupported" });
  });
});

describe("by approval", () => {
  test("a real node waits, says so, and works once it is approved, without being started again", async () => {
    const here = await house('[coordinator]\nregistration = "approval"\n');
    const backend = stage.backend();
    const { url, coordinator: pubkey } = here.target;
    const config = `[node]\ncoordinators = [{ url = "${url}", pubkey = "${pubkey}" }]\n${backendsToml([backend.url])}`;
    const node = await stage.start({ mode: "node", config });
    await waitFor("the node to be pending", async () =>
      (await nodesOf(here)).some(({ status }) => status === "pending"),
    );
    const status = await waitFor("the node to know", async () => {
      const now = await commandJson<Output<"status">>(stage.executable, node.dataDirectory, ["status"]);
      return now.coordinators[0]?.state === "pending" && now;
    });
    expect(status.coordinators[0]?.error).toContain("approve");
    expect((await fetch(`${node.url}/readyz`)).status).toBe(503);
    await nodes(here, "approve", status.pubkey.slice(0, 12));
    await stage.served(here.coordinator, backend.model);
    const answer = await here.api.chat({ model: backend.model });
    expect(await answer.text()).toContain(PLAIN_TEXT);
  });

  test("the eleventh that waits from one address is refused, and those let in are not counted", async () => {
    const here = await house('[coordinator]\nregistration = "approval"\n');
    const waiting: HostileNode[] = [];
    for (let count = 0; count < 10; count++) {
      const node = await openHostileNode(here.target);
      expect(await node.join()).toMatchObject({ status: "pending" });
      waiting.push(node);
    }
    const eleventh = await openHostileNode(here.target);
    eleventh.send(eleventh.readyFrame(await eleventh.hello()));
    expect((await eleventh.next("error")).code).toBe("pending_address_full");
    const token = await createJoinToken(stage.executable, here.coordinator);
    const invited = await openHostileNode(here.target);
    expect(await invited.join({ join_token: token })).toMatchObject({ status: "approved" });
    await nodes(here, "approve", `${waiting[0]?.pubkey}`);
    await waiting[0]?.closed();
    const next = await openHostileNode(here.target);
    expect(await next.join()).toMatchObject({ status: "pending" });
    for (const node of [...waiting, invited, next]) node.close();
  });
});

test("open to everybody, a node needs nothing", async () => {
  const here = await house('[coordinator]\nregistration = "open"\n');
  const node = await openHostileNode(here.target);
  expect(await node.join()).toMatchObject({ status: "approved" });
  await worksFor(here, node);
  node.close();
});
