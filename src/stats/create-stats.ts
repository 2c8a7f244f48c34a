// Create stats: the figures of one coordinator, sampled every few seconds.
import type { Db } from "../db/open.ts";
import type { Job } from "../jobs/job.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { once } from "../lib/once.ts";
import type { Registry } from "../registry/registry.ts";
import { addSpan, createMinutes, newSpan, pointOf, type Span, sumOf } from "./minutes.ts";
import { createMoney } from "./money.ts";
import { createNodeDays } from "./node-days.ts";
import { createNodeLoads } from "./node-loads.ts";
import { levelsOf, modelsOf, oldestQueuedMs, standingsOf } from "./now.ts";
import { readSpans, spanSOf } from "./series.ts";
import { type LoadNow, RANGES, type Range, type Stats } from "./stats.ts";
import { createTally } from "./tally.ts";
import { createUsage } from "./usage.ts";

export type StatsDeps = {
  db: Db;
  clock: Clock;
  log: Log;
  registry: Registry;
  /** Jobs that have not ended. */
  live: () => ReadonlyMap<string, Job>;
  /** Where coordinators share the database: this one. */
  replica: string | null;
};

const LOOK_MS = 5_000;
/** Time that nobody looked at (the process stood still) is nobody's time online. */
const MOST_ELAPSED_MS = 3 * LOOK_MS;
const SAVE_MS = 60_000;
const NOW_MS = 1_000;
const SERIES_MS = 60_000;

export function createStats(deps: StatsDeps): Stats {
  const { db, clock, log, registry, live } = deps;
  const minutes = createMinutes({ db, clock, replica: deps.replica ?? "" });
  const days = createNodeDays({ db, clock });
  const loads = createNodeLoads();
  const tally = createTally();
  const money = createMoney({ db, clock });
  const online = () => [...registry.nodes.values()].filter((node) => node.channel !== null);

  let lookedMs = clock.nowMs();
  const look = () => {
    const nowMs = clock.nowMs();
    const elapsedMs = Math.max(0, nowMs - lookedMs);
    lookedMs = nowMs;
    const nodes = online();
    const tokens = tally.look(live().values(), elapsedMs);
    minutes.looked(levelsOf(live(), nodes), tokens.prompt, tokens.output);
    loads.looked(nodes, nowMs);
    days.online(nodes, Math.min(elapsedMs, MOST_ELAPSED_MS) / 1000);
  };
  const loaded = minutes.load().catch((error: unknown) => {
    log.warn("the last hour's figures could not be read; they begin anew", { err: error });
  });
  let saving: Promise<void> = loaded;
  const save = (all: boolean): Promise<void> => {
    saving = saving.then(async () => {
      try {
        await minutes.save();
        await days.save(all);
      } catch (error) {
        log.warn("figures could not be written; it is tried again", { err: error });
      }
    });
    return saving;
  };
  let isSaving = false;
  const stops = [
    clock.every(LOOK_MS, look),
    clock.every(SAVE_MS, () => {
      loads.forget((pubkey) => !registry.nodes.has(pubkey));
      if (isSaving) return;
      isSaving = true;
      void save(false).then(() => {
        isSaving = false;
      });
    }),
  ];
  const read = (range: Range) =>
    once(clock, SERIES_MS, async () => {
      await loaded;
      // So that the database has the present minute too.
      await minutes.save().catch((error: unknown) => log.warn("figures could not be written", { err: error }));
      const spans = await readSpans(db, range, Math.floor(clock.nowMs() / 1000));
      return { points: spans.map((span) => pointOf(span, spanSOf(range))), sum: sumOf(together(spans)) };
    });
  const ranges = Object.fromEntries(RANGES.map((range) => [range, read(range)])) as Record<
    Range,
    ReturnType<typeof read>
  >;
  const computeNow = (nowMs: number): LoadNow => {
    const nodes = online();
    const { running, queued, slots } = levelsOf(live(), nodes);
    const hour = minutes.all();
    return {
      atMs: nowMs,
      outputPerS: tally.outputPerS(),
      promptPerS: tally.promptPerS(),
      ...{ running, slots, queued },
      oldestQueuedMs: oldestQueuedMs(live(), nowMs),
      nodes: standingsOf(nodes, nowMs),
      hour: sumOf(together(hour)),
      minutes: hour.map((minute) => pointOf(minute, 60)),
      models: modelsOf(live(), registry, tally),
    };
  };
  let now: LoadNow | null = null;

  return {
    jobEnded(job) {
      tally.ended(job);
      minutes.ended(job);
      days.ended(job);
    },
    now() {
      const nowMs = clock.nowMs();
      if (now === null || Math.abs(nowMs - now.atMs) >= NOW_MS) now = computeNow(nowMs);
      return now;
    },
    series: async (range) => (await ranges[range]()).points,
    sum: async (range) => (await ranges[range]()).sum,
    node: (pubkey) =>
      registry.nodes.has(pubkey)
        ? {
            outputPerS: tally.ofNode(pubkey),
            // Lists want the first alone, of thousands.
            get samples() {
              return loads.of(pubkey);
            },
          }
        : undefined,
    nodeDays: days.of,
    money,
    usage: createUsage({ db, clock }),
    async stop() {
      for (const stop of stops) stop();
      look();
      await save(true);
    },
  };
}

function together(spans: readonly Span[]): Span {
  const sum = newSpan(0);
  for (const span of spans) addSpan(sum, span);
  return sum;
}
