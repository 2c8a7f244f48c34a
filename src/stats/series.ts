// Series: the minutes of all coordinators on the database, added up into as many spans as a chart has room for.

import type { SqlRow } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { nextTurn } from "../lib/turns.ts";
import { addPacked } from "./bins.ts";
import { newSpan, type Span } from "./minutes.ts";
import type { Range } from "./stats.ts";

/** How long each span of a range is, and how many there are. */
const SPANS: Record<Range, { spanS: number; spans: number }> = {
  "1h": { spanS: 60, spans: 60 },
  "24h": { spanS: 600, spans: 144 },
  "7d": { spanS: 3_600, spans: 168 },
  "30d": { spanS: 14_400, spans: 180 },
};
export const spanSOf = (range: Range): number => SPANS[range].spanS;

/** What several coordinators have at once is added up first; of what a span had, the most counts. */
const SELECT = `select at_s / ?1 * ?1, sum(jobs), sum(failed), sum(prompt), sum(completion), sum(charged),
    max(running), max(queued), max(slots), max(nodes), group_concat(bins)
  from (select at_s, sum(jobs) jobs, sum(failed) failed, sum(prompt_tokens) prompt, sum(completion_tokens) completion,
      sum(charged) charged, sum(running) running, sum(queued) queued, sum(slots) slots, sum(nodes) nodes,
      group_concat(nullif(trim(first_token, '[]'), '')) bins
    from load_minutes where at_s >= ?2 group by at_s)
  group by 1 order by 1`;

/** Oldest first, gaps left out. A month is 43,000 rows: they are read off the event loop, which turns in between. */
export async function readSpans(db: Pick<Db, "snapshot">, range: Range, nowS: number): Promise<Span[]> {
  const { spanS, spans } = SPANS[range];
  const fromS = (Math.floor(nowS / spanS) - spans + 1) * spanS;
  const rows = await db.snapshot(async (execute) => await execute(SELECT, [spanS, fromS]));
  const found: Span[] = [];
  for (const row of rows) {
    found.push(spanOf(row));
    await nextTurn();
  }
  return found;
}

function spanOf(row: SqlRow): Span {
  const [atS = 0, jobs = 0, failed = 0, promptTokens = 0, completionTokens = 0, charged = 0] = row.map(Number);
  const [running = 0, queued = 0, slots = 0, nodes = 0] = row.slice(6).map(Number);
  const bins = row[10];
  const span = {
    ...newSpan(atS),
    jobs,
    failed,
    promptTokens,
    completionTokens,
    charged,
    running,
    queued,
    slots,
    nodes,
  };
  if (typeof bins === "string") addPacked(span.firstToken, bins.split(",").map(Number));
  return span;
}
