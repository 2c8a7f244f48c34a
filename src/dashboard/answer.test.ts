// Answers as browsers get them.
import { expect, test } from "bun:test";
import { toastAnswer } from "./answer.ts";

test("a toast travels in a header, whatever it quotes: short, and of printable ASCII", () => {
  const quoted = `\u007f\u0000\r\n\u202e\ud800é"${"𝕏".repeat(10_000)}`;
  const answer = toastAnswer(new Request("http://example.test/"), { text: quoted, kind: "bad" }, 422);
  const header = answer.headers.get("hx-trigger") ?? "";
  expect(header).toMatch(/^[ -~]+$/);
  expect(header.length).toBeLessThan(3_000);
  const { toast } = JSON.parse(header) as { toast: { text: string; kind: string } };
  expect([toast.text.slice(0, 8), toast.text.at(-1), toast.kind]).toEqual([quoted.slice(0, 8), "…", "bad"]);
});
