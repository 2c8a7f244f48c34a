import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import { giveAccounts } from "./client-accounts.ts";
import { listJoinTokens } from "./join-tokens.ts";
import {
  allowNode,
  approveNode,
  ejectNode,
  expirePendingNodes,
  getNode,
  listNodes,
  MAX_OPEN_PER_ADDRESS,
  MAX_PENDING,
  noteAuthV2,
  noteSeen,
  OPEN_WINDOW_MS,
  PENDING_TTL_MS,
  type Registration,
  registerNode,
  removeNode,
} from "./nodes.ts";
import { joinToken } from "./testing/join-token.ts";

const random = (bytes: number) => new Uint8Array(randomBytes(bytes));
const key = (n: number): Pubkey => pubkeySchema.parse(n.toString(16).padStart(64, "0"));

function registration(n: number, more: Partial<Registration> = {}): Registration {
  const said = { role: "provider", name: `node ${n}`, address: `10.0.0.${n}`, nodeId: null } as const;
  return { ...said, pubkey: key(n), specs: { cpu: "x" }, slots: 2, authV2: true, ...more };
}

async function nodesOn(made: Awaited<ReturnType<typeof testDatabase>>) {
  return { db: made.db, clock: manualClock(), random };
}

test("without a token a provider waits under `token` and `approval`, and is let in under `open`", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  for (const [n, rule, status, admittedBy] of [
    [1, "token", "pending", null],
    [2, "approval", "pending", null],
    [3, "open", "approved", "open"],
  ] as const) {
    const row = await registerNode(deps, registration(n), { registration: rule });
    expect(row).toMatchObject({ ok: true, value: { status, admittedBy, name: `node ${n}`, slots: 2 } });
  }
  const client = await registerNode(deps, registration(4, { role: "client" }), { registration: "open" });
  expect(client).toMatchObject({ ok: true, value: { status: "pending" } });
});

test("a token admits one of many that race, and its use is stored with the registration", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  const { secret } = await joinToken(deps, { role: "provider" });
  const racers = Array.from({ length: 20 }, (_, i) => registration(i));
  const outcomes = await Promise.all(racers.map((one) => registerNode(deps, one, { registration: "token", secret })));
  const winners = outcomes.filter((outcome) => outcome.ok);
  expect(winners).toMatchObject([{ value: { status: "approved", admittedBy: "token" } }]);
  expect((await listNodes(deps)).length).toBe(1);
  expect((await listJoinTokens(deps))[0]?.usedBy).toBe((await listNodes(deps))[0]?.pubkey ?? "");
});

test("a registration that is refused does not use its token up", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  const { secret } = await joinToken(deps, { role: "provider" });
  await registerNode(deps, registration(1, { nodeId: "mine" }), { registration: "open" });
  const rule = { registration: "token", secret } as const;
  expect(await registerNode(deps, registration(2, { nodeId: "mine" }), rule)).toEqual({
    ok: false,
    error: "node_id_taken",
  });
  expect(await registerNode(deps, registration(2), rule)).toMatchObject({ ok: true, value: { status: "approved" } });
});

test("an approved node registers again without a token and keeps its standing", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  const { secret, token } = await joinToken(deps, { role: "provider" });
  await registerNode(deps, registration(1, { nodeId: "mine" }), { registration: "open" });
  deps.clock.advance(5);
  const again = await registerNode(deps, registration(1, { name: "renamed", authV2: false }), {
    registration: "token",
    secret,
  });
  const { nowMs } = deps.clock;
  expect(again).toMatchObject({
    ok: true,
    value: {
      status: "approved",
      admittedBy: "open",
      name: "renamed",
      nodeId: "mine",
      authV2Seen: true,
      lastSeenMs: nowMs(),
    },
  });
  expect((await listJoinTokens(deps)).find(({ id }) => id === token.id)?.usedMs).toBeNull();
  const other = await registerNode(deps, registration(1, { role: "client" }), { registration: "open" });
  expect(other).toEqual({ ok: false, error: "node_role" });
});

test("a pending node is let in by approval or by a token", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  for (const n of [1, 2]) await registerNode(deps, registration(n), { registration: "approval" });
  expect(await approveNode(deps, key(1))).toMatchObject({
    ok: true,
    value: { status: "approved", admittedBy: "approval" },
  });
  const { secret } = await joinToken(deps, { role: "provider" });
  const joined = await registerNode(deps, registration(2), { registration: "approval", secret });
  expect(joined).toMatchObject({ ok: true, value: { status: "approved", admittedBy: "token" } });
  expect(await approveNode(deps, key(9))).toEqual({ ok: false, error: "node_unknown" });
});

