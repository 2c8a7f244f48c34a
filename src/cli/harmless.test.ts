import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CliError, EXIT, errorLines } from "./cli-error.ts";
import { harmless, harmlessJson, harmlessText } from "./harmless.ts";
import { relativeTime, table } from "./table.ts";

/** Whatever a terminal could act on, save the line feed and tab of running text. */
const DANGEROUS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const hostile = fc.string({ unit: "binary", maxLength: 60 });

describe("text from strangers", () => {
  test.each([
    ["a\u001b[31mred\u001b[0m", "a\\u{1b}[31mred\\u{1b}[0m"],
    ["title\u001b]0;owned\u0007", "title\\u{1b}]0;owned\\u{7}"],
    ["two\nlines\r\n", "two\\u{a}lines\\u{d}\\u{a}"],
    ["c1\u009b2J", "c1\\u{9b}2J"],
    ["gpu\u202egnp.exe", "gpu\\u{202e}gnp.exe"],
    ["zero\u200bwidth\ufeff", "zero\\u{200b}width\\u{feff}"],
    ["tag\u{e0041}", "tag\\u{e0041}"],
    ["half\ud83d", "half\\u{d83d}"],
    ["plain GPU ünï 模型 🦙", "plain GPU ünï 模型 🦙"],
  ])("%j is shown as %j", (text, shown) => {
    expect(harmless(text)).toBe(shown);
  });

  test("right-to-left letters cannot reorder what stands beside them", () => {
    expect(harmless("שלום 1/4")).toBe("\u2068שלום 1/4\u2069");
  });

  test("a pile of marks is cut down, a long name too", () => {
    expect(harmless(`e${"\u0301".repeat(50)}`)).toBe(`e${"\u0301".repeat(4)}`);
    expect(Array.from(harmless("🦙".repeat(500), 10))).toHaveLength(10);
  });

  test("no name reaches a table or an error line with anything that a terminal acts on", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const isolated = harmless(text).replace(/^\u2068|\u2069$/g, "");
        expect(isolated).not.toMatch(DANGEROUS);
        const cells = table(["NAME"], [[text]]).replaceAll(/[\u2068\u2069\n]/g, "");
        expect(cells).not.toMatch(DANGEROUS);
        expect(table(["NAME"], [[text]]).split("\n")).toHaveLength(3);
      }),
    );
  });

  test("running text keeps its lines, tabs, joiners and scripts, and nothing else that acts", () => {
    expect(harmlessText("a\r\nb\tc 👩‍💻 می‌خواهم\u001b[2J")).toBe("a\nb\tc 👩‍💻 می‌خواهم\\u{1b}[2J");
    fc.assert(
      fc.property(hostile, (text) => {
        expect(harmlessText(text).replaceAll(/[\n\t\u200c\u200d]/g, "")).not.toMatch(DANGEROUS);
      }),
    );
  });

  test("JSON means the same and acts on nothing", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
        const text = harmlessJson(value);
        expect(text.replaceAll("\n", "")).not.toMatch(DANGEROUS);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe("errors", () => {
  test("say what happened and what to do next, without a stack", () => {
    const error = new CliError("no such node", { hint: "see `infernet nodes list`", exitCode: EXIT.failed });
    expect(errorLines(error, false)).toBe("infernet: error: no such node\ninfernet: hint: see `infernet nodes list`\n");
  });

  test("of a fault nobody expected point to --debug, which shows stack and causes", () => {
    const error = new TypeError("x is not a function", { cause: new Error("deeper") });
    expect(errorLines(error, false)).toBe(
      "infernet: error: x is not a function\ninfernet: hint: run it again with --debug to see where\n",
    );
    expect(errorLines(error, true)).toMatch(/harmless\.test\.ts[\s\S]*caused by Error: deeper/);
  });

  test("cannot carry an escape to the terminal", () => {
    expect(errorLines(new CliError("model \u001b[2J"), false)).not.toContain("\u001b");
  });
});

test("times read as people say them", () => {
  const now = 1_000_000_000_000;
  expect(relativeTime(now - 5_000, now)).toBe("5 s ago");
  expect(relativeTime(now - 600_000, now)).toBe("10 min ago");
  expect(relativeTime(now + 86_400_000, now)).toBe("in 24 h");
  expect(relativeTime(now - 30 * 86_400_000, now)).toBe("30 d ago");
  expect(relativeTime(null, now)).toBeNull();
});
