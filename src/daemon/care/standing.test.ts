// Holding a node: who may, what its coordinator hears, and when running jobs are handed back.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type TestDatabase, testDatabase } from "../../db/test-database.ts";
import { manualClock } from "../../lib/clock.ts";
import { framesIn, linkStage, testNode } from "../testing/link-stage.ts";
import { type Gate, gate, type Holder, type Standing } from "./standing.ts";

function stage(drainMs = 30_000) {
  const clock = manualClock();
  const said: Standing[] = [];
  const handedBack: string[] = [];
  const held: Gate = gate({
    clock,
    drainMs: () => drainMs,
    changed: (standing) => void said.push(standing),
    handBack: (reason) => void handedBack.push(reason),
  });
  return { clock, held, said, handedBack };
}

describe("a gate", () => {
  test("is held with a reason, and says so once", () => {
    const { held, said } = stage();
    held.hold("care", "a game");
    held.hold("care", "a game");
    expect(held.now()).toEqual({ status: "paused", reason: "a game" });
    held.hold("care", "another game");
    expect(held.release("care")).toBe(true);
    expect(held.release("care")).toBe(false);
    expect(said.map(({ reason }) => reason)).toEqual(["a game", "another game", null]);
  });

  test("takes jobs again when the last of its holders has let go; the operator's word stands first", () => {
    const { held } = stage();
    held.hold("care", "a game");
    held.hold("command", "drained");
    held.hold("operator", "maintenance");
    expect(held.now()).toEqual({ status: "paused", reason: "maintenance" });
    held.release("operator");
    expect(held.now()).toEqual({ status: "draining", reason: "drained" });
    held.release("command");
    expect(held.now()).toEqual({ status: "paused", reason: "a game" });
    held.release("care");
    expect(held.now()).toEqual({ status: "available", reason: null });
  });

  test("hands back what still runs when its time is over, once, counted from the first hold", () => {
    const { clock, held, handedBack } = stage();
    held.hold("care", "a game");
    clock.advance(20_000);
    held.hold("operator", "maintenance");
    clock.advance(9_999);
    expect(handedBack).toEqual([]);
    clock.advance(1);
    expect(handedBack).toEqual(["maintenance"]);
    clock.advance(100_000);
    expect(handedBack).toHaveLength(1);
  });

  test("hands back nothing where it was let go in time, or where a coordinator lets jobs end", () => {
    const { clock, held, handedBack } = stage();
    held.hold("care", "a game");
    clock.advance(29_999);
    held.release("care");
    held.hold("command", "drained");
    clock.advance(100_000);
    expect(handedBack).toEqual([]);
    held.hold("care", "a game");
    clock.advance(30_000);
    expect(handedBack).toHaveLength(1);
  });

  test("no reason is longer than the wire takes", () => {
    const { held } = stage();
    held.hold("operator", "\u{1f3ae}".repeat(400));
    expect(held.now().reason?.length).toBeLessThanOrEqual(256);
  });

  test("is available exactly while nobody holds it", () => {
    const holder = fc.constantFrom<Holder>("operator", "command", "care");
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), holder)), (steps) => {
        const { held, said } = stage();
        const holders = new Set<Holder>();
        for (const [hold, who] of steps) {
          if (hold) held.hold(who, who);
          else held.release(who);
          if (hold) holders.add(who);
          else holders.delete(who);
          expect(held.now().status === "available").toBe(holders.size === 0);
          expect(new Set(held.holders())).toEqual(holders);
          if (said.length > 0) expect(said.at(-1)).toEqual(held.now());
        }
      }),
    );
  });
});

describe("over the link", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  afterAll(() => database[Symbol.asyncDispose]());

  test("a held node says so after it was let in, and refuses what comes all the same", async () => {
    const on = linkStage(database);
    const standing: Standing = { status: "paused", reason: "a game" };
    const node = await testNode(on, { standing: () => standing });
    await on.turns();
    expect(framesIn(on.wire.fromNode).at(-1)).toMatchObject({ type: "heartbeat", status: "paused", reason: "a game" });
    expect(on.registry.nodes.values().next().value).toMatchObject({ status: "paused", accepting: false });
    expect(node.generations).toEqual([]);
  });

  test("what runs is ended as refused, with what it wrote, at once; its backend is let go of", async () => {
    const on = linkStage(database);
    const node = await testNode(on);
    on.submit();
    await on.turns();
    const [running] = node.generations;
    running?.say("so far");
    await on.turns();
    node.client.handBack("a game");
    await on.turns();
    expect(running?.signal.aborted).toBe(true);
    const ends = framesIn(on.wire.fromNode).filter(({ type }) => type === "end");
    expect(ends).toMatchObject([{ outcome: "refused", error: { code: "backend_busy", message: "a game" } }]);
    node.client.handBack("again");
    await on.turns();
    expect(framesIn(on.wire.fromNode).filter(({ type }) => type === "end")).toHaveLength(1);
  });
});
