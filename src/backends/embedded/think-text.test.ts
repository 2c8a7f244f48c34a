import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { endsThinking, ThinkText, templateThinks } from "./think-text.ts";

function read(pieces: string[], opened = false): { reasoning: string; content: string } {
  const text = new ThinkText(opened);
  const parts = [...pieces.map((piece) => text.push(piece)), text.end()];
  return {
    reasoning: parts.map(({ reasoning }) => reasoning).join(""),
    content: parts.map(({ content }) => content).join(""),
  };
}

describe("thoughts", () => {
  test("are parted from the answer wherever the pieces are cut", () => {
    const whole = "\n<think>\na < b </thin\n</think>\n\n The <think> answer ";
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length)), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), whole.length];
        expect(read(at.slice(1).map((end, i) => whole.slice(at[i], end)))).toEqual({
          reasoning: "\na < b </thin\n",
          content: "The <think> answer ",
        });
      }),
    );
  });
  test("may have been opened by the prompt, and need not end", () => {
    expect(read(["so ", "it is</think>yes"], true)).toEqual({ reasoning: "so it is", content: "yes" });
    expect(read(["so it is</th"], true)).toEqual({ reasoning: "so it is</th", content: "" });
  });
  test("an answer without any is given as it is, spaces too", () => {
    expect(read([" ", "\n", "Hi "])).toEqual({ reasoning: "", content: " \nHi " });
    expect(read(["<thi"])).toEqual({ reasoning: "", content: "<thi" });
    expect(read([" "])).toEqual({ reasoning: "", content: " " });
  });
  test("templates that know them, and prompts that end in them", () => {
    expect(templateThinks("{{ '<think>\\n\\n</think>' }}")).toBe(true);
    expect(templateThinks("{{ messages }}")).toBe(false);
    expect(endsThinking("<|assistant|><think>\n")).toBe(true);
    expect(endsThinking("<|assistant|>")).toBe(false);
  });
});
