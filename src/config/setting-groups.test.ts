// Words of settings: every key that may change while an instance runs has them, and no other.
import { expect, test } from "bun:test";
import { configGround } from "./ground.ts";
import { CONFIG_KEYS } from "./keys.ts";
import { configSchema } from "./schema.ts";
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

test("what is chosen is called something, with a line of what it does", () => {
  const { ground } = configGround({ ...configSchema.parse({}), data_dir: "/nowhere" }, {});
  const chosen = ground.keys.filter(({ choices, live }) => live && choices.length > 0);
  expect(chosen.map(({ name }) => name)).toEqual(expect.arrayContaining(["accounts.signup", "node.allow_commands"]));
  for (const { choices } of chosen) {
    expect(new Set(choices.map(({ label }) => label)).size).toBe(choices.length);
    for (const { label, about } of choices) {
      expect(label).toMatch(/^[A-Z][^_.]{3,39}$/);
      expect(about).toMatch(/^[A-Z].{10,80}\.$/);
    }
  }
});

test("no setting is JSON in a field: what is a table has rows, or a page of its own", () => {
  const { ground } = configGround({ ...configSchema.parse({}), data_dir: "/nowhere" }, {});
  const tables = ground.keys.filter(({ kind, live }) => live && (kind === "table" || kind === "tables"));
  expect(tables.map(({ name }) => name)).toEqual(["aliases"]);
});

test("a group says what it is for in one sentence", () => {
  for (const { about, title } of SETTING_GROUPS) {
    expect(about).toMatch(/^[A-Z].{10,120}\.$/);
    expect(title).not.toContain(".");
  }
});
