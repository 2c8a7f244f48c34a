import { expect, test } from "bun:test";
import type { BackendInfo } from "../../protocol/frames.ts";
import { does, noInstall, refusedBy } from "./abilities.ts";

const backend = (kind: BackendInfo["kind"], commands?: string[]): BackendInfo => ({
  ...{ kind, continues: false, healthy: true },
  ...(commands ? { commands } : {}),
});
const vllm = backend("vllm", []);
const ollama = backend("ollama", ["model_install", "model_remove"]);

test("a model is installed where one of the backends can", () => {
  expect(noInstall({ allows: ["models"] }, [vllm, ollama])).toBeNull();
  const none = noInstall({ allows: ["models"] }, [vllm, backend("embedded", ["model_load"]), vllm]);
  expect(none).toMatchObject({ words: expect.stringContaining("Its backends (vllm, embedded) cannot"), command: null });
  expect(noInstall({ allows: [] }, [vllm])?.words).toContain("Its backend (vllm) cannot");
});

test("a machine that does not let its models be changed is told with the command that would, and what else it lets", () => {
  expect(noInstall({ allows: ["drain"] }, [ollama])?.command).toBe(
    "infernet settings set node.allow_commands drain,models",
  );
  expect(refusedBy({ allows: ["drain", "models", "a_later_one"] })).toEqual([
    "resume",
    "restart",
    "refresh",
    "configure",
  ]);
});

test("what an older program does not say is tried", () => {
  expect(noInstall(null, [backend("vllm")])).toBeNull();
  expect(noInstall(null, [])).toBeNull();
  expect(refusedBy(null)).toEqual([]);
  expect(does({}, "model_remove")).toBe(true);
  expect(does(vllm, "model_remove")).toBe(false);
});
