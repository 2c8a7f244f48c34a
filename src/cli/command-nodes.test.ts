import { expect, test } from "bun:test";
import type { CommandRow } from "../admin/operations.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { newest } from "./command-nodes.ts";

const row = (id: string, state: CommandRow["state"]): CommandRow => ({
  id,
  node: pubkeySchema.parse("ab".repeat(32)),
  node_name: "gpu-1",
  online: true,
  command: "model_install",
  model: "llama3.2:1b",
  state,
  cancelling: false,
  progress: null,
  error: null,
  created_ms: 1,
  delivered_ms: null,
  ended_ms: null,
});

test("what an instance forgot in a restart is not waited for for ever", () => {
  const before = [row("a", "running"), row("b", "running"), row("c", "completed")];
  const now = newest(before, [row("a", "running")]);
  expect(now.map(({ id, state }) => [id, state])).toEqual([
    ["a", "running"],
    ["b", "failed"],
    ["c", "completed"],
  ]);
  expect(now[1]?.error).toMatch(/restarted/);
});
