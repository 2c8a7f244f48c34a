// Presence, two coordinators on one database: what each shows of the other's nodes.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { NO_LOG } from "../jobs/testing/stage.ts";
import { type ManualClock, manualClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { ReadyFrame } from "../protocol/frames.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { nodeState } from "./node-state.ts";
import { createPresence, type Presence, SILENT_MS } from "./presence.ts";
import { createRegistry, type Registry } from "./registry.ts";

type Figures = { online: number };
type Side = { registry: Registry; presence: Presence<Figures> };
const NODE = "ab".repeat(32) as Pubkey;

let database: TestDatabase;
let clock: ManualClock;
beforeEach(async () => {
  database = await testDatabase();
  clock = manualClock();
});
afterEach(() => database[Symbol.asyncDispose]());

function side(id: string, own = clock, log: Log = NO_LOG): Side {
  const registry = createRegistry({ clock: own });
  const presence = createPresence<Figures>({
    ...{ db: database.db, clock: own, log, registry, id, version: "1", startedMs: own.nowMs() },
    figures: () => ({ online: [...registry.nodes.values()].filter(({ channel }) => channel !== null).length }),
    readFigures: (said) => said as Figures,
  });
  return { registry, presence };
}
const link = ({ registry }: Side, pubkey = NODE, models = ["m"]) =>
  registry.attach(pubkey, { send() {}, acknowledge() {}, close() {} }, {
    name: "dune",
    device: null,
    backends: [{ kind: "openai", healthy: true }],
    models: models.map((name) => ({
      name,
      backend: 0,
      context_length: null,
      digest: null,
      loaded: null,
      quantization: null,
      demo: false,
    })),
    slots: 2,
    prices: { input: 1, output: 2 },
  } as unknown as ReadyFrame);
async function beat(...sides: Side[]): Promise<void> {
  for (const { presence } of [...sides, ...sides]) await presence.beat();
}
const stateAt = ({ registry }: Side, pubkey = NODE) => {
  const node = registry.nodes.get(pubkey);
  return node && nodeState(node, clock.nowMs());
};

test("a node that is linked to one is online at the other, and offline once its link has ended", async () => {
  const [a, b] = [side("a"), side("b")];
  const node = link(a);
  await beat(a, b);
  expect([stateAt(a), stateAt(b)]).toEqual(["idle", "elsewhere"]);
  expect(b.registry.nodes.get(NODE)).toMatchObject({ name: "dune", slots: 2, elsewhere: { replica: "a" } });
  expect(b.registry.models.size).toBe(0);
  expect(b.presence.others()).toMatchObject([{ id: "a", isSilent: false, linked: 1, figures: { online: 1 } }]);
  a.registry.detach(node);
  await beat(a, b);
  expect(stateAt(b)).toBe("offline");
});

test("what changes of it is told: a drained node is paused at the other", async () => {
  const [a, b] = [side("a"), side("b")];
  const node = link(a);
  await beat(a, b);
  a.registry.heartbeat(node, { type: "heartbeat", status: "draining", running: 0, reason: "by hand" });
  await beat(a, b);
  expect(stateAt(b)).toBe("paused");
  expect(b.registry.nodes.get(NODE)?.statusReason).toBe("by hand");
});

test("who says nothing counts as gone after a while, with its links, and is back with the first word", async () => {
  const own = manualClock();
  const [a, b] = [side("a", own), side("b")];
  link(a);
  await beat(a, b);
  expect(stateAt(b)).toBe("elsewhere");
  clock.advance(SILENT_MS + 1);
  await beat(b);
  expect([stateAt(b), b.presence.others()[0]?.isSilent]).toEqual(["offline", true]);
  own.advance(1);
  await beat(a, b);
  expect([stateAt(b), b.presence.others()[0]?.isSilent]).toEqual(["elsewhere", false]);
});

test("who stops in order is gone at once, and whoever starts in its place tells all there is", async () => {
  const [a, b] = [side("a"), side("b")];
  link(a);
  await beat(a, b);
  await a.presence.stop();
  await beat(b);
  expect([stateAt(b), b.presence.others()]).toEqual(["offline", []]);
  const again = side("a");
  link(again);
  await beat(again, b);
  expect(stateAt(b)).toBe("elsewhere");
});

test("a node that is linked to both is linked here at both, and elsewhere at whoever it leaves", async () => {
  const [a, b] = [side("a"), side("b")];
  link(a);
  const node = link(b);
  await beat(a, b);
  expect([stateAt(a), stateAt(b)]).toEqual(["idle", "idle"]);
  expect([a, b].map(({ registry }) => registry.nodes.get(NODE)?.elsewhere?.replica)).toEqual(["b", "a"]);
  b.registry.detach(node);
  expect(stateAt(b)).toBe("elsewhere");
});

test("what does not change is not written again", async () => {
  const a = side("a");
  for (let i = 0; i < 300; i++) link(a, i.toString(16).padStart(64, "0") as Pubkey);
  await beat(a);
  const rev = async () => (await database.db.query("select max(rev), count(*) from replica_links"))[0];
  expect(await rev()).toEqual([300, 300]);
  for (const node of a.registry.nodes.values()) {
    a.registry.heartbeat(node, { type: "heartbeat", status: "available", running: 1 });
  }
  await beat(a);
  expect(await rev()).toEqual([300, 300]);
});

test("who was forgotten tells everything anew", async () => {
  const [a, b] = [side("a"), side("b")];
  link(a);
  await beat(a, b);
  await database.db.writer.batch("delete from replicas where id = 'a'", [[]]);
  await database.db.writer.batch("delete from replica_links", [[]]);
  await b.presence.beat();
  expect(stateAt(b)).toBe("offline");
  await beat(a, b);
  expect(stateAt(b)).toBe("elsewhere");
});

test.each([-30 * 3_600_000, -60_000, 60_000, 30 * 3_600_000])(
  "a clock that is off by %d ms hides nobody",
  async (off) => {
    const own = manualClock(clock.nowMs() + off);
    const [a, b] = [side("a", own), side("b")];
    link(a);
    for (let i = 0; i < 20; i++) {
      for (const one of [clock, own]) one.advance(3_000);
      await beat(a, b);
    }
    expect(stateAt(b)).toBe("elsewhere");
    const [other] = b.presence.others();
    expect(other).toMatchObject({ id: "a", isSilent: false, heardMs: clock.nowMs() });
    const began = [other?.startedMs, b.registry.nodes.get(NODE)?.elsewhere?.sinceMs];
    expect(began.map((atMs) => clock.nowMs() - (atMs ?? 0))).toEqual([60_000, 60_000]);
  },
);

test("who has been silent for a day is forgotten, also by whoever starts only then", async () => {
  const own = manualClock();
  const a = side("a", own);
  link(a);
  await beat(a);
  clock.advance(25 * 3_600_000);
  const b = side("b");
  await beat(b);
  expect(b.presence.others()).toMatchObject([{ id: "a", isSilent: true }]);
  clock.advance(SILENT_MS + 1);
  await beat(b);
  expect(b.presence.others()).toEqual([]);
  expect(await database.db.query("select count(*) from replica_links")).toEqual([[0]]);
});

test("of two that go by the same id it is said, once each, what to do", async () => {
  const said: string[] = [];
  const log: Log = { ...NO_LOG, error: (message) => void said.push(message) };
  const [a, b] = [side("a", clock, log), side("b", clock, log)];
  await beat(a, b);
  await beat(a, b);
  expect(said).toEqual([]);
  const copy = side("a", clock, log);
  for (const one of [a, copy, a, copy, a, copy]) {
    clock.advance(1_500);
    await one.presence.beat();
  }
  expect(said).toEqual(Array(2).fill(expect.stringContaining("the same id")));
});
