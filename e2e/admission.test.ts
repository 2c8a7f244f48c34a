// Who may work: by token, by approval, by being allowed beforehand, or everybody; and who may not, with the reason.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Output } from "../src/admin/operations.ts";
import { LINK_PATH } from "../src/daemon/dial-websocket.ts";
import { signV1 } from "../src/protocol/auth-v1.ts";
import { decodeJoinToken, encodeJoinToken } from "../src/protocol/join-token.ts";
import type { Pubkey } from "../src/protocol/primitives.ts";
import { pubkeyOf } from "../src/protocol/schnorr.ts";
import { type Client, client } from "./harness/client.ts";
import { PLAIN_TEXT } from "./harness/fault-backend.ts";
import {
  type HostileNode,
  type HostileOptions,
  openHostileNode,
  tryUpgrade,
  upgradeHeader,
} from "./harness/hostile-node.ts";
import { startImpostor } from "./harness/impostor-coordinator.ts";
import { commandJson, createJoinToken, type Instance } from "./harness/instance.ts";
import { mib, residentBytes } from "./harness/memory.ts";
import { backendsToml, openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 120_000);
afterAll(() => stage.close());

const newSecretKey = () => crypto.getRandomValues(new Uint8Array(32));

type House = { coordinator: Instance; target: { url: string; coordinator: Pubkey }; api: Client };

async function house(config: string): Promise<House> {
  const { coordinator, key } = await stage.coordinator(config);
  const { pubkey } = await commandJson<Output<"status">>(stage.executable, coordinator.dataDirectory, ["status"]);
  const target = { url: coordinator.url, coordinator: pubkey };
  return { coordinator, target, api: client(() => coordinator.url, key, "hostile-model") };
}
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

    const elsewhere = encoded({ ...decodedToken(token), coordinator: pubkeyOf(newSecretKey()) });
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

describe("a clock that is two minutes off", () => {
  let here: House;
  beforeAll(async () => {
    here = await house("");
  });

  test.each([
    [-120_000, /120 s behind|119 s behind|121 s behind/],
    [120_000, /120 s ahead|119 s ahead|121 s ahead/],
  ])("%d ms: refused in words that say so", async (clockSkewMs, words) => {
    const options: HostileOptions = { ...here.target, clockSkewMs };
    const authHeader = upgradeHeader({ ...options, secretKey: newSecretKey() });
    const headers = { "x-infernet-auth": authHeader, upgrade: "websocket" };
    const refused = await fetch(`${here.target.url}${LINK_PATH}`, { headers });
    expect(refused.status).toBe(401);
    const { code, error } = (await refused.json()) as { code: string; error: string };
    expect(code).toBe("clock_skew");
    expect(error).toMatch(words);
    expect(error).toContain("check the clock");
  });

  test.each([
    ["behind", 120_000],
    ["ahead of", -120_000],
  ])("doctor says that this machine is %s its coordinator", async (side, offMs) => {
    // A coordinator's health as it would look from a machine whose clock is off: only its Date is wrong.
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("ok\n", { headers: { date: new Date(Date.now() + offMs).toUTCString() } }),
    });
    stage.onClose(() => server.stop(true));
    const { coordinator } = here.target;
    const url = `http://127.0.0.1:${server.port}`;
    const joined = encoded({ ...decodedToken(await createJoinToken(stage.executable, here.coordinator)), url });
    for (const config of [
      `[node]\ncoordinators = [{ url = "${url}", pubkey = "${coordinator}" }]\n`,
      `[node]\njoin_token = "${joined}"\n`,
    ]) {
      const directory = stage.directory("doctor");
      await Bun.write(join(directory, "config.toml"), `mode = "node"\n${config}probe = false\n`);
      const { checks } = await doctor(directory);
      const clock = checks.find(({ name }) => name === "clock");
      expect(clock).toMatchObject({ state: "bad" });
      expect(clock?.message).toMatch(new RegExp(`1(19|20|21) s ${side}`));
      expect(clock?.mend).toContain("NTP");
    }
  });
});

