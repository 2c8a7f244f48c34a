import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ReadCall, readTools, ToolCallText, templateHasTools } from "./tool-calls.ts";

function read(pieces: string[]): { content: string; calls: ReadCall[] } {
  const text = new ToolCallText();
  const parts = [...pieces.map((piece) => text.push(piece)), text.end()];
  return { content: parts.map((part) => part.content).join(""), calls: parts.flatMap((part) => part.calls) };
}

describe("tool calls in text", () => {
  const CALLS =
    'Let me see. \n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>\n<tool_call>{"name":"g"}</tool_call>';
  const EXPECTED = {
    content: "Let me see.",
    calls: [
      { name: "f", arguments: '{"a":1}' },
      { name: "g", arguments: "{}" },
    ],
  };
  test("text and calls are parted wherever the pieces are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(CALLS.length)), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), CALLS.length];
        expect(read(at.slice(1).map((end, i) => CALLS.slice(at[i], end)))).toEqual(EXPECTED);
      }),
    );
  });
  test("a call that is not closed is read, one that is cut off or no call is text", () => {
    expect(read(['<tool_call>{"name":"f","arguments":{}}']).calls).toHaveLength(1);
    expect(read(['<tool_call>{"name":"f","argu'])).toEqual({ content: '<tool_call>{"name":"f","argu', calls: [] });
    expect(read(["<tool_call>hello</tool_call>"]).content).toBe("<tool_call>hello</tool_call>");
  });
  test("plain text is given whole, spaces too", () => {
    expect(read(["a < b ", " <tool", "box> \n"])).toEqual({ content: "a < b  <toolbox> \n", calls: [] });
  });
});

describe("wanted tools", () => {
  const tools = [
    { type: "function", function: { name: "f", parameters: { type: "object" } } },
    { type: "function", function: { name: "g" } },
  ];
  const forced = (choice: unknown) => {
    const wanted = readTools({ tools, tool_choice: choice }, true);
    return wanted.ok ? (wanted.value?.forced?.map(({ name }) => name) ?? null) : wanted.error;
  };
  test("tool_choice forces none, any or one", () => {
    expect(forced("auto")).toBeNull();
    expect(forced("none")).toBeNull();
    expect(forced("required")).toEqual(["f", "g"]);
    expect(forced({ type: "function", function: { name: "g" } })).toEqual(["g"]);
    expect(forced({ type: "function", function: { name: "h" } })).toContain("tool_choice");
  });
  test("a model without tools refuses them, and takes a list that is empty", () => {
    expect(readTools({ tools }, false).ok).toBe(false);
    expect(readTools({ tools: [] }, false)).toEqual({ ok: true, value: null });
    expect(readTools({ tools: [{ type: "web_search" }] }, true).ok).toBe(false);
  });
  test("a template knows tools where it has both their list and the marks", () => {
    expect(templateHasTools("{% if tools %}<tool_call>{% endif %}")).toBe(true);
    expect(templateHasTools("{% if tools %}[TOOL_CALLS]{% endif %}")).toBe(false);
    expect(templateHasTools(null)).toBe(false);
  });
});
