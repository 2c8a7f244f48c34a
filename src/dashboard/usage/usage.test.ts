// Usage: the sums of a span of days, as a chart and as a table of the same numbers; each account its own.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type CoordinatorStage, coordinatorStage, storedJob } from "../../http/testing/coordinator-stage.ts";
import { idAt } from "../../jobs/list.ts";
import type { UsageDay } from "../../stats/usage.ts";
import { type SignedIn, signedIn } from "../testing/signed-in.ts";
import { daysOf, type UsageAsked, usageAsked, usageView } from "./usage-view.ts";

const asked = (over: Partial<UsageAsked> = {}): UsageAsked => ({
  ...{ range: "7", group: "model", measure: "output", sort: "requests", order: "descending" },
  ...over,
});
const row = (day: number, model: string, n: number): UsageDay => ({
  ...{ day, model, keyId: `key_${model}`, keyName: model, requests: n, completed: n },
  ...{ promptTokens: 2 * n, completionTokens: 3 * n, charged: 5 * n },
});

describe("the view", () => {
  const days = { fromDay: 10, toDay: 12 };
  const rows = ["a", "b", "c", "d", "e", "f", "g"].flatMap((model, i) => [row(10, model, i + 1), row(12, model, 1)]);

  test("has every day, the largest series first, and the small ones together", () => {
    const { series, days: bars, sums } = usageView(rows, asked(), days);
    expect(series.map(({ of, others }) => (others ? "others" : of))).toEqual(["g", "f", "e", "d", "others"]);
    expect(bars.map(({ day, values }) => [day, values])).toEqual([
      [10, [21, 18, 15, 12, 18]],
      [11, [0, 0, 0, 0, 0]],
      [12, [3, 3, 3, 3, 9]],
    ]);
    expect(sums).toEqual({ requests: 35, completed: 35, prompt: 70, output: 105, cost: 175 });
  });

  test("has the same sums in its table, whatever it is counted by, in the order that is asked for", () => {
    for (const group of ["day", "model", "key"] as const) {
      const { lines, days: bars, sums } = usageView(rows, asked({ group, measure: "cost" }), days);
      expect(lines.reduce((sum, { cost }) => sum + cost, 0)).toBe(sums.cost);
      expect(bars.flatMap(({ values }) => values).reduce((sum, value) => sum + value, 0)).toBe(sums.cost);
    }
    const names = (over: Partial<UsageAsked>) => usageView(rows, asked(over), days).lines.map(({ of }) => of);
    expect(names({}).slice(0, 2)).toEqual(["g", "f"]);
    expect(names({ sort: "name", order: "ascending" })[0]).toBe("a");
    expect(names({ group: "day", sort: "name" })).toEqual(["12", "10"]);
  });

  test("of too many to be told apart those that are left over are one line, and the last series", () => {
    const left: UsageDay = { ...row(10, "", 100), keyId: null, keyName: null, others: true };
    for (const some of [
      [row(10, "a", 1), left],
      [...rows, left],
    ]) {
      const { series, lines, days: bars, sums } = usageView(some, asked(), days);
      expect(series.at(-1)).toMatchObject({ others: true });
      expect(series.filter(({ others }) => others)).toHaveLength(1);
      expect(lines[0]).toMatchObject({ others: true, name: null, requests: 100 });
      expect(bars.flatMap(({ values }) => values).reduce((sum, value) => sum + value, 0)).toBe(sums.output);
    }
  });
});

test("an address that makes no sense is the last 30 days by model", () => {
  const query = new URLSearchParams("range=x&by=y&show=cost&sort=z&order=up");
  expect(usageAsked(query, false)).toEqual(asked({ range: "30" }));
  const nowMs = Date.UTC(2026, 2, 15, 12);
  const spans = ["7", "2026-02", "2026-03"].map((range) => daysOf(asked({ range }), nowMs));
  expect(spans.map(({ fromDay, toDay }) => toDay - fromDay + 1)).toEqual([7, 28, 31]);
});

describe("the page", () => {
  let on: CoordinatorStage;
  let mine: SignedIn;
  beforeAll(async () => {
    on = await coordinatorStage();
    mine = await signedIn(on);
    const createdMs = on.clock.nowMs();
    const job = { createdMs, endedMs: createdMs, promptTokens: 7, completionTokens: 11, chargedMicroUsd: 13 };
    await storedJob(on, { ...job, id: idAt(createdMs), accountId: mine.accountId, model: "<b>mine</b>" });
    await storedJob(on, { ...job, id: idAt(createdMs + 1), accountId: "other", model: "theirs" });
  });
  afterAll(() => on[Symbol.asyncDispose]());

  test("is the account's own, and everybody's to admins; so are the files", async () => {
    const own = await (await mine.get("/usage")).text();
    expect(own).toContain("&lt;b&gt;mine&lt;/b&gt;");
    expect(own).not.toContain("theirs");
    const month = new Date(on.clock.nowMs()).toISOString().slice(0, 7);
    const csv = await (await mine.get(`/usage.csv?month=${month}&by=model`)).text();
    expect(csv.trim().split("\r\n").slice(1)).toEqual(["<b>mine</b>,1,1,7,11,13"]);
    expect((await mine.get(`/usage.csv?by=account`)).status).toBe(400);
    for (const path of ["/admin/usage", "/admin/usage.csv", "/admin/usage.json"]) {
      expect((await mine.get(path)).status).toBe(403);
    }
    const ada = await signedIn(on, { email: "ada@example.org", roles: ["admin"] });
    expect(await (await ada.get("/admin/usage")).text()).toContain("theirs");
    const all = (await (await ada.get(`/admin/usage.json?month=${month}&by=account`)).json()) as { usage: object[] };
    expect(all.usage.length).toBe(2);
  });

  test("says what to do where nothing was used", async () => {
    const nobody = await signedIn(on, { email: "new@example.org" });
    const page = await (await nobody.get("/usage")).text();
    expect(page).toContain("Nothing was used in these days");
    expect(page).toContain('href="/keys"');
  });
});
