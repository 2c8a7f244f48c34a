import { expect, test } from "bun:test";
import type { CommandRow } from "../../admin/operations.ts";
import type { NodeTerms } from "../../protocol/terms.ts";
import { type FormTerm, formOf, termsShown, termsTyped } from "./terms.ts";

const TOLD: NodeTerms = {
  ...{ slots: 2, price_input: 100_000, price_output: 300_000, prices: { "a b*": { input: 1, output: 2 } } },
  ...{ schedule: ["sat,sun", "22:00-06:00"], idle_only: false, idle_gpu_percent: 20, idle_cpu_percent: 50 },
  ...{ idle_busy_s: 10, idle_resume_s: 120, idle_drain_s: 30, fixed: [], allows: ["configure"] },
};
const shown = (over: Partial<NodeTerms> = {}, commands: CommandRow[] = []) =>
  termsShown({ ...TOLD, ...over }, commands, 1_000_000_000);
/** The form as it was shown, sent with these fields typed anew, as browsers send it. */
function sent(typed: Partial<Record<FormTerm, string>>, over: Partial<NodeTerms> = {}) {
  const { texts = {}, was = {} } = shown(over)?.form ?? {};
  const crlf = (text: string) => text.replaceAll("\n", "\r\n");
  const fields = [
    ...Object.entries(was).map(([name, text]) => [`was.${name}`, crlf(text)]),
    ...Object.entries({ ...texts, ...typed }).map(([name, text]) => [name, crlf(text)]),
  ].filter(([name, text]) => name !== "idle_only" || text === "true");
  return termsTyped(formOf(Object.fromEntries(fields)));
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
  expect(sent({ prices: "a b* 1 2\n\n qwen3:8b  0.1\t0 " })).toEqual({
    ok: true,
    value: { prices: { "a b*": { input: 1_000_000, output: 2_000_000 }, "qwen3:8b": { input: 100_000, output: 0 } } },
  });
});

test.each([
  ["slots", "many"],
  ["slots", "9999"],
  ["price_input", "-1"],
  ["price_output", "9999999999"],
  ["prices", "llama 1"],
  ["prices", "ll*ama 1 2"],
  ["prices", "__proto__* x 2"],
  ["schedule", "sat\nwhenever"],
] as const)("%s of %j is a fault at that field", (field, text) => {
  expect(sent({ [field]: text })).toMatchObject({ ok: false, error: { field } });
});

test("what is fixed on its machine, or reads not back as it was, is no field", () => {
  const form = shown({ fixed: ["slots"], prices: { " a": { input: 1, output: 1 } } })?.form;
  expect(Object.keys(form?.texts ?? {})).toEqual(["price_input", "price_output", "schedule", "idle_only"]);
  // A field that the form never had is not heard.
  expect(termsTyped(formOf({ slots: "9" }))).toEqual({ ok: true, value: null });
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

test("prices that are too long for a form are left out of it, and the rest can be changed", () => {
  const prices = Object.fromEntries(
    Array.from({ length: 128 }, (_, i) => [`${i}`.padStart(250, "x"), { input: 1, output: 2 }]),
  );
  expect(Object.keys(shown({ prices })?.form?.texts ?? {})).not.toContain("prices");
  expect(sent({ slots: "4" }, { prices })).toEqual({ ok: true, value: { slots: 4 } });
});
