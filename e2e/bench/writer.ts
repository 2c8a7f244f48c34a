// Writer benchmark: commits a second, grouped by the writer and one transaction at a time, on this disk.
// `bun e2e/bench/writer.ts [--seconds 1] [--json]`
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { migrateDatabase } from "../../src/db/migrate.ts";
import { type Db, openDatabase } from "../../src/db/open.ts";
import { jobs } from "../../src/jobs/schema.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { table } from "./tables.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "1" }, json: { type: "boolean", default: false } },
});
const CONCURRENCY = [1, 8, 32, 128, 512];
const INSERT =
  "INSERT INTO jobs (id, account_id, kind, model, state, stream, created_ms) VALUES (?, 'local', 'chat', 'm', 'completed', 0, ?)";

type Way = { name: string; durable: boolean; grouped: boolean; write: (db: Db, durable: boolean) => Promise<unknown> };
const batch = (db: Db, durable: boolean) => db.writer.batch(INSERT, [[Bun.randomUUIDv7(), Date.now()]], { durable });
const builder = (db: Db, durable: boolean) =>
  db.writer.transact(
    (tx) =>
      tx.insert(jobs).values({
        id: Bun.randomUUIDv7(),
        accountId: "local",
        kind: "chat",
        model: "m",
        state: "completed",
        stream: false,
        createdMs: Date.now(),
      }),
    { durable },
  );
const WAYS: Way[] = [
  { name: "durable, prepared", durable: true, grouped: true, write: batch },
  { name: "durable, drizzle", durable: true, grouped: true, write: builder },
  { name: "behind, prepared", durable: false, grouped: true, write: batch },
  { name: "durable, prepared, one at a time", durable: true, grouped: false, write: batch },
  { name: "behind, prepared, one at a time", durable: false, grouped: false, write: batch },
];

type Figure = {
  way: string;
  concurrency: number;
  writesPerS: number;
  writesPerCommit: number;
  cpuMicrosPerWrite: number;
};

/** `concurrency` callers, each waiting for its write before the next. Without grouping every write is a transaction. */
async function measure(directory: string, way: Way, concurrency: number): Promise<Figure> {
  const file = path.join(directory, `${way.name.replaceAll(/\W+/g, "-")}-${concurrency}.db`);
  const db = await openDatabase({ path: file }, way.grouped ? {} : { maxGroup: 1 });
  await migrateDatabase({ db, clock: systemClock });
  for (let i = 0; i < 20; i += 1) await way.write(db, way.durable);
  const before = db.writer.stats();
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  const endMs = startedMs + Number(values.seconds) * 1000;
  const caller = async () => {
    while (performance.now() < endMs) await way.write(db, way.durable);
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const elapsedS = (performance.now() - startedMs) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  const after = db.writer.stats();
  const writes = after.writes - before.writes;
  await db.close();
  return {
    way: way.name,
    concurrency,
    writesPerS: writes / elapsedS,
    writesPerCommit: writes / (after.groups - before.groups),
    cpuMicrosPerWrite: (cpu.user + cpu.system) / writes,
  };
}

const directory = mkdtempSync(path.join(tmpdir(), "infernet-bench-writer-"));
const figures: Figure[] = [];
try {
  for (const way of WAYS) {
    for (const concurrency of way.grouped ? CONCURRENCY : [1, 128])
      figures.push(await measure(directory, way, concurrency));
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** Against the same kind of write, one transaction each, with one caller. */
function ratio({ way, writesPerS }: Figure): number {
  const alone = `${way.startsWith("durable") ? "durable" : "behind"}, prepared, one at a time`;
  const base = figures.find((figure) => figure.way === alone && figure.concurrency === 1);
  return base === undefined ? Number.NaN : writesPerS / base.writesPerS;
}
if (values.json) {
  console.log(JSON.stringify(figures.map((figure) => ({ ...figure, ratio: ratio(figure) }))));
} else {
  const rows = figures.map((figure) => [
    figure.way,
    String(figure.concurrency),
    figure.writesPerS.toFixed(0),
    figure.writesPerCommit.toFixed(1),
    figure.cpuMicrosPerWrite.toFixed(1),
    `${ratio(figure).toFixed(1)}x`,
  ]);
  console.log(table(["writes", "callers", "writes/s", "per commit", "CPU µs/write", "to one at a time"], rows));
}
