// Minutes: what this coordinator did in each of the last sixty, in memory; the database has them a minute later, and for
// a month.
import type { Db } from "../db/open.ts";
import type { Job } from "../jobs/job.ts";
import type { Clock } from "../lib/clock.ts";
import { addBins, addPacked, type Bins, countIn, newBins, packBins, quantile } from "./bins.ts";
import type { LoadPoint, LoadSum } from "./stats.ts";

/** One minute, or several added up. */
export type Span = {
  /** Unix seconds of its beginning. */
  atS: number;
  jobs: number;
  failed: number;
  promptTokens: number;
  completionTokens: number;
  charged: number;
  /** The most at once. */
  running: number;
  queued: number;
  slots: number;
  nodes: number;
  firstToken: Bins;
};

const MINUTE_S = 60;
export const HOUR_S = 3_600;
/** Older ones are deleted. */
const KEPT_S = 32 * 24 * 3_600;

export const newSpan = (atS: number): Span => ({
  atS,
  ...{ jobs: 0, failed: 0, promptTokens: 0, completionTokens: 0, charged: 0 },
  ...{ running: 0, queued: 0, slots: 0, nodes: 0 },
  firstToken: newBins(),
});

const COUNTS = ["jobs", "failed", "promptTokens", "completionTokens", "charged"] as const;
const LEVELS = ["running", "queued", "slots", "nodes"] as const;

export function addSpan(into: Span, from: Span): void {
  for (const count of COUNTS) into[count] += from[count];
  for (const level of LEVELS) into[level] = Math.max(into[level], from[level]);
  addBins(into.firstToken, from.firstToken);
}

export const sumOf = ({ jobs, failed, promptTokens, completionTokens, charged, firstToken }: Span): LoadSum => ({
  ...{ jobs, failed, promptTokens, completionTokens, charged },
  firstTokenP50Ms: quantile(firstToken, 0.5),
  firstTokenP95Ms: quantile(firstToken, 0.95),
});

export const pointOf = (span: Span, spanS: number): LoadPoint => ({
  ...sumOf(span),
  atS: span.atS,
  spanS,
  running: span.running,
  queued: span.queued,
  slots: span.slots,
  nodes: span.nodes,
});

/** How things stand when they are looked at. */
export type Levels = Pick<Span, "running" | "queued" | "slots" | "nodes">;

const COLUMNS = `at_s, replica, jobs, failed, prompt_tokens, completion_tokens, charged, running, queued, slots, nodes, first_token`;
const REPLACE = `insert or replace into load_minutes (${COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** `replica`: empty where there is one coordinator only. */
export function createMinutes({ db, clock, replica }: { db: Db; clock: Clock; replica: string }) {
  /** Oldest first; the last is under way. */
  let minutes: Span[] = [];
  const unsaved = new Set<Span>();
  const present = (): Span => {
    const atS = Math.floor(clock.nowMs() / 1000 / MINUTE_S) * MINUTE_S;
    const last = minutes.at(-1);
    // A clock that was put back goes on with the minute it was in.
    if (last && last.atS >= atS) return last;
    const next = newSpan(atS);
    minutes = [...minutes.filter((minute) => minute.atS > atS - HOUR_S), next];
    return next;
  };
  const changed = (): Span => {
    const minute = present();
    unsaved.add(minute);
    return minute;
  };
  let saving: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    const changes = [...unsaved];
    if (changes.length === 0) return;
    unsaved.clear();
    try {
      await db.writer.transact(
        async (_tx, execute) => {
          for (const minute of changes) await execute(REPLACE, rowOf(minute, replica));
          await execute("delete from load_minutes where at_s < ?", [Math.floor(clock.nowMs() / 1000) - KEPT_S]);
        },
        { durable: false },
      );
    } catch (error) {
      for (const minute of changes) if (minutes.includes(minute)) unsaved.add(minute);
      throw error;
    }
  };

  return {
    ended({ state, charged, firstDeltaMs, createdMs }: Job): void {
      const minute = changed();
      minute.jobs++;
      if (state === "failed" || state === "expired") minute.failed++;
      if (charged !== null) minute.charged += Number(charged);
      if (firstDeltaMs !== null) countIn(minute.firstToken, firstDeltaMs - createdMs);
    },

    /** Tokens since the last look, and how things stand now. */
    looked({ running, queued, slots, nodes }: Levels, promptTokens: number, completionTokens: number): void {
      const minute = changed();
      minute.promptTokens += promptTokens;
      minute.completionTokens += completionTokens;
      minute.running = Math.max(minute.running, running);
      minute.queued = Math.max(minute.queued, queued);
      minute.slots = slots;
      minute.nodes = nodes;
    },

    /** Of the last hour, the one under way last. */
    all(): readonly Span[] {
      present();
      return minutes;
    },

    /** Takes up what an earlier process did in the last hour. */
    async load(): Promise<void> {
      const fromS = Math.floor(clock.nowMs() / 1000) - HOUR_S;
      const rows = await db.query(`select ${COLUMNS} from load_minutes where at_s > ? and replica = ? order by at_s`, [
        fromS,
        replica,
      ]);
      for (const row of rows) {
        const before = spanOf(row);
        const same = minutes.find(({ atS }) => atS === before.atS);
        if (same) addSpan(same, before);
        else minutes.push(before);
      }
      minutes.sort((a, b) => a.atS - b.atS);
    },

    /** What other coordinators on the database did in the last hour. */
    async others(): Promise<Span[]> {
      const fromS = Math.floor(clock.nowMs() / 1000) - HOUR_S;
      const sql = `select ${COLUMNS} from load_minutes where at_s > ? and replica <> ? order by at_s`;
      return (await db.query(sql, [fromS, replica])).map(spanOf);
    },

    /** Writes what changed, after what is being written; what can not be written is tried again with the next. */
    save(): Promise<void> {
      const saved = saving.then(write);
      saving = saved.catch(() => undefined);
      return saved;
    },
  };
}

const rowOf = (minute: Span, replica: string) => [
  ...[minute.atS, replica, minute.jobs, minute.failed, minute.promptTokens, minute.completionTokens, minute.charged],
  ...[minute.running, minute.queued, minute.slots, minute.nodes, JSON.stringify(packBins(minute.firstToken))],
];

function spanOf(row: readonly unknown[]): Span {
  const [atS, _replica, jobs, failed, promptTokens, completionTokens, charged, running, queued, slots, nodes] = row.map(
    Number,
  ) as [number, number, number, number, number, number, number, number, number, number, number];
  const firstToken = newBins();
  addPacked(firstToken, JSON.parse(String(row.at(-1))) as number[]);
  return { atS, jobs, failed, promptTokens, completionTokens, charged, running, queued, slots, nodes, firstToken };
}
