// Till: jobs a second that are held for, answered, settled and receipted in one thread, by the real engine on the real
// database, without HTTP and links; and what one durable commit costs on the same disk.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrateDatabase } from "../../src/db/migrate.ts";
import { openDatabase } from "../../src/db/open.ts";
import type { Job } from "../../src/jobs/job.ts";
import { recorder, SimNode, spec, stage } from "../../src/jobs/testing/stage.ts";
import { createTill } from "../../src/jobs/till.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { receiptSigner } from "../../src/protocol/receipt-signing.ts";
import { ZERO_32 } from "../../src/protocol/receipts.ts";
import { openBooks } from "../harness/money.ts";
import { type Quantiles, quantilesOf } from "./stats.ts";

export type TillFigure = { callers: number; jobsPerS: number; cpuUsPerJob: number; jobsPerCommit: number };
export type TillResult = { commitMs: Quantiles; figures: TillFigure[] };

const CALLERS = [1, 32, 256];
const COMMITS = 200;
/** µ$ per million tokens. */
const PRICES = { input: 100_000, output: 300_000 };
const CREDIT = 1_000_000_000_000;
const TOKENS = 16;

export async function measureTill(seconds: number, directory = tmpdir()): Promise<TillResult> {
  const own = mkdtempSync(join(directory, "infernet-bench-till-"));
  try {
    const path = join(own, "infernet.db");
    const db = await openDatabase({ path });
    await migrateDatabase({ db, clock: systemClock });
    const books = await openBooks({ path });
    await books.grant(CREDIT);
    const commitMs = await measureCommits(db);
    const signer = receiptSigner(new Uint8Array(32).fill(7));
    const till = createTill({
      db,
      issuer: {
        genesis: ZERO_32,
        mint: ZERO_32,
        coordinator: signer.publicKey,
        feeBps: 1_200,
        sign: signer.sign,
        addressBytes: () => ZERO_32,
        payoutCoin: { coin: "USDC", network: "solana" },
      },
      saltKey: new Uint8Array(32).fill(9),
      highestPrice: PRICES,
      owner: "bench",
      recordOwner: null,
    });
    const over = new Map<string, () => void>();
    const on = stage({ db } as Parameters<typeof stage>[0], {
      till,
      limits: { queueLimit: 10_000 },
      onEnd(job) {
        over.get(job.id)?.();
        over.delete(job.id);
      },
    });
    const node = new SimNode(on, 1, { slots: 1_000, prices: PRICES }).join();
    const one = async (): Promise<void> => {
      const taken = await on.jobs.take(spec({ maxTokens: TOKENS }), recorder());
      if (!taken.ok) throw new Error(taken.error.message);
      const ended = Promise.withResolvers<void>();
      over.set(taken.value.id, ended.resolve);
      answer(node, taken.value);
      await ended.promise;
      on.ended.length = 0;
    };
    const figures: TillFigure[] = [];
    for (const callers of CALLERS) figures.push(await measure(db, one, callers, seconds));
    const { clean } = await books.check();
    await books.close();
    await db.close();
    if (!clean) throw new Error("the books are not right after the run");
    return { commitMs, figures };
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function answer(node: SimNode, { id, attempt }: Job): void {
  const given = node.attempts.get(`${id}.${attempt}`);
  if (!given) throw new Error("the node was not given the job");
  node.stream(given, TOKENS);
  node.end(given, { usage: { prompt_tokens: 10, completion_tokens: TOKENS } });
  node.attempts.delete(given.id);
  node.heard.length = 0;
}

type Db = Awaited<ReturnType<typeof openDatabase>>;

/** One row, one transaction, one caller. */
async function measureCommits(db: Db): Promise<Quantiles> {
  const ms: number[] = [];
  for (let i = 0; i < COMMITS; i++) {
    const startedMs = performance.now();
    await db.writer.batch("insert into budgets (id, used) values (?, 0)", [[`bench/${i}`]]);
    ms.push(performance.now() - startedMs);
  }
  await db.writer.batch("delete from budgets where id like 'bench/%'", [[]]);
  return quantilesOf(ms);
}

async function measure(db: Db, one: () => Promise<void>, callers: number, seconds: number): Promise<TillFigure> {
  await Promise.all(Array.from({ length: callers }, one));
  const before = db.writer.stats();
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1000;
  let jobs = 0;
  const caller = async () => {
    while (performance.now() < endMs) {
      await one();
      jobs++;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const elapsedS = (performance.now() - startedMs) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    callers,
    jobsPerS: jobs / elapsedS,
    cpuUsPerJob: (cpu.user + cpu.system) / jobs,
    jobsPerCommit: jobs / (db.writer.stats().groups - before.groups),
  };
}
