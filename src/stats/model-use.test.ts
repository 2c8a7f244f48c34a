import { expect, test } from "bun:test";
import { testDatabase } from "../db/test-database.ts";
import { modelUse } from "./model-use.ts";
import { usageDays } from "./schema.ts";

test("adds up everybody's requests since a day, by model, along the index", async () => {
  await using database = await testDatabase();
  const { db } = database;
  const row = (accountId: string, day: number, model: string, requests: number) => ({
    ...{ accountId, day, model, requests, keyId: "", completed: requests },
    ...{ promptTokens: 0, completionTokens: 0, chargedMicroUsd: 0 },
  });
  await db.writer.transact((tx) =>
    tx
      .insert(usageDays)
      .values([row("a", 9, "m", 100), row("a", 10, "m", 2), row("b", 11, "m", 3), row("b", 10, "n", 1)]),
  );
  expect(Object.fromEntries(await modelUse(db, 10))).toEqual({ m: 5, n: 1 });
  const plan = await db.query(
    "explain query plan select model, sum(requests) from usage_days where day >= ? group by model",
    [10],
  );
  expect(plan.map((step) => String(step[3])).join("; ")).toContain("USING INDEX usage_days_day");
});
