import { expect, test } from "bun:test";
import type { CommandRow } from "../../admin/operations.ts";
import type { NodeTerms } from "../../protocol/terms.ts";
import { type PriceRow, rowsAsFields } from "../settings/price-rows.ts";
import { type FormTerm, formOf, termsShown, termsTyped } from "./terms.ts";

const TOLD: NodeTerms = {
  ...{ slots: 2, price_input: 100_000, price_output: 300_000, prices: { "a b*": { input: 1, output: 2 } } },
  ...{ schedule: ["sat,sun", "22:00-06:00"], idle_only: false, idle_gpu_percent: 20, idle_cpu_percent: 50 },
  ...{ idle_busy_s: 10, idle_resume_s: 120, idle_drain_s: 30, fixed: [], allows: ["configure"] },
};
const shown = (over: Partial<NodeTerms> = {}, commands: CommandRow[] = []) =>
  termsShown({ ...TOLD, ...over }, commands, 1_000_000_000);
/** The form as it was shown, sent with these fields typed anew, as browsers send it. */
function sent(
  typed: Partial<Record<FormTerm, string>>,
  over: Partial<NodeTerms> = {},
  rows: (shown: readonly PriceRow[]) => readonly PriceRow[] = (shown) => shown,
) {
  const { texts = {}, was = {}, prices = [] } = shown(over)?.form ?? {};
  const crlf = (text: string) => text.replaceAll("\n", "\r\n");
  const fields = [
    ...Object.entries(was).map(([name, text]): [string, string] => [`was.${name}`, crlf(text)]),
    ...Object.entries({ ...texts, ...typed }).map(([name, text]): [string, string] => [name, crlf(text)]),
  ].filter(([name, text]) => name !== "idle_only" || text === "true");
  return termsTyped(formOf(new URLSearchParams([...fields, ...rowsAsFields(rows(prices ?? []), "prices")])));
}
const row = (over: Partial<CommandRow>): CommandRow => ({
  ...{ id: "1", node: "ab".repeat(32) as CommandRow["node"], node_name: "n", online: true, command: "configure" },
  ...{ model: null, state: "queued", cancelling: false, progress: null, error: null, created_ms: 1 },
  ...{ delivered_ms: null, ended_ms: null },
  ...over,
});

test("a form that is sent as it was shown changes nothing", () => {
  expect(sent({})).toEqual({ ok: true, value: null });
  expect(sent({}, { idle_only: true })).toEqual({ ok: true, value: null });
});

test("only what was typed is asked for", () => {
  expect(sent({ slots: "4" })).toEqual({ ok: true, value: { slots: 4 } });
  expect(sent({ price_output: "0.25", schedule: "", idle_only: "true" })).toEqual({
    ok: true,
    value: { price_output: 250_000, schedule: [], idle_only: true },
  });
  expect(sent({ idle_only: "" }, { idle_only: true })).toEqual({ ok: true, value: { idle_only: false } });
  const added = { former: "", name: "qwen3:8b", input: "0.1", output: "0" };
  expect(sent({}, {}, (rows) => [...rows.map((row) => ({ ...row, input: "1" })), added])).toEqual({
    ok: true,
    value: { prices: { "a b*": { input: 1_000_000, output: 2 }, "qwen3:8b": { input: 100_000, output: 0 } } },
  });
  expect(sent({}, {}, (rows) => rows.map((row) => ({ ...row, name: "" })))).toEqual({
    ok: true,
    value: { prices: {} },
  });
});

test.each([
  ["slots", "many"],
  ["slots", "9999"],
  ["price_input", "-1"],
  ["price_output", "9999999999"],
  ["schedule", "sat\nwhenever"],
] as const)("%s of %j is a fault at that field", (field, text) => {
  expect(sent({ [field]: text })).toMatchObject({ ok: false, error: { field } });
});

test("prices that are none are faults at their rows", () => {
  const rows = (shown: readonly PriceRow[]) => [...shown, { former: "", name: "ll*ama", input: "1", output: "x" }];
  const faults = [
    { row: 1, field: "name" },
    { row: 1, field: "output" },
  ];
  expect(sent({}, {}, rows)).toMatchObject({ ok: false, error: { field: "prices", prices: faults } });
  // Beside what is wrong elsewhere.
  expect(sent({ schedule: "whenever" }, {}, rows)).toMatchObject({ error: { field: "schedule", prices: faults } });
});

test("what is fixed on its machine is no field", () => {
  const form = shown({ fixed: ["slots", "prices"] })?.form;
  expect(Object.keys(form?.texts ?? {})).toEqual(["price_input", "price_output", "schedule", "idle_only"]);
  expect(form?.prices).toBeNull();
  // A field that the form never had is not heard.
  expect(termsTyped(formOf(new URLSearchParams({ slots: "9" })))).toEqual({ ok: true, value: null });
});

test("there is a form only where the node allows it, with what is asked already", () => {
  expect(shown({ allows: ["drain"] })).toMatchObject({ form: null });
  expect(termsShown(null, [], 1)).toBeNull();
  const asked = shown({}, [row({ terms: { slots: 8 } }), row({ id: "0", terms: { slots: 7, price_input: 0 } })]);
  expect(asked?.form?.texts).toMatchObject({ slots: "8", price_input: "0.00" });
  expect(asked?.form?.was).toMatchObject({ slots: "2", price_input: "0.10" });
  expect(asked?.told.slots).toBe(2);
});

test("what came to nothing is shown for a day", () => {
  const refused = (endedMs: number) => shown({}, [row({ state: "refused", ended_ms: endedMs })])?.command?.state;
  expect(refused(999_999_999)).toBe("refused");
  expect(refused(1)).toBeUndefined();
  expect(shown({}, [row({ state: "completed", ended_ms: 999_999_999 })])?.command).toBeNull();
});

test("a change of prices that is asked already is in the rows, and sent again it is asked again", () => {
  const asked = shown({}, [row({ terms: { prices: { new: { input: 1, output: 1 } } } })])?.form;
  expect(asked?.prices?.map(({ former, name }) => [former.split("\t")[0], name])).toEqual([
    ["a b*", ""],
    ["new", "new"],
  ]);
  const again = termsTyped(formOf(rowsAsFields(asked?.prices ?? [], "prices")));
  expect(again).toEqual({ ok: true, value: { prices: { new: { input: 1, output: 1 } } } });
});

test("more prices than a change may have are left out of the form, and the rest can be changed", () => {
  const prices = Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`m${i}`, { input: 1, output: 2 }]));
  expect(shown({ prices })?.form?.prices).toBeNull();
  expect(sent({ slots: "4" }, { prices })).toEqual({ ok: true, value: { slots: 4 } });
});

test("a table without end is refused in few words, and not shown whole", () => {
  const rows = Array.from({ length: 30_000 }, () => ({ former: "", name: "x", input: "-", output: "-" }));
  const form = formOf(new URLSearchParams(rowsAsFields(rows, "prices")));
  expect(form.prices?.length).toBeLessThan(300);
  expect(termsTyped(form)).toMatchObject({ ok: false });
  const valid = rows.map((row, i) => ({ ...row, name: `m${i}`, input: "0", output: "0" }));
  expect(termsTyped(formOf(new URLSearchParams(rowsAsFields(valid, "prices"))))).toMatchObject({
    error: { field: "prices", words: expect.stringContaining("more than 128") },
  });
});