type Decoded = Extract<ReturnType<typeof decodeJoinToken>, { ok: true }>["value"];
function decodedToken(text: string): Decoded {
  const token = decodeJoinToken(text);
  if (!token.ok) throw new Error(token.error.message);
  return token.value;
}
function encoded(token: Decoded): string {
  const text = encodeJoinToken(token);
  if (!text.ok) throw new Error(text.error.message);
  return text.value;
}
type Check = { name: string; state: string; message: string; mend?: string };
async function doctor(dataDirectory: string): Promise<{ code: number; checks: Check[] }> {
  const child = Bun.spawn([stage.executable, "--data-dir", dataDirectory, "doctor", "--json"], {
    cwd: dataDirectory,
    env: { PATH: process.env.PATH ?? "", HOME: dataDirectory },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [out, code] = await Promise.all([child.stdout.text(), child.exited]);
  return { code, ...(JSON.parse(out) as { checks: Check[] }) };
}

test("an impostor is not told the join token; the log and status say why", async () => {
  const here = await house("");
  const impostor = startImpostor(here.target.coordinator);
  stage.onClose(() => impostor.close());
  const mine = decodedToken(await createJoinToken(stage.executable, here.coordinator));
  const token = encoded({ ...mine, url: impostor.url });
  const backend = stage.backend();
  const node = await stage.start({
    mode: "node",
    config: `[node]\njoin_token = "${token}"\n${backendsToml([backend.url])}`,
  });
  await node.waitForOutput(/does not hold the key/);
  await waitFor("it to hang up and dial again", () => impostor.abandoned() > 1);
  expect(new Set(impostor.received.map(({ type }) => type))).toEqual(new Set(["hello"]));
  expect(JSON.stringify(impostor.received)).not.toContain("infjoin_");
  expect(node.output()).not.toContain(token);
  const status = await commandJson<Output<"status">>(stage.executable, node.dataDirectory, ["status"]);
  expect(status.coordinators).toMatchObject([{ url: impostor.url, state: "connecting" }]);
  expect(status.coordinators[0]?.error).toContain("does not hold the key");
  const text = await stage.run(node, ["status"]);
  expect(text.stdout).toContain("does not hold the key");
  // The token is as good as before.
  const honest = await openHostileNode(here.target);
  expect(await honest.join({ join_token: encoded(mine) })).toMatchObject({ status: "approved" });
  honest.close();
});

test("through a storm of bad links every right request is answered, and the coordinator stays small", async () => {
  const here = await house('[coordinator]\nregistration = "open"\n');
  const backend = stage.backend();
  await stage.node(here.coordinator, [backend.url]);
  await stage.served(here.coordinator, backend.model);
  const before = mib(residentBytes(here.coordinator.pid));
  let storming = true;
  let links = 0;
  const bad: ((node: HostileNode) => void | Promise<void>)[] = [
    (node) => node.sendRaw("garbage"),
    (node) => node.sendRaw(new Uint8Array(1000)),
    (node) => node.sendRaw(" ".repeat(5 * 1024 * 1024)),
    (node) => node.sendRaw("[".repeat(1024 * 1024)),
    (node) => node.sendRaw(`[${Array(4000).fill('{"type":"hello","version":"x","nonce":"0"}').join(",")}]`),
    async (node) => node.send(node.readyFrame(await node.hello(), { sig: "00".repeat(64) })),
    async (node) => {
      await node.join({ slots: 0 });
      const attempt = "01890000-0000-7000-8000-000000000000.1";
      for (let offset = 0; offset < 50; offset++)
        node.send({ type: "delta", attempt, offset, deltas: [{ content: "x".repeat(10_000) }] });
      node.sendRaw("]");
    },
  ];
  const storm = async (first: number) => {
    for (let turn = first; storming; turn++) {
      const node = await openHostileNode(here.target);
      await bad[turn % bad.length]?.(node);
      await node.closed();
      links++;
    }
  };
  const storms = [0, 2, 4].map(storm);
  try {
    for (let count = 0; count < 100 || links < 60; count++) {
      expect(await here.api.readChat({ model: backend.model })).toMatchObject({ text: PLAIN_TEXT, done: true });
    }
  } finally {
    storming = false;
  }
  await Promise.all(storms);
  const after = mib(residentBytes(here.coordinator.pid));
  console.log(`${links} bad links; resident MiB: ${before} before, ${after} after`);
  expect(after - before).toBeLessThan(128);
  expect(here.coordinator.running()).toBe(true);
  expect((await fetch(`${here.coordinator.url}/readyz`)).status).toBe(200);
}, 60_000);
