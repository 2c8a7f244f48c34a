// Continuation: what joins two parts of an answer.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Delta } from "../protocol/generation.ts";
import { cut, noteShown, nothingShown, type Shown, seam, type TakeOver, waysToTakeOver } from "./continuation.ts";

const shownBy = (...deltas: Delta[]): Shown => {
  const shown = nothingShown();
  noteShown(shown, deltas);
  return shown;
};
const PLAIN = { task: "chat", choices: 1, structured: false, repeatable: false, bodyJson: "{}" } as const;
const call = (index: number, fields: { id?: string; name?: string; arguments?: string }): Delta => {
  const { id, ...called } = fields;
  return { tool_calls: [{ index, ...(id === undefined ? {} : { id, type: "function" as const }), function: called }] };
};
/** What readers have after both parts, or why there is no second. */
function joined(how: TakeOver, before: Delta[], after: Delta[]): Shown | string {
  const shown = shownBy(...before);
  const joint = seam(how, shown);
  const rest = joint.join(after);
  if (typeof rest === "string") return rest;
  expect(rest.length).toBe(after.length);
  const early = joint.ends();
  if (early !== undefined) return early;
  noteShown(shown, rest);
  return shown;
}

describe("ways", () => {
  test.each([
    ["text is continued", PLAIN, shownBy({ content: "a" }), ["continue"]],
    [
      "or made again, where that gives the same",
      { ...PLAIN, repeatable: true },
      shownBy({ content: "a" }),
      ["continue", "replay"],
    ],
    ["a tool call follows the text before it", PLAIN, shownBy(call(0, { name: "f" })), ["continue"]],
    ["reasoning alone only repeats", { ...PLAIN, repeatable: true }, shownBy({ reasoning_content: "hm" }), ["replay"]],
    [
      "a fixed format only repeats",
      { ...PLAIN, structured: true, repeatable: true },
      shownBy({ content: "{" }),
      ["replay"],
    ],
  ] as const)("%s", (_, spec, shown, ways) => {
    expect(waysToTakeOver(spec, shown)).toEqual([...ways]);
  });

  test("nor is more sent than a link carries", () => {
    const large = { ...PLAIN, bodyJson: "x".repeat(47 * 1024 * 1024) };
    const shown = shownBy(...Array.from({ length: 4 }, () => ({ content: "\u0000".repeat(64 * 1024) })));
    expect(waysToTakeOver(large, shown)).toContain("longer than a link carries");
    expect(waysToTakeOver({ ...large, repeatable: true }, shown)).toEqual(["replay"]);
    expect(waysToTakeOver(PLAIN, shown)).toEqual(["continue"]);
  });

  test("nor for more than any context takes, which is not kept either", () => {
    const shown = shownBy(...Array.from({ length: 70 }, () => ({ content: "x".repeat(64 * 1024) })));
    expect([waysToTakeOver(PLAIN, shown), shown.text]).toEqual([expect.stringContaining("too long"), ""]);
  });

  test.each([
    ["embeddings", { ...PLAIN, task: "embedding" as const }, nothingShown()],
    ["several choices", { ...PLAIN, choices: 2 }, shownBy({ content: "a" })],
    ["another choice", PLAIN, shownBy({ index: 1, content: "a" })],
    ["a refusal", PLAIN, shownBy({ refusal: "no" })],
    ["reasoning at random", PLAIN, shownBy({ reasoning_content: "hm" })],
    ["JSON at random", { ...PLAIN, structured: true }, shownBy({ content: "{" })],
  ])("none for %s, and it says why", (_, spec, shown) => {
    expect(waysToTakeOver(spec, shown)).toBeString();
  });
});

test("the cut is never inside a character, and before white space", () => {
  expect(cut("one two \n")).toEqual({ answered: "one two", rest: " \n" });
  expect(cut("one")).toEqual({ answered: "one", rest: "" });
  expect(cut("a\ud83d")).toEqual({ answered: "a", rest: "\ud83d" });
  expect(cut("a😀")).toEqual({ answered: "a😀", rest: "" });
  expect(cut(" \n")).toEqual({ answered: "", rest: " \n" });
});

