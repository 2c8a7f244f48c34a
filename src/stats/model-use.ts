// Model use: how often each model was asked for lately, from the sums by day.
import type { Db } from "../db/open.ts";

/** Requests since that UTC day, by model. Reads off the event loop: keep it for a while. */
export async function modelUse(db: Pick<Db, "snapshot">, fromDay: number): Promise<Map<string, number>> {
  const rows = await db.snapshot(
    async (execute) =>
      await execute("select model, sum(requests) from usage_days where day >= ? group by model", [fromDay]),
  );
  return new Map(rows.map(([model, requests]) => [String(model), Number(requests)]));
}
