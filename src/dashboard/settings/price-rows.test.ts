// Rows of prices: a form that is sent as it was shown changes nothing, what is typed counts and nothing else, and what is
// wrong is told at its row and field.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { MAX_PATTERNS, MAX_PRICE, patternSchema } from "../../protocol/terms.ts";
import {
  type PriceRow,
  type Prices,
  pricesTyped,
  rowsAsFields,
  rowsBack,
  rowsFrom,
  rowsIn,
  rowsOf,
} from "./price-rows.ts";

const NEW: PriceRow = { former: "", name: "", input: "", output: "" };
const PRICES: Prices = { "qwen3*": { input: 100_000, output: 1 }, llama3: { input: 0, output: 2_500_000 } };
/** As browsers send them. */
const sent = (rows: readonly PriceRow[]) =>
  rowsIn(new URLSearchParams(rowsAsFields(rows, "row").toString()), "row", MAX_PATTERNS) ?? [];
const typed = (change: (rows: PriceRow[]) => PriceRow[], now: Prices = PRICES) =>
  pricesTyped(sent(change(rowsOf(PRICES))), now);
/** The row of this name, typed over. */
const over = (name: string, texts: Partial<PriceRow>) => (rows: PriceRow[]) =>
  rows.map((row) => (row.name === name ? { ...row, ...texts } : row));

const amount = fc.nat({ max: MAX_PRICE });
const name = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).filter((text) => patternSchema.safeParse(text).success),
  fc.constantFrom("constructor", " outer ", "7", "*", "a b*", "模型", '"><script>'),
);
const table = fc
  .uniqueArray(fc.tuple(name, fc.record({ input: amount, output: amount })), {
    selector: ([one]) => one,
    maxLength: 30,
  })
  .map((entries): Prices => Object.fromEntries(entries))
  // The form's encoding has no lone surrogates.
  .filter((prices) => Object.keys(prices).every((one) => one.isWellFormed() && one !== "__proto__"));

test("a form that is sent as it was shown changes nothing, whatever the names and whatever others did meanwhile", () => {
  fc.assert(
    fc.property(table, table, (shown, now) => {
      expect(pricesTyped(sent([...rowsOf(shown), NEW, NEW]), now)).toEqual({ ok: true, value: now });
    }),
  );
});

test("what brings a change back brings back what was", () => {
  fc.assert(
    fc.property(table, table, (was, is) => {
      expect(pricesTyped(sent(rowsBack(was, is)), is)).toEqual({ ok: true, value: was });
    }),
  );
});

test("a form made with what is wanted already asks for it once more", () => {
  fc.assert(
    fc.property(table, table, (are, wanted) => {
      expect(pricesTyped(sent(rowsFrom(are, wanted)), are)).toEqual({ ok: true, value: wanted });
    }),
  );
});

test("rows are shown by name", () => {
  expect(rowsOf(PRICES).map((row) => [row.name, row.input, row.output])).toEqual([
    ["llama3", "0.00", "2.50"],
    ["qwen3*", "0.10", "0.000001"],
  ]);
});

test("a price, a name, a new row and an emptied name are what they look like; others' changes stay", () => {
  const now: Prices = { ...PRICES, llama3: { input: 9, output: 9 }, other: { input: 1, output: 1 } };
  expect(typed(over("qwen3*", { input: " $0.2 " }), now)).toEqual({
    ok: true,
    value: { ...now, "qwen3*": { input: 200_000, output: 1 } },
  });
  expect(typed(over("qwen3*", { name: "  " }), now)).toEqual({
    ok: true,
    value: { llama3: { input: 9, output: 9 }, other: { input: 1, output: 1 } },
  });
  expect(typed(over("qwen3*", { name: " qwen4* " }))).toEqual({
    ok: true,
    value: { llama3: PRICES.llama3, "qwen4*": PRICES["qwen3*"] } as Prices,
  });
  expect(typed((rows) => [...rows, { ...NEW, name: "phi4", input: "1", output: "1 000.5" }])).toEqual({
    ok: true,
    value: { ...PRICES, phi4: { input: 1_000_000, output: 1_000_500_000 } },
  });
});

test("two rows may change names with each other", () => {
  const swapped = typed((rows) => rows.map((row) => ({ ...row, name: row.name === "llama3" ? "qwen3*" : "llama3" })));
  expect(swapped).toEqual({ ok: true, value: { "qwen3*": PRICES.llama3, llama3: PRICES["qwen3*"] } as Prices });
});

test("what is wrong is told at each row and field", () => {
  const wrong = typed((rows) => [
    ...over("llama3", { input: "-1", output: "" })(rows),
    NEW,
    { ...NEW, input: "1", output: "1" },
    { ...NEW, name: "a*b", input: "1", output: "0.0000001" },
    { ...NEW, name: "qwen3*", input: "1", output: "1000001" },
    { ...NEW, name: "__proto__", input: "1", output: "1" },
    { ...NEW, name: "x".repeat(258), input: "1", output: "1" },
  ]);
  expect(wrong.ok).toBe(false);
  if (wrong.ok) return;
  expect(wrong.error.map(({ row, field }) => [row, field])).toEqual([
    [0, "input"],
    [0, "output"],
    [2, "name"],
    [3, "name"],
    [3, "output"],
    [4, "name"],
    [4, "output"],
    [5, "name"],
    [6, "name"],
  ]);
  expect(wrong.error[0]?.words).toMatch(
    /^Input price must be \$0\.00 to \$1.000.000\.00 per million tokens, in steps of/,
  );
  expect(wrong.error[5]?.words).toBe("Another row is for this one.");
});

test("a form without rows has none; what somebody sends for a former row is only a name", () => {
  expect(rowsIn(new URLSearchParams("value=1"), "row", 1)).toBeNull();
  expect(rowsIn(new URLSearchParams("row.name=&row.input="), "row", 1)).toEqual([]);
  expect(pricesTyped([{ former: "nobody", name: "", input: "", output: "" }], PRICES)).toEqual({
    ok: true,
    value: PRICES,
  });
});

test("of rows without end as many are looked at as it takes to refuse them", () => {
  const row = (i: number): PriceRow => ({ former: "", name: `m${i}`, input: "0", output: "0" });
  const rows = sent(Array.from({ length: 4 * MAX_PATTERNS }, (_, i) => row(i)));
  expect(rows).toHaveLength(2 * MAX_PATTERNS + 1);
  expect(pricesTyped(rows, {})).toMatchObject({ ok: true });
});
