// Commands over both ends, with real files and a real database, while links break and either side is killed in any
// order: each ends, its end is stored once, and what has ended is not done again.
import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { testDatabase } from "../../db/test-database.ts";
import { manualClock } from "../../lib/clock.ts";
import { type Log, silentLog } from "../../lib/log.ts";
import { ok } from "../../lib/result.ts";
import type { Command } from "../../protocol/commands.ts";
import { parseCoordinatorMessage, parseNodeMessage } from "../../protocol/frames.ts";
import { type Pubkey, pubkeySchema } from "../../protocol/primitives.ts";
import { type CommandDelivery, commandDelivery } from "../../registry/command-delivery.ts";
import { cancelCommand, commandsByIds, issueCommand } from "../../registry/commands.ts";
import { allowNode } from "../../registry/nodes.ts";
import { createRegistry, type Node } from "../../registry/registry.ts";
import { gate } from "../care/standing.ts";
import { type Journal, openJournal } from "./journal.ts";
import { type CommandLink, nodeCommands } from "./node-commands.ts";
import { ALL_ACTIONS, COORDINATOR, cleanUp, scriptedActions, temporary } from "./testing/command-stage.ts";

afterAll(cleanUp);

const STEPS = [
  "issue",
  "drain",
  "cancel",
  "finish",
  "fail",
  "cut",
  "link",
  "kill node",
  "kill coordinator",
  "wait",
] as const;
type Step = (typeof STEPS)[number];

type World = Awaited<ReturnType<typeof world>>;
let keys = 1;

async function world(database: Awaited<ReturnType<typeof testDatabase>>) {
  const { db } = database;
  const clock = manualClock();
  const pubkey: Pubkey = pubkeySchema.parse((keys++).toString(16).padStart(64, "0"));
  await allowNode({ db, clock }, pubkey);
  const directory = temporary();
  const stored: string[] = [];
  const noteEnds: Log = {
    ...silentLog,
    info(message, fields) {
      if (message === "a command ended") stored.push(`${fields?.model ?? fields?.command}`);
    },
  };
  const issued: string[] = [];
  /** What ended at the node and is on its disk; and what was begun all the same. */
  const ended = new Set<string>();
  const twice: string[] = [];
  const { backend, calls } = scriptedActions(ALL_ACTIONS, "ollama", ({ model }) => {
    if (ended.has(issued[Number(model.slice(1))] ?? "")) twice.push(model);
  });
  let delivery: CommandDelivery = commandDelivery({ db, clock, log: noteEnds });
  let node: { link: CommandLink; dead: { now: boolean }; real: Journal } | null = null;
  let linked: { coordinator: Node } | null = null;

  const startNode = async () => {
    const dead = { now: false };
    const real = await openJournal(directory, silentLog);
    const journal: Journal = {
      ...real,
      // A dead process writes nothing.
      async note(entry) {
        if (dead.now) return new Promise<never>(() => undefined);
        await real.note(entry);
        if (entry.t === "ended") ended.add(entry.id);
      },
    };
    const commands = nodeCommands({
      clock,
      log: silentLog,
      journal,
      backends: [backend],
      serving: {
        now: () => ({ backends: [], models: [], slots: 1, prices: { input: 0, output: 0 } }),
        refresh: async () => true,
      },
      gate: gate({ clock, drainMs: () => 1, changed() {}, handBack() {} }),
      disk: { refusal: async () => null },
      allowed: () => ["models", "drain", "resume", "refresh", "restart"],
      announce() {},
      configure: async () => ok(undefined),
      restart: null,
    });
    node = { link: commands.link(COORDINATOR), dead, real };
  };
  await startNode();

  return {
    db,
    clock,
    pubkey,
    calls,
    stored,
    ended,
    issued,
    twice,
    get delivery() {
      return delivery;
    },
    cut() {
      if (!linked) return;
      node?.link.closed();
      delivery.lost(linked.coordinator);
      linked = null;
    },
    open() {
      if (linked || !node) return;
      const { link, dead } = node;
      const registry = createRegistry({ clock });
      const mine: { coordinator: Node } = {
        coordinator: registry.attach(
          pubkey,
          {
            send(json) {
              queueMicrotask(() => {
                if (linked !== mine || dead.now) return;
                const frames = parseCoordinatorMessage(`[${json}]`);
                if (!frames.ok) throw new Error(frames.error);
                for (const frame of frames.value) {
                  if (frame.type === "command" || frame.type === "command_cancel" || frame.type === "command_ack")
                    link.obey(frame);
                }
              });
            },
            acknowledge() {},
            close() {},
          },
          {
            type: "ready",
            sig: "",
            name: "n",
            device: DEVICE,
            backends: [],
            models: [],
            slots: 1,
            prices: { input: 0, output: 0 },
            attempts: [],
          },
        ),
      };
      linked = mine;
      link.opened((frame) => {
        queueMicrotask(() => {
          if (linked !== mine || dead.now) return;
          const frames = parseNodeMessage(JSON.stringify([frame]));
          if (!frames.ok) throw new Error(frames.error);
          for (const one of frames.value) {
            if (one.type === "command_end") delivery.end(mine.coordinator, one);
            if (one.type === "command_progress") delivery.progress(mine.coordinator, one);
          }
        });
      });
      delivery.opened(mine.coordinator);
    },
    async killNode() {
      this.cut();
      if (node) node.dead.now = true;
      // What the disk has by then is what the next one finds.
      await node?.real.close();
      for (const call of calls) call.end();
      calls.length = 0;
      await startNode();
    },
    /** Until the node's disk has what it is to remember. */
    noted: async () => void (await node?.real.close()),
    killCoordinator() {
      this.cut();
      delivery = commandDelivery({ db, clock, log: noteEnds });
    },
  };
}
const DEVICE = { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] };

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
};

