import { expect, test } from "bun:test";
import type { CommandRow } from "../../src/admin/operations.ts";
import { commandState, progressOf } from "./command.ts";

const row = (over: Partial<CommandRow>): CommandRow => ({
  ...{
    id: "c",
    node: "n" as CommandRow["node"],
    node_name: "gpu-1",
    online: true,
    command: "model_install",
    model: "m",
  },
  ...{
    state: "running",
    cancelling: false,
    progress: null,
    error: null,
    created_ms: 0,
    delivered_ms: 0,
    ended_ms: null,
  },
  ...over,
});
const at = (completed: number | null, total: number | null) => ({
  progress: { phase: "pulling manifest", completed, total },
});

test.each([
  [{ state: "queued" }, "wait", "Waits for its turn"],
  [{ state: "queued", online: false }, "wait", "Waits for the node"],
  [{}, "live", "Installing"],
  [{ cancelling: true }, "live", "Stopping"],
  [{ online: false }, "live", "Waits for the node"],
  [{ state: "failed" }, "bad", "Not installed"],
  [{ state: "failed", command: "model_remove" }, "bad", "Not removed"],
  [{ state: "refused" }, "bad", "Refused by the node"],
  [{ state: "cancelled" }, "off", "Cancelled"],
] as const)("a command that is %j reads so", (over, tone, words) => {
  expect(commandState(row(over))).toEqual([tone, words]);
});

test("progress says how much is there, and how long the rest takes at that pace", () => {
  const half = progressOf(row(at(8_700_000_000, 17_400_000_000)), 60_000);
  expect(half).toEqual({ percent: 50, words: "8.7 of 17.4 GB · 1 min 0 s left" });
  expect(progressOf(row(at(500_000, 1_000_000)), 1_000)?.words).toBe("500 kB of 1.0 MB");
  expect(progressOf(row(at(0, 1_000_000)), 60_000)).toEqual({ percent: 0, words: "0 of 1.0 MB" });
  expect(progressOf(row(at(1_000_000, 1_000_000)), 60_000)?.words).toBe("1.0 of 1.0 MB");
});

test("what is not counted is said in the node's words, and what is over has no progress", () => {
  expect(progressOf(row(at(null, null)), 0)).toEqual({ percent: null, words: "pulling manifest" });
  expect(progressOf(row(at(5, 0)), 0)?.percent).toBeNull();
  expect(progressOf(row({ ...at(1, 2), state: "completed" }), 0)).toBeNull();
});
