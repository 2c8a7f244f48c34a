// Create stats: the figures of one coordinator, sampled every few seconds, and of those that share its database.
import type { Db } from "../db/open.ts";
import type { Job } from "../jobs/job.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { once } from "../lib/once.ts";
import type { Node, Registry } from "../registry/registry.ts";
import { addSpan, createMinutes, newSpan, pointOf, type Span, sumOf } from "./minutes.ts";
import { createMoney } from "./money.ts";
import { createNodeDays } from "./node-days.ts";
import { createNodeLoads } from "./node-loads.ts";
import { addUp, type Figures, levelsOf, modelsOf, oldestQueuedMs, standingsOf } from "./now.ts";
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
  /** What the others that live do now; left out: there are none. */
  others?: () => readonly Figures[];
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
  const others = deps.others ?? (() => NOBODY);
  /** Of several that a node is linked to, the first by its id counts it. */
  const isCounted = ({ channel, elsewhere }: Node) =>
    channel !== null && (elsewhere === null || deps.replica === null || deps.replica < elsewhere.replica);
  const online = () => [...registry.nodes.values()].filter((node) => node.channel !== null);
  let otherMinutes: readonly Span[] = [];

  let lookedMs = clock.nowMs();
  const look = () => {
    const nowMs = clock.nowMs();
    const elapsedMs = Math.max(0, nowMs - lookedMs);
    lookedMs = nowMs;
    const nodes = online();
    const tokens = tally.look(live().values(), elapsedMs);
    const counted = nodes.filter(isCounted);
    minutes.looked(levelsOf(live(), counted), tokens.prompt, tokens.output);
    loads.looked(nodes, nowMs);
    days.online(counted, Math.min(elapsedMs, MOST_ELAPSED_MS) / 1000);
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
  /** Where the database is shared, the last hour is everybody's. */
  const share = async () => {
    await minutes.save();
    otherMinutes = await minutes.others();
  };
  let isSharing = false;
  const stops = [
    clock.every(LOOK_MS, look),
    clock.every(LOOK_MS, () => {
      if (deps.replica === null || isSharing) return;
      isSharing = true;
      share()
        .catch((error: unknown) => log.debug("the last hour's figures could not be shared", { err: error }))
        .finally(() => {
          isSharing = false;
        });
    }),
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
  const figures = (): Figures => {
    const counted = online().filter(isCounted);
    const { running, queued, slots } = levelsOf(live(), counted);
    const nowMs = clock.nowMs();
    return {
      outputPerS: tally.outputPerS(),
      promptPerS: tally.promptPerS(),
      ...{ running, slots, queued },
      oldestQueuedMs: oldestQueuedMs(live(), nowMs),
      nodes: standingsOf(counted, nowMs),
      models: modelsOf(live(), registry, tally, isCounted),
    };
  };
  const computeNow = (nowMs: number): LoadNow => {
    const living = others();
    const hour = otherMinutes.length > 0 ? sideBySide([...minutes.all(), ...otherMinutes]) : minutes.all();
    return {
      atMs: nowMs,
      ...addUp(figures(), living),
      coordinators: 1 + living.length,
      hour: sumOf(together(hour)),
      minutes: hour.map((minute) => pointOf(minute, 60)),
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
    figures,
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

const NOBODY: readonly Figures[] = [];

/** Minutes of several coordinators, each minute once: what they had at once is added up too. */
function sideBySide(all: readonly Span[]): Span[] {
  const byTime = new Map<number, Span>();
  for (const one of all) {
    const sum = byTime.get(one.atS) ?? newSpan(one.atS);
    const levels = levelSum(sum, one);
    addSpan(sum, one);
    byTime.set(one.atS, Object.assign(sum, levels));
  }
  return [...byTime.values()].sort((a, b) => a.atS - b.atS);
}
const levelSum = (a: Span, b: Span) => ({
  running: a.running + b.running,
  queued: a.queued + b.queued,
  slots: a.slots + b.slots,
  nodes: a.nodes + b.nodes,
});
