// Micro: two limits inside the program, in one thread: choices of the scheduler, and durable commits of the writer with
// many callers against one at a time. `bun e2e/bench/micro.ts [--seconds 0.5] [--json]`; also part of the whole run.
import { parseArgs } from "node:util";
import { testDatabase } from "../../src/db/test-database.ts";
import { TASKS } from "../../src/protocol/generation.ts";
import { pubkeySchema } from "../../src/protocol/primitives.ts";
import { type Ask, type Candidate, choose, rate } from "../../src/scheduler/choose.ts";
import { NO_WISHES, PUBLIC_POOL, quantizationNames, taskBits } from "../../src/scheduler/wishes.ts";
import { median, round3 } from "./stats.ts";

export type MicroResult = {
  /** By count of nodes, all serving the model. */
  choiceUs: Record<number, number>;
  choicesPerS: Record<number, number>;
  /** Durable writes a second: `together` callers at once, sharing commits, and one caller that waits for each. */
  writer: { together: number; togetherPerS: number; onePerS: number };
};

const NODE_COUNTS = [10, 1000, 10_000];
const WRITERS = 64;
const PARTS = 3;

/** A reproducible source in [0, 1) (mulberry32), so that every run chooses among the same nodes. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Nodes of mixed speed, price and load; one in twenty is full, one in fifty under suspicion. */
function candidatesOf(count: number): Candidate[] {
  const random = seeded(count);
  return Array.from({ length: count }, (_, index) => {
    const prices = { priceInput: Math.floor(random() * 1e6), priceOutput: Math.floor(random() * 4e6) };
    const measured = { ...prices, tokensPerS: 20 + random() * 180, rttMs: random() * 100, firstTokenMs: 0 };
    const quality = rate(measured);
    const slots = 1 + Math.floor(random() * 16);
    return {
      node: {
        running: index % 20 === 0 ? slots : Math.floor(random() * slots),
        slots,
        accepting: true,
        watchedUntilMs: index % 50 === 1 ? Number.POSITIVE_INFINITY : 0,
        pool: PUBLIC_POOL,
        foreign: 0,
        cache: 0,
        suspectUntilMs: index % 50 === 1 ? Number.POSITIVE_INFINITY : 0,
        provingUntilMs: 0,
        provingMs: 0,
        pubkey: pubkeySchema.parse(index.toString(16).padStart(64, "0")),
        handles: [`node ${index}`, "local"],
        region: "",
      },
      contextLength: random() < 0.2 ? null : 4096 * (1 + Math.floor(random() * 8)),
      openUntilMs: 0,
      tasks: taskBits(TASKS),
      balanced: quality.balanced,
      cheapest: quality.cheapest,
      fastest: quality.fastest,
      latency: quality.latency,
      ...prices,
      tokensPerS: measured.tokensPerS,
      has: 0,
      lacks: 0,
      quantizations: quantizationNames("Q4_K_M"),
    };
  });
}

/** Microseconds of one choice: the median of three parts after a warm-up. */
function choiceUs(count: number, seconds: number): number {
  const candidates = candidatesOf(count);
  const random = seeded(1);
  const ask: Ask = {
    task: "chat",
    wishes: NO_WISHES,
    demands: [],
    minContext: 2048,
    wantContext: 4096,
    tried: [],
    affinity: null,
  };
  const part = (forS: number): number => {
    const startedAt = performance.now();
    const endAt = startedAt + forS * 1000;
    let choices = 0;
    while (performance.now() < endAt)
      for (let index = 0; index < 8; index++, choices++)
        if (!choose(candidates, ask, 1, random)) throw new Error("no choice among free nodes");
    return ((performance.now() - startedAt) * 1000) / choices;
  };
  part(seconds / 2);
  return median(Array.from({ length: PARTS }, () => part(seconds)));
}

/** Durable writes a second with so many callers, each of which waits for its own. */
async function writesPerS(callers: number, seconds: number): Promise<number> {
  await using database = await testDatabase();
  const { writer } = database.db;
  await writer.exclusive((connection) =>
    connection.script("CREATE TABLE bench (id INTEGER PRIMARY KEY, account TEXT, at INTEGER, body TEXT)"),
  );
  const body = "x".repeat(200);
  const part = async (forS: number): Promise<number> => {
    const startedAt = performance.now();
    const endAt = startedAt + forS * 1000;
    let writes = 0;
    const caller = async () => {
      while (performance.now() < endAt) {
        await writer.batch("INSERT INTO bench (account, at, body) VALUES (?, ?, ?)", [["local", writes, body]]);
        writes++;
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return (writes * 1000) / (performance.now() - startedAt);
  };
  await part(seconds / 2);
  const parts = [];
  for (let index = 0; index < PARTS; index++) parts.push(await part(seconds));
  return median(parts);
}

export async function measureMicro(seconds: number): Promise<MicroResult> {
  const us = Object.fromEntries(NODE_COUNTS.map((count) => [count, round3(choiceUs(count, seconds))]));
  const perS = Object.fromEntries(Object.entries(us).map(([count, each]) => [count, Math.round(1e6 / each)]));
  const togetherPerS = Math.round(await writesPerS(WRITERS, seconds));
  const onePerS = Math.round(await writesPerS(1, seconds));
  return { choiceUs: us, choicesPerS: perS, writer: { together: WRITERS, togetherPerS, onePerS } };
}

/** Lines for a person. */
export function microText({ choiceUs: us, choicesPerS, writer }: MicroResult): string {
  const choices = NODE_COUNTS.map(
    (count) => `scheduler, ${count} nodes: ${choicesPerS[count]} choices/s, ${us[count]} us each`,
  );
  const { together, togetherPerS, onePerS } = writer;
  const ratio = (togetherPerS / onePerS).toFixed(1);
  return `${choices.join("\n")}\nwriter, durable: ${togetherPerS} writes/s with ${together} at once, ${onePerS} one at a time (${ratio} x)\n`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { seconds: { type: "string", default: "0.5" }, json: { type: "boolean", default: false } },
  });
  const result = await measureMicro(Number(values.seconds));
  console.log(values.json ? JSON.stringify(result) : microText(result));
}