async function take(on: World, step: Step, n: number): Promise<void> {
  const { db, clock } = on;
  switch (step) {
    case "issue":
    case "drain": {
      const drain = step === "drain";
      const command: Command | undefined = drain ? "drain" : ALL_ACTIONS[n % ALL_ACTIONS.length];
      if (!command) throw new Error("no such action");
      const args = drain ? {} : { model: `m${on.issued.length}` };
      const made = { node: on.pubkey, command, args, accountId: "local" };
      const issued = await issueCommand({ db, clock, newId: () => Bun.randomUUIDv7() }, made);
      if (!issued.ok) return;
      on.issued.push(issued.value.id);
      return on.delivery.nudge(on.pubkey);
    }
    case "cancel": {
      const id = on.issued[n % Math.max(1, on.issued.length)];
      if (id === undefined) return;
      await cancelCommand({ db, clock }, id);
      return on.delivery.nudge(on.pubkey);
    }
    case "finish":
      return on.calls.shift()?.end();
    case "fail":
      return on.calls.shift()?.end({ ok: false, error: { code: "backend_failed", message: "no" } });
    case "cut":
      return on.cut();
    case "link":
      return on.open();
    case "kill node":
      return on.killNode();
    case "kill coordinator":
      return on.killCoordinator();
    case "wait":
      return turns(20);
  }
}

async function settle(on: World): Promise<void> {
  for (let round = 0; round < 20_000; round++) {
    on.open();
    await on.delivery.settled();
    await on.noted();
    await turns(2);
    for (const call of on.calls.splice(0)) call.end();
    const rows = await commandsByIds(on, on.issued);
    if (rows.every(({ endedMs }) => endedMs !== null)) {
      // What a killed coordinator still had in hand is told, too.
      await on.db.writer.drain();
      return turns(4);
    }
    on.clock.advance(1_000);
  }
  throw new Error("not everything ended");
}

test("whatever breaks when, each command ends, and its end is stored once", async () => {
  await using database = await testDatabase();
  let ran = 0;
  const steps = fc.array(fc.tuple(fc.constantFrom(...STEPS), fc.nat(7)), { minLength: 5, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const on = await world(database);
      on.open();
      for (const [step, n] of script) {
        await take(on, step, n);
        await turns(n % 3);
      }
      await settle(on);
      const rows = await commandsByIds(on, on.issued);
      expect(rows.length).toBe(on.issued.length);
      const byNode = rows.filter(({ deliveredMs }) => deliveredMs !== null);
      // Those that never left were cancelled here; the node ended the others, once each.
      expect(on.stored.length).toBe(byNode.length);
      for (const row of rows) if (row.deliveredMs === null) expect(row.state).toBe("cancelled");
      for (const row of byNode) expect(on.ended.has(row.id)).toBe(true);
      expect(on.twice).toEqual([]);
      ran += rows.length;
    }),
    { numRuns: 20 },
  );
  expect(ran).toBeGreaterThan(20);
}, 120_000);