describe("continue", () => {
  test("white space at the cut is not repeated, whichever way it comes", () => {
    expect(joined("continue", [{ content: "one " }], [{ content: " two" }])).toMatchObject({ text: "one two" });
    expect(joined("continue", [{ content: "one \n" }], [{ content: " " }, { content: "\ntwo" }])).toMatchObject({
      text: "one \ntwo",
    });
    expect(joined("continue", [{ content: "one " }], [{ content: "two" }])).toMatchObject({ text: "one two" });
    expect(joined("continue", [{ content: "one\n\n" }], [{ content: "\ntwo" }])).toMatchObject({ text: "one\n\ntwo" });
  });

  test("the words of the rest are kept, though they are those that were said", () => {
    expect(joined("continue", [{ content: "na" }], [{ content: "na na" }])).toMatchObject({ text: "nana na" });
  });

  test("a tool call that had begun is finished, and its id stays the first one", () => {
    const before = [
      { content: "so " },
      call(0, { id: "a", name: "f", arguments: "" }),
      call(0, { arguments: '{"q":' }),
    ];
    const again = [
      call(0, { id: "b", name: "f", arguments: '{"q"' }),
      call(0, { arguments: ":1}" }),
      call(1, { id: "c", name: "g", arguments: "{}" }),
    ];
    const joint = seam("continue", shownBy(...before));
    expect(joint.join(again)).toEqual([
      { content: "" },
      call(0, { arguments: "1}" }),
      call(1, { id: "c", name: "g", arguments: "{}" }),
    ]);
    expect(joint.ends()).toBeUndefined();
  });

  test("another tool call, or none, is no continuation", () => {
    const before = [call(0, { id: "a", name: "f", arguments: '{"q":1' })];
    expect(joined("continue", before, [call(0, { id: "b", name: "g", arguments: "{}" })])).toContain("differently");
    expect(joined("continue", before, [call(0, { id: "b", name: "f", arguments: '{"z"' })])).toContain("differently");
    expect(joined("continue", before, [{ content: "never mind" }])).toContain("differently");
  });

  test("reasoning that comes again after the text is dropped", () => {
    const before = [{ reasoning_content: "hm" }, { content: "so" }];
    expect(joined("continue", before, [{ reasoning_content: "well" }, { content: "!" }])).toMatchObject({
      text: "so!",
      reasoning: "hm",
    });
  });

  test("logprobs go with the text they are of", () => {
    const joint = seam("continue", shownBy({ content: "one " }));
    expect(
      joint.join([
        { content: " ", logprobs: { content: [1] } },
        { content: "two", logprobs: { content: [2] } },
      ]),
    ).toEqual([{ content: "" }, { content: "two", logprobs: { content: [2] } }]);
  });
});

describe("replay", () => {
  test("another answer is told from the same one at its first sign", () => {
    expect(joined("replay", [{ content: "one two" }], [{ content: "one t" }, { content: "hree" }])).toContain(
      "differently",
    );
    expect(joined("replay", [{ content: "one two" }], [{ content: "one" }])).toContain("differently");
    expect(joined("replay", [{ reasoning_content: "hm" }], [{ reasoning_content: "well" }])).toContain("differently");
  });

  const piece: fc.Arbitrary<Delta> = fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 4 }).map((content) => ({ content })),
    fc.string({ minLength: 1, maxLength: 4 }).map((reasoning_content) => ({ reasoning_content })),
    fc
      .record({ index: fc.nat({ max: 2 }), text: fc.string({ maxLength: 4 }) })
      .map(({ index, text }) => call(index, { name: "", arguments: text })),
  );

  test("the same answer in other pieces joins to itself, wherever it broke", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.nat({ max: 12 }), fc.boolean(), (answer, at, inHalves) => {
        const again = inHalves ? answer.flatMap(halves) : answer;
        const whole = shownBy(...answer);
        expect(joined("replay", answer.slice(0, at), again)).toEqual(whole);
      }),
    );
  });
});

/** The same text in two deltas. */
function halves(delta: Delta): Delta[] {
  const { content } = delta;
  if (content === undefined || content.length < 2) return [delta];
  return [{ content: content.slice(0, 1) }, { content: content.slice(1) }];
}
