// What operators and admins are told of while they look elsewhere, and nobody else.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type CoordinatorStage, coordinatorStage } from "../http/testing/coordinator-stage.ts";
import { commands, nodes } from "../registry/schema.ts";
import { payouts } from "../settlement/schema.ts";
import { createNotices } from "./notices.ts";
import { signedIn } from "./testing/signed-in.ts";

let on: CoordinatorStage;
let notices: ReturnType<typeof createNotices>;
beforeEach(async () => {
  on = await coordinatorStage();
  notices = createNotices(on.dashboard);
  await notices.of("local", false);
});
afterEach(() => on[Symbol.asyncDispose]());

async function later(ms = 5_000, account = "local", admin = false): Promise<string[]> {
  on.clock.advance(ms);
  return (await notices.of(account, admin)).map(({ title }) => title);
}
const KEY = "ab".repeat(32);
const row = (over: object = {}) =>
  ({
    ...{ pubkey: KEY, role: "provider", name: "dune", status: "approved", accountId: "local", specs: {}, slots: 1 },
    ...{ firstSeenMs: on.clock.nowMs(), authV2Seen: true },
    ...over,
  }) as typeof nodes.$inferInsert;
const insert = (make: (tx: Parameters<Parameters<typeof on.database.db.writer.transact>[0]>[0]) => Promise<unknown>) =>
  on.database.db.writer.transact(make);

test("a node that stays away, and its return; not one that was gone for a moment", async () => {
  const node = on.node(1);
  expect(await later()).toEqual([]);
  node.lose();
  expect(await later()).toEqual([]);
  node.join();
  expect(await later()).toEqual([]);
  node.lose();
  await later();
  expect(await later(21_000)).toEqual(["node 01 went offline"]);
  expect(await later()).toEqual(["node 01 went offline"]);
  node.join();
  expect(await later()).toEqual(["node 01 went offline", "node 01 is back"]);
  expect(await later(5_000, "other", true)).toEqual([]);
  expect(await later(11 * 60_000)).toEqual([]);
});

test("who asks to join, to admins alone", async () => {
  on.clock.advance(1_000);
  await insert(async (tx) => tx.insert(nodes).values(row({ status: "pending", name: "\u202e<b>dune</b>" })));
  expect(await later(5_000, "local", true)).toEqual(["<b>dune</b> asks to join"]);
  expect(await later()).toEqual([]);
});

test("installs that ended, and payouts that were made, to the node's account", async () => {
  on.clock.advance(1_000);
  const endedMs = on.clock.nowMs();
  await insert(async (tx) => {
    await tx.insert(nodes).values(row());
    for (const state of ["completed", "failed"] as const) {
      await tx.insert(commands).values({
        ...{ id: Bun.randomUUIDv7("hex", endedMs), nodePubkey: KEY, command: "model_install", args: { model: state } },
        ...{ state, accountId: "local", createdMs: endedMs, endedMs, expiresMs: endedMs + 1 },
      });
    }
    await tx.insert(payouts).values({
      ...{
        id: "1".repeat(32),
        node: KEY,
        wallet: "w",
        state: "paid",
        nodeAmount: 2_500_000,
        fee: 0,
        root: "",
        receipts: 1,
      },
      ...{ firstSeq: 1, createdMs: 1, endedMs, signature: "s" },
    });
  });
  const told = await later();
  expect(told.slice(0, 2).sort()).toEqual(["completed is installed", "failed was not installed"]);
  expect(told[2]).toBe("$2.50 was paid out");
  expect(await later(5_000, "other", true)).toEqual([]);
});

test("what happened while nobody listened is no news", async () => {
  const node = on.node(1);
  await later();
  node.lose();
  expect(await later(10 * 60_000)).toEqual([]);
  expect(await later(21_000)).toEqual(["node 01 went offline"]);
});

test("each statement reads by an index", async () => {
  for (const sql of [
    "select 1 from nodes where status = 'pending' and first_seen_ms > 1 order by first_seen_ms",
    "select 1 from commands c join nodes n on n.pubkey = c.node_pubkey where c.id > 'a' and c.ended_ms > 1 order by c.id",
    "select 1 from payouts p join nodes n on n.pubkey = p.node where p.state = 'paid' and p.reclaimed_ms is null and p.ended_ms > 1",
  ]) {
    const plan = (await on.database.db.query(`explain query plan ${sql}`)).map((one) => String(one[3]));
    expect(plan.filter((step) => step.startsWith("SCAN"))).toEqual([]);
  }
});

test("the app can be installed: manifest, icons, a worker that keeps nobody's page", async () => {
  const person = await signedIn(on);
  const manifest = (await (await fetch(`${on.server.url}/manifest.webmanifest`)).json()) as {
    icons: { src: string }[];
  };
  for (const { src } of manifest.icons) {
    const icon = await fetch(on.server.url + src);
    expect(new Uint8Array(await icon.arrayBuffer()).slice(1, 4)).toEqual(new TextEncoder().encode("PNG"));
  }
  const worker = await fetch(`${on.server.url}/sw.js`);
  expect(worker.headers.get("cache-control")).toBe("no-cache");
  const kept = /const KEPT = \[OFFLINE, (.*)\];/.exec(await worker.text())?.[1] ?? "";
  expect(JSON.parse(`[${kept}]`)).toEqual([
    expect.stringMatching(/^\/assets\/.*css$/),
    expect.stringMatching(/^\/assets\/.*svg$/),
  ]);
  expect(await (await person.get("/offline")).text()).not.toContain("cleo@example.org");
  const stream = await person.get("/live/notices");
  expect(stream.headers.get("content-type")).toBe("text/event-stream");
  await stream.body?.cancel();
});
