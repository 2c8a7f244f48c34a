import { expect, test } from "bun:test";
import { answer } from "./answer.ts";

const STOP = [{ index: 0, reason: "stop" as const }];

test("an answer without a word is an empty message that stopped", () => {
  expect(answer().choices([])).toEqual([
    { index: 0, message: { role: "assistant", content: "", refusal: null }, logprobs: null, finish_reason: "stop" },
  ]);
});

test("pieces of several choices are folded by index, in its order", () => {
  const folded = answer();
  folded.add([{ index: 2, content: "c" }, { content: "a" }, { index: 2, content: "d" }]);
  const choices = folded.choices([
    { index: 2, reason: "length" },
    { index: 0, reason: "stop" },
    { index: 1, reason: "stop" },
  ]);
  expect(choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason])).toEqual([
    [0, "a", "stop"],
    [1, "", "stop"],
    [2, "cd", "length"],
  ]);
});

test("tool calls keep their first id and name, and their arguments are strung together; content is then null", () => {
  const folded = answer();
  folded.add([
    { tool_calls: [{ index: 1, id: "b", type: "function", function: { name: "g", arguments: "{" } }] },
    { tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "f", arguments: "" } }] },
    { tool_calls: [{ index: 1, id: "late", function: { name: "late", arguments: "}" } }] },
  ]);
  const [choice] = folded.choices([{ index: 0, reason: "tool_calls" }]);
  expect(choice?.message).toEqual({
    role: "assistant",
    content: null,
    refusal: null,
    tool_calls: [
      { id: "a", type: "function", function: { name: "f", arguments: "" } },
      { id: "b", type: "function", function: { name: "g", arguments: "{}" } },
    ],
  });
});

test("reasoning, refusal and the lists of logprobs are strung together", () => {
  const folded = answer();
  folded.add([
    { reasoning_content: "h", logprobs: { content: [{ token: "a" }] } },
    { reasoning_content: "m", refusal: "n", logprobs: { content: [{ token: "b" }], refusal: null } },
    { refusal: "o", logprobs: "nonsense" },
  ]);
  const [choice] = folded.choices(STOP);
  expect(choice?.message).toEqual({ role: "assistant", content: "", refusal: "no", reasoning_content: "hm" });
  expect(choice?.logprobs).toEqual({ content: [{ token: "a" }, { token: "b" }] });
});

test("cleared, nothing is left", () => {
  const folded = answer();
  folded.add([{ content: "old", tool_calls: [{ index: 0, id: "a" }] }]);
  folded.clear();
  folded.add([{ content: "new" }]);
  expect(folded.choices(STOP)[0]?.message).toEqual({ role: "assistant", content: "new", refusal: null });
});
