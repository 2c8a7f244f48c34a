import { describe, expect, test } from "bun:test";
import type { Delta, ToolCallDelta } from "../protocol/generation.ts";
import { Answer, type AnswerOptions } from "./answer.ts";

function answer(options: AnswerOptions = {}): { answer: Answer; calls: () => ToolCallDelta[] } {
  const deltas: Delta[] = [];
  const made = new Answer(
    (delta) => {
      deltas.push(delta);
      return undefined;
    },
    { newCallId: () => "new", ...options },
  );
  const calls = () => {
    void made.queue.flush(true);
    return deltas.flatMap((delta) => delta.tool_calls ?? []);
  };
  return { answer: made, calls };
}
const fn = (name: string, args?: unknown) => ({
  function: { name, ...(args === undefined ? {} : { arguments: args }) },
});
/** Index, id, name and arguments of each fragment. */
const summary = (calls: ToolCallDelta[]) =>
  calls.map(({ index, id, function: f }) => [index, id ?? null, f?.name ?? null, f?.arguments ?? null]);

describe("tool calls", () => {
  test("without ids get one, at their first fragment only", () => {
    const { answer: made, calls } = answer();
    made.toolCalls(0, [fn("f", "")]);
    made.toolCalls(0, [{ function: { arguments: "{}" } }]);
    expect(calls()).toEqual([
      { index: 0, id: "new", type: "function", function: { name: "f", arguments: "" } },
      { index: 0, function: { arguments: "{}" } },
    ]);
  });

  test("ids that are made up differ", () => {
    const ids = new Set<string | undefined>();
    for (let i = 0; i < 100; i++) {
      const deltas: Delta[] = [];
      const made = new Answer((delta) => void deltas.push(delta));
      made.toolCalls(0, [fn("f", "{}")]);
      void made.queue.flush(true);
      ids.add(deltas[0]?.tool_calls?.[0]?.id);
    }
    expect(ids.size).toBe(100);
  });

  test("without index and id are told apart by their names", () => {
    const { answer: made, calls } = answer();
    made.toolCalls(0, [fn("f", { x: 1 }), fn("g", { y: 2 })]);
    expect(summary(calls())).toEqual([
      [0, "new", "f", '{"x":1}'],
      [1, "new", "g", '{"y":2}'],
    ]);
  });

  test("that all claim the same index are told apart by their ids", () => {
    const { answer: made, calls } = answer();
    made.toolCalls(0, [{ index: 0, id: "a", ...fn("f", "{}") }]);
    made.toolCalls(0, [{ index: 0, id: "b", ...fn("f", "{}") }]);
    expect(summary(calls())).toEqual([
      [0, "a", "f", "{}"],
      [1, "b", "f", "{}"],
    ]);
  });

  test("a server that repeats id and name in every fragment is heard once", () => {
    const { answer: made, calls } = answer();
    for (const args of ['{"x"', ":1}"]) made.toolCalls(0, [{ index: 0, id: "a", type: "function", ...fn("f", args) }]);
    expect(summary(calls())).toEqual([
      [0, "a", "f", '{"x"'],
      [0, null, null, ":1}"],
    ]);
  });

  test("of two choices do not mix", () => {
    const { answer: made } = answer();
    made.toolCalls(1, [fn("f", "{}")]);
    made.choice(0);
    made.finish(0, "stop");
    made.finish(1, "stop");
    expect(made.end().finish).toEqual([
      { index: 0, reason: "stop" },
      { index: 1, reason: "tool_calls" },
    ]);
  });
});

describe("finish reasons", () => {
  test("in the words of many servers", () => {
    const words = {
      stop: "stop",
      eos: "stop",
      end_turn: "stop",
      length: "length",
      max_tokens: "length",
      model_length: "length",
      tool_use: "stop",
      function_call: "stop",
      content_filter: "content_filter",
      "": "stop",
    };
    for (const [word, reason] of Object.entries(words)) {
      const { answer: made } = answer();
      made.finish(0, word);
      expect(made.end().finish).toEqual([{ index: 0, reason: reason as "stop" }]);
    }
  });

  test("with tools called, whatever the server says of a normal end", () => {
    for (const [word, reason] of [
      ["stop", "tool_calls"],
      ["function_call", "tool_calls"],
      ["tool_use", "tool_calls"],
      ["length", "length"],
    ] as const) {
      const { answer: made } = answer();
      made.toolCalls(0, [fn("f", "{}")]);
      made.finish(0, word);
      expect(made.end().finish).toEqual([{ index: 0, reason }]);
    }
  });
});

describe("usage", () => {
  test("the last one counts; by choice they are added up", () => {
    for (const [usageByChoice, expected] of [
      [false, { prompt_tokens: 7, completion_tokens: 2 }],
      [true, { prompt_tokens: 8, completion_tokens: 5 }],
    ] as const) {
      const { answer: made } = answer({ usageByChoice });
      made.setUsage(8, 3);
      made.setUsage(7, 2);
      expect(made.end().usage).toEqual(expected);
    }
  });

  test("what is no pair of counts is left out", () => {
    const { answer: made } = answer();
    for (const wrong of [-1, 1.5, "3", null, 2 ** 31]) made.setUsage(wrong, 1);
    expect(made.end().usage).toBeNull();
  });
});
