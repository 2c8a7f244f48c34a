// Page triggers: what the sums by day cost a job's record: rows written with the triggers and without, in turn.
import { rmSync } from "node:fs";
import { insertOf } from "../../src/db/insert.ts";
import { testDatabase } from "../../src/db/test-database.ts";
import { median } from "./stats.ts";

export type TriggerCost = { withUs: number; withoutUs: number; ratio: number };

const ROWS = 20_000;
/** Rows of one transaction, as records of chats are written. */
const GROUP = 32;
const COLUMNS = [
  "id",
  "account_id",
  "key_id",
  "kind",
  "model",
  "state",
  "stream",
  "prompt_tokens",
  "completion_tokens",
];
const insert = insertOf(
  `jobs (${COLUMNS.join(", ")}, created_ms, ended_ms)`,
  `(${COLUMNS.map(() => "?").join(", ")}, ?, ?)`,
);

export async function measureTriggers(rounds: number): Promise<TriggerCost> {
  const [on, off] = [await testDatabase(), await testDatabase()];
  try {
    await off.db.writer.transact(async (_, execute) => {
      await execute("drop trigger usage_days_inserted", []);
      await execute("drop trigger usage_days_updated", []);
    });
    const figures = { on: [] as number[], off: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      for (const [name, { db }] of round % 2
        ? ([
            ["on", on],
            ["off", off],
          ] as const)
        : ([
            ["off", off],
            ["on", on],
          ] as const)) {
        const startedMs = performance.now();
        for (let from = 0; from < ROWS / rounds; from += GROUP) {
          const rows = Array.from({ length: GROUP }, (_, i) => rowOf(round * ROWS + from + i));
          await db.writer.transact((_tx, _execute, many) => insert(many, rows), { durable: false });
        }
        figures[name].push(((performance.now() - startedMs) * 1000) / (ROWS / rounds));
      }
    }
    const ratios = figures.on.map((us, i) => us / (figures.off[i] ?? Number.NaN));
    return { withUs: median(figures.on), withoutUs: median(figures.off), ratio: median(ratios) };
  } finally {
    for (const { db, directory } of [on, off]) {
      await db.close();
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

function rowOf(i: number) {
  const atMs = 1_760_000_000_000 + i;
  const known = [Bun.randomUUIDv7("hex", atMs), "local", `key_${i % 50}`, "chat", `m${i % 20}`, "completed", 1, 10, 20];
  return [...known, atMs, atMs + 1_000];
}