test("a key allowed beforehand is approved when it comes", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  await allowNode(deps, key(1));
  expect(await getNode(deps, key(1))).toMatchObject({ status: "approved", admittedBy: "allow", lastSeenMs: null });
  const row = await registerNode(deps, registration(1), { registration: "token" });
  expect(row).toMatchObject({ ok: true, value: { status: "approved", admittedBy: "allow", name: "node 1" } });
});

test("an ejected node stays out, token or not, until it is allowed again", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  const { secret } = await joinToken(deps, { role: "provider" });
  await registerNode(deps, registration(1), { registration: "open" });
  expect(await ejectNode(deps, key(1), "bad answers")).toMatchObject({ ok: true, value: { reason: "bad answers" } });
  expect(await registerNode(deps, registration(1), { registration: "open", secret })).toEqual({
    ok: false,
    error: "node_ejected",
  });
  expect(await approveNode(deps, key(1))).toEqual({ ok: false, error: "node_ejected" });
  expect(await allowNode(deps, key(1))).toMatchObject({ status: "approved", reason: null });
  expect((await registerNode(deps, registration(1), { registration: "token" })).ok).toBe(true);
  expect(await ejectNode(deps, key(7), "x")).toEqual({ ok: false, error: "node_unknown" });
});

test("ten may wait from one address, a thousand in all, each for a day", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  const wait = (n: number, address: string) =>
    registerNode(deps, registration(n, { address }), { registration: "token" });
  const first = await Promise.all(Array.from({ length: 10 }, (_, i) => wait(i, "10.9.9.9")));
  expect(first.every((outcome) => outcome.ok)).toBe(true);
  expect(await wait(10, "10.9.9.9")).toEqual({ ok: false, error: "pending_address_full" });
  expect(await wait(3, "10.9.9.9")).toMatchObject({ ok: true });
  deps.clock.advance(1);
  await Promise.all(Array.from({ length: MAX_PENDING - 10 }, (_, i) => wait(100 + i, `10.1.${i >> 8}.${i & 255}`)));
  expect((await listNodes(deps, "pending")).length).toBe(MAX_PENDING);
  expect(await wait(5_000, "10.8.8.8")).toEqual({ ok: false, error: "pending_full" });
  expect(await registerNode(deps, registration(5_001), { registration: "open" })).toMatchObject({ ok: true });
  deps.clock.advance(PENDING_TTL_MS - 1);
  expect(await wait(5_000, "10.9.9.9")).toMatchObject({ ok: true });
  deps.clock.advance(1);
  expect(await expirePendingNodes(deps)).toBe(MAX_PENDING - 10);
  expect((await listNodes(deps, "approved")).length).toBe(1);
});

test("who waits already counts where it waits now, and finds no more room by moving", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  const wait = (n: number, address: string) =>
    registerNode(deps, registration(n, { address }), { registration: "token" });
  for (let n = 0; n < 10; n++) await wait(n, "10.9.9.9");
  for (let n = 10; n < 19; n++) await wait(n, "10.8.8.8");
  expect(await wait(0, "10.8.8.8")).toMatchObject({ ok: true });
  expect(await wait(1, "10.8.8.8")).toEqual({ ok: false, error: "pending_address_full" });
  expect(await wait(0, "10.8.8.8")).toMatchObject({ ok: true });
});

test("under `open` one public address has a bounded number of nodes; more of them wait", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  const come = async (n: number, address: string) => {
    const row = await registerNode(deps, registration(n, { address }), { registration: "open" });
    return row.ok ? row.value.status : row.error;
  };
  const of = async (from: number, count: number, address: string) =>
    new Set(await Promise.all(Array.from({ length: count }, (_, i) => come(from + i, address))));
  expect(await of(1, MAX_OPEN_PER_ADDRESS, "8.8.8.5")).toEqual(new Set(["approved"]));
  expect(await come(1_000, "8.8.8.5")).toBe("pending");
  expect(await come(1, "8.8.8.5")).toBe("approved");
  expect(await come(1_001, "8.8.8.6")).toBe("approved");
  // A proxy, or a network of one's own.
  for (const [i, address] of ["127.0.0.1", "::1", "::ffff:10.0.0.1", "fd00::1"].entries())
    expect(await of(2_000 + 1_000 * i, MAX_OPEN_PER_ADDRESS + 1, address)).toEqual(new Set(["approved"]));
  deps.clock.advance(OPEN_WINDOW_MS + 1);
  expect(await come(1_000, "8.8.8.5")).toBe("approved");
});

