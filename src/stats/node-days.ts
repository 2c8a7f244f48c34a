// Node days: how long each node was there on a day, and what it did. Counted in memory, written behind.
import type { SqlRow } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Job } from "../jobs/job.ts";
import type { Clock } from "../lib/clock.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { NodeDay } from "./stats.ts";

export const DAY_MS = 86_400_000;
export const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);

/** Counts of a node's day that the database does not have yet. */
type Counts = { onlineS: number; completed: number; failed: number; promptTokens: number; completionTokens: number };
type Pending = { day: number; nodes: Map<Pubkey, Counts> };

/** A node that only was there is written this seldom. */
const ONLINE_AT_ONCE_S = 300;
/** Rows written in one go; the event loop turns between two. */
const ROWS_AT_ONCE = 64;
const FIELDS = ["onlineS", "completed", "failed", "promptTokens", "completionTokens"] as const;
const COLUMNS = ["online_s", "completed", "failed", "prompt_tokens", "completion_tokens"];
const ADD = `insert into node_days (node, day, ${COLUMNS.join(", ")}) values (?, ?, ?, ?, ?, ?, ?)
  on conflict do update set ${COLUMNS.map((column) => `${column} = ${column} + excluded.${column}`).join(", ")}`;

const SELECT = `select day, ${COLUMNS.join(", ")} from node_days where node = ? and day between ? and ?`;

export function createNodeDays({ db, clock }: { db: Db; clock: Clock }) {
  /** Oldest first; the last is today's. */
  let pending: Pending[] = [];
  const nodesOf = (day: number): Map<Pubkey, Counts> => {
    const known = pending.find((one) => one.day === day);
    if (known) return known.nodes;
    const nodes = new Map<Pubkey, Counts>();
    pending.push({ day, nodes });
    return nodes;
  };
  const countsIn = (nodes: Map<Pubkey, Counts>, node: Pubkey): Counts => {
    const known = nodes.get(node);
    if (known) return known;
    const counts: Counts = { onlineS: 0, completed: 0, failed: 0, promptTokens: 0, completionTokens: 0 };
    nodes.set(node, counts);
    return counts;
  };
  const putBack = (day: number, rows: readonly [Pubkey, Counts][]) => {
    const nodes = nodesOf(day);
    for (const [node, counts] of rows) {
      const now = countsIn(nodes, node);
      for (const field of FIELDS) now[field] += counts[field];
    }
  };
  /** What is worth a write now, taken out. */
  const take = (all: boolean): { day: number; rows: [Pubkey, Counts][] }[] => {
    const today = dayOf(clock.nowMs());
    const taken = pending.map(({ day, nodes }) => {
      const rows = [...nodes].filter(([, counts]) => all || day !== today || isWorthAWrite(counts));
      for (const [node] of rows) nodes.delete(node);
      return { day, rows };
    });
    pending = pending.filter(({ nodes }) => nodes.size > 0);
    return taken;
  };

  const write = async (taken: ReturnType<typeof take>): Promise<void> => {
    for (const { day, rows } of taken) {
      for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
        const some = rows.slice(from, from + ROWS_AT_ONCE);
        const values = some.map(([node, counts]) => [node, day, ...FIELDS.map((field) => Math.round(counts[field]))]);
        try {
          await db.writer.batch(ADD, values, { durable: false });
        } catch (error) {
          putBack(day, rows.slice(from));
          throw error;
        }
      }
    }
  };
  let saves = 0;
  let writing: Promise<void> = Promise.resolve();
  /** What the database has, at a moment when nothing is on its way there. */
  const stored = async (node: Pubkey, fromDay: number, toDay: number): Promise<SqlRow[]> => {
    for (;;) {
      await writing;
      const before = saves;
      const rows = await db.query(SELECT, [node, fromDay, toDay]);
      if (saves === before) return rows;
    }
  };

  return {
    /** Adds a span of time to all that are there. */
    online(nodes: Iterable<{ pubkey: Pubkey }>, seconds: number): void {
      const today = nodesOf(dayOf(clock.nowMs()));
      for (const { pubkey } of nodes) countsIn(today, pubkey).onlineS += seconds;
    },

    ended(job: Job): void {
      if (job.attempts.length === 0) return;
      const today = nodesOf(dayOf(clock.nowMs()));
      for (const { node, outcome } of job.attempts) {
        const counts = countsIn(today, node);
        if (outcome === "completed" || outcome === "cancelled") counts.completed++;
        else counts.failed++;
      }
      const { usage, deliveries } = job;
      if (usage === null) return;
      deliveries.forEach(({ record }, i) => {
        const counts = countsIn(today, record.node);
        if (i === 0) counts.promptTokens += usage.prompt_tokens;
        counts.completionTokens += deliveries.length === 1 ? usage.completion_tokens : record.pieces;
      });
    },

    /** Writes what there is; `all`: what is not worth a write of its own too. What can not be written stays. */
    save(all: boolean): Promise<void> {
      saves++;
      const written = write(take(all));
      writing = written.catch(() => {});
      return written;
    },

    /** The last `days` days of one node, today last; days of nothing included. */
    async of(node: Pubkey, days: number): Promise<NodeDay[]> {
      const today = dayOf(clock.nowMs());
      const fromDay = today - days + 1;
      const found = new Map<number, NodeDay>();
      for (let day = fromDay; day <= today; day++) found.set(day, { ...NOTHING, day });
      const earned = await db.query(
        "select day, node_amount, receipts from earning_days where node = ? and day between ? and ?",
        [node, fromDay, today],
      );
      for (const [day, amount, receipts] of earned) {
        const row = found.get(Number(day));
        if (row) Object.assign(row, { earned: Number(amount), receipts: Number(receipts) });
      }
      const did = await stored(node, fromDay, today);
      for (const [day, ...values] of did) {
        const row = found.get(Number(day));
        if (row) for (const [i, field] of FIELDS.entries()) row[field] += Number(values[i]);
      }
      for (const { day, nodes } of pending) {
        const [row, counts] = [found.get(day), nodes.get(node)];
        if (row && counts) for (const field of FIELDS) row[field] += counts[field];
      }
      return [...found.values()];
    },
  };
}

const NOTHING: Omit<NodeDay, "day"> = {
  ...{ onlineS: 0, completed: 0, failed: 0, promptTokens: 0, completionTokens: 0 },
  ...{ earned: 0, receipts: 0 },
};

const isWorthAWrite = ({ onlineS, completed, failed }: Counts): boolean =>
  onlineS >= ONLINE_AT_ONCE_S || completed > 0 || failed > 0;
