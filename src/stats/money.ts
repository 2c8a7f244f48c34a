// Money: what was paid and earned on a day, from the sums by node.
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { once } from "../lib/once.ts";

/** µ$: what clients paid, what nodes earned of it, the fee. */
export type Money = { gross: number; nodes: number; fee: number; receipts: number };

const KEEP_MS = 10_000;
/** Days that are kept ready. */
const MAX_DAYS = 64;
const SELECT = `select coalesce(sum(gross), 0), coalesce(sum(node_amount), 0), coalesce(sum(fee), 0),
  coalesce(sum(receipts), 0) from earning_days where day = ?`;

/** Money of a UTC day, as of some seconds ago. There may be a row for each of many nodes: read off the event loop. */
export function createMoney({
  db,
  clock,
}: {
  db: Pick<Db, "snapshot">;
  clock: Clock;
}): (day: number) => Promise<Money> {
  const days = new Map<number, () => Promise<Money>>();
  return (day) => {
    const known = days.get(day);
    if (known) return known();
    const read = once(clock, KEEP_MS, async () => {
      const [row = []] = await db.snapshot(async (execute) => await execute(SELECT, [day]));
      const [gross = 0, nodes = 0, fee = 0, receipts = 0] = row.map(Number);
      return { gross, nodes, fee, receipts };
    });
    days.set(day, read);
    for (const oldest of days.keys()) {
      if (days.size <= MAX_DAYS) break;
      days.delete(oldest);
    }
    return read();
  };
}
