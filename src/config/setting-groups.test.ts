// Words of settings: every key that may change while an instance runs has them, and no other.
import { expect, test } from "bun:test";
import { CONFIG_KEYS } from "./keys.ts";
import { SETTING_GROUPS, settingWords } from "./setting-groups.ts";

const live = CONFIG_KEYS.filter(({ meta }) => meta.live !== undefined);

test("every key that may change while an instance runs has a label in one group", () => {
  const grouped = SETTING_GROUPS.flatMap(({ keys }) => keys);
  expect(grouped.toSorted()).toEqual(live.map(({ name }) => name).toSorted());
});

test("a label is short, its own, and not made of the key", () => {
  const labels = live.map(({ name }) => settingWords(name, "").label);
  expect(new Set(labels).size).toBe(labels.length);
  for (const label of labels) expect(label).toMatch(/^[A-Z][^_.]{3,39}$/);
});

test("what is an integer has a unit, and nothing else has", () => {
  for (const { name, kind } of live)
    expect([name, settingWords(name, "").unit !== null]).toEqual([name, kind === "integer"]);
});

test("what is shown in dollars or percent is not told of in µ$ or hundredths", () => {
  for (const { name, meta } of live) {
    const { unit, why } = settingWords(name, meta.why);
    if (unit !== null && unit.digits > 0) expect([name, /µ|hundredth/.test(why)]).toEqual([name, false]);
  }
});

test("a group says what it is for in one sentence", () => {
  for (const { about, title } of SETTING_GROUPS) {
    expect(about).toMatch(/^[A-Z].{10,120}\.$/);
    expect(title).not.toContain(".");
  }
});