test("what waits for approval keeps the role in which an admin sees it", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  await registerNode(deps, registration(1), { registration: "approval" });
  const other = registration(1, { role: "client" });
  expect(await registerNode(deps, other, { registration: "approval" })).toEqual({ ok: false, error: "node_role" });
  const { secret } = await joinToken(deps, { role: "client" });
  expect(await registerNode(deps, other, { registration: "approval", secret })).toMatchObject({
    value: { status: "approved", role: "client" },
  });
});

test("a node id that a key merely waits with is taken over by one that is let in", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  const as = (n: number) => registration(n, { nodeId: "gpu-1" });
  await registerNode(deps, as(1), { registration: "token" });
  expect(await registerNode(deps, as(2), { registration: "token" })).toEqual({ ok: false, error: "node_id_taken" });
  const { secret } = await joinToken(deps, { role: "provider" });
  expect(await registerNode(deps, as(3), { registration: "token", secret })).toMatchObject({
    value: { status: "approved", nodeId: "gpu-1" },
  });
  expect(await getNode(deps, key(1))).toMatchObject({ status: "pending", nodeId: null });
  expect(await registerNode(deps, as(1), { registration: "token" })).toEqual({ ok: false, error: "node_id_taken" });
});

test("who is let in to submit jobs has an account of its own, by whichever way it comes", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  const accountOf = async (n: number) => (await getNode(deps, key(n)))?.accountId;
  const client = (n: number) => registration(n, { role: n % 2 ? "client" : "aggregator" });
  const { secret } = await joinToken(deps, { role: "client" });
  await registerNode(deps, client(1), { registration: "token", secret });
  await registerNode(deps, client(2), { registration: "token" });
  expect(await accountOf(2)).toBe("local");
  expect(await approveNode(deps, key(2))).toMatchObject({ value: { accountId: `client:${key(2)}` } });
  expect(await allowNode(deps, key(3), { role: "client" })).toMatchObject({ accountId: `client:${key(3)}` });
  await registerNode(deps, client(3), { registration: "token" });
  for (const n of [1, 2, 3]) expect(await accountOf(n)).toBe(`client:${key(n)}`);
  await removeNode(deps, key(3));
  await allowNode(deps, key(3), { role: "client" });
  expect(await accountOf(3)).toBe(`client:${key(3)}`);
  await allowNode(deps, key(4));
  expect(await accountOf(4)).toBe("local");
});

test("clients from before accounts of their own are given them", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  await allowNode(deps, key(1), { role: "client" });
  await deps.db.writer.batch("UPDATE nodes SET account_id = 'local' WHERE pubkey = ?", [[key(1)]]);
  await giveAccounts(deps);
  expect((await getNode(deps, key(1)))?.accountId).toBe(`client:${key(1)}`);
});

test("a worker comes in by its key, and is forgotten a month after it was last seen", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  const worker = { transport: "worker", accountId: "local" } as const;
  for (const n of [1, 2]) {
    const row = await registerNode(deps, registration(n, worker), { registration: "token", byKey: true });
    expect(row).toMatchObject({ ok: true, value: { status: "approved", admittedBy: "key", transport: "worker" } });
  }
  await allowNode(deps, key(3));
  deps.clock.advance(29 * PENDING_TTL_MS);
  await noteSeen(deps, [[key(2), deps.clock.nowMs()]]);
  expect(await expirePendingNodes(deps)).toBe(0);
  deps.clock.advance(PENDING_TTL_MS);
  expect(await expirePendingNodes(deps)).toBe(1);
  expect((await listNodes(deps)).map(({ pubkey }) => pubkey).toSorted()).toEqual([key(2), key(3)]);
});

test("a node that leaves is forgotten, and an ejected one is not", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  for (const n of [1, 2]) await registerNode(deps, registration(n, { transport: "polling" }), { registration: "open" });
  await ejectNode(deps, key(2), "bad");
  expect([await removeNode(deps, key(1)), await removeNode(deps, key(2)), await removeNode(deps, key(3))]).toEqual([
    true,
    false,
    false,
  ]);
  expect((await listNodes(deps)).map(({ pubkey }) => pubkey as string)).toEqual([key(2)]);
});

test("sightings and the first v2 signature are written down", async () => {
  await using made = await testDatabase();
  const deps = await nodesOn(made);
  for (const n of [1, 2]) await registerNode(deps, registration(n, { authV2: false }), { registration: "open" });
  await noteSeen(
    deps,
    new Map([
      [key(1), 111],
      [key(2), 222],
    ]),
  );
  await noteAuthV2(deps, key(2));
  const rows = await listNodes(deps);
  expect(rows.map((row) => [row.lastSeenMs, row.authV2Seen])).toEqual([
    [111, false],
    [222, true],
  ]);
});
