// The bar, by what it writes to the terminal.
import { expect, test } from "bun:test";
import type { Terminal } from "./context.ts";
import { byteProgress } from "./progress.ts";

function terminal(stderrIsTty: boolean): { terminal: Terminal; written: () => string } {
  let written = "";
  const silent = { out: () => undefined, readStdin: async () => "", question: async () => null };
  const looks = { stdinIsTty: false, stdoutIsTty: false, stderrIsTty, colors: false };
  return {
    terminal: {
      ...silent,
      ...looks,
      err(text) {
        written += text;
      },
    },
    written: () => written,
  };
}

test("at a terminal it says how much of how much, and ends its line", () => {
  const screen = terminal(true);
  const bar = byteProgress(screen, "infernet 1.2.3", 150_000_000);
  bar.to(150_000_000);
  bar.end();
  expect(screen.written()).toContain("infernet 1.2.3");
  expect(screen.written()).toContain("0.0/150.0 MB");
  expect(screen.written()).toContain("100 %  150.0/150.0 MB");
  expect(screen.written()).toEndWith("\n");
});

test("where nobody looks it writes nothing", () => {
  const pipe = terminal(false);
  const bar = byteProgress(pipe, "infernet 1.2.3", 10);
  bar.to(5);
  bar.end();
  expect(pipe.written()).toBe("");
});
