import { describe, expect, test } from "bun:test";
import type { CommandRow } from "../admin/operations.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { commandView } from "./command-view.ts";

const row = (over: Partial<CommandRow> = {}): CommandRow => ({
  id: "1",
  node: "ab".repeat(32) as Pubkey,
  node_name: "gpu-1",
  online: true,
  command: "model_install",
  model: "m",
  state: "running",
  cancelling: false,
  progress: null,
  error: null,
  created_ms: 0,
  delivered_ms: null,
  ended_ms: null,
  ...over,
});
const at = (completed: number, total: number | null = 2_000_000_000) => ({ phase: "pulling", completed, total });

function shown(stderrIsTty: boolean) {
  const said: string[] = [];
  const view = commandView({ err: (text) => void said.push(text), stderrIsTty, columns: 200 });
  return { view, said, text: () => said.join("") };
}

describe("without a terminal there is a line", () => {
  test("for each step and each tenth, and one every 10 s, but not for what did not change", () => {
    const { view, said } = shown(false);
    view.show([row()], 0);
    for (const [i, bytes] of [0, 1, 150_000_000, 250_000_000, 260_000_000].entries())
      view.show([row({ progress: at(bytes) })], i);
    view.show([row({ progress: at(260_000_000) })], 10_004);
    view.show([row({ state: "completed" })], 10_005);
    expect(said).toEqual([
      "gpu-1: begins\n",
      "gpu-1: pulling 0 % (0 B of 2.0 GB)\n",
      "gpu-1: pulling 12 % (250.0 MB of 2.0 GB)\n",
      "gpu-1: pulling 13 % (260.0 MB of 2.0 GB)\n",
    ]);
  });

  test("that says what it waits for, and hides what a name does to a terminal", () => {
    const { view, said } = shown(false);
    view.show([row({ state: "queued", online: false, node_name: "\u001b[31mx" })], 0);
    view.show([row({ progress: { phase: "a\nb", completed: null, total: null }, cancelling: true })], 1);
    expect(said).toEqual(["\\u{1b}[31mx: waits for the node, which is not online\n", "gpu-1: a\\u{a}b (cancelling)\n"]);
  });
});

describe("at a terminal there is a bar for each node", () => {
  test("with its share, its bytes and its speed; the end stays in its place", () => {
    const { view, text } = shown(true);
    view.show([row({ progress: at(0) }), row({ id: "2", node_name: "gpu-2" })], 0);
    view.show([row({ progress: at(1_000_000_000) }), row({ id: "2", node_name: "gpu-2" })], 2_000);
    view.end();
    expect(text()).toContain("gpu-1     ████████████░░░░░░░░░░░░  50 %  1.0 GB of 2.0 GB  500.0 MB/s  pulling");
    expect(text()).toContain("gpu-2     begins");
    const { view: other, text: end } = shown(true);
    other.show([row({ state: "failed", error: "no such model" })], 0);
    other.end();
    expect(end()).toContain("gpu-1     failed: no such model");
  });
});
