// Prose: what of Markdown is shown as it is meant, and that nothing of it becomes anything but text.
import { expect, test } from "bun:test";
import { Answer } from "./prose.tsx";

const shown = async (text: string): Promise<string> => String(await Answer({ id: "x", text }));

test("bold, code within a line, headings and lists are shown as they are meant", async () => {
  expect(await shown("## What `it` is\nIt **is** `a*b`.\n\n- one\n  * two")).toBe(
    '<div class="answer" dir="auto"><b>What `it` is</b>\nIt <b>is</b> <code>a*b</code>.\n\n' +
      '<span class="item">• one</span><span class="item">  • two</span></div>',
  );
});

test("what is no mark stays as it was written", async () => {
  const plain = "a ** b ** c, 2*3*4, `open, #1, -5, ---\n1. first\n\n  indented";
  expect(await shown(plain)).toBe(`<div class="answer" dir="auto">${plain}</div>`);
});

test("code stands by itself, with a button that copies it, and no empty lines around it", async () => {
  const html = await shown("Look:\n\n```js\n**a** <b>\n```\n\nDone.");
  expect(html).toContain('<div class="answer" dir="auto">Look:</div>');
  expect(html).toContain('aria-label="Code">**a** &lt;b&gt;</pre>');
  expect(html).toContain('data-from="code-x-1"');
  expect(html).toContain('<div class="answer" dir="auto">Done.</div>');
});

test("neither markup nor links come of it, within marks or without", async () => {
  const html = await shown("**<img src=x>** `<b>` [a](javascript:alert) https://example.org\n# <script>\n- <i>");
  expect(html).not.toMatch(/<(img|script|a|i)\b/);
  expect(html).toContain("[a](javascript:alert)");
});

test("a long line of marks that never close is shown as it is", async () => {
  for (const piece of ["*", "** ", "# ", "-  "]) {
    const line = piece.repeat(96_000 / piece.length);
    expect(await shown(`${line}x`)).toContain(line.slice(-9));
  }
});

test("an answer of thousands of lines, of code or of nothing, is shown as it came", async () => {
  for (const piece of ["\n", "```\n", "```\n```\n", "- a\n"]) {
    const text = `a\n${piece.repeat(96_000 / piece.length)}b`;
    expect(await shown(text)).toBe(`<div class="answer" dir="auto">${text}</div>`);
  }
});
