// What doctor says of the machine and of the node's links, from what was seen of them.
import { describe, expect, test } from "bun:test";
import type { Status } from "../../admin/operations.ts";
import type { Gpu } from "../../daemon/device/gpu.ts";
import { pubkeySchema } from "../../protocol/primitives.ts";
import type { FoundBackend } from "./backends.ts";
import { checkBackends } from "./backends.ts";
import { standingAt, statusChecks } from "./links.ts";
import { checkMachine, checkModelsFit, type SeenMachine } from "./machine.ts";

const gpu: Gpu = {
  vendor: "nvidia",
  name: "NVIDIA GeForce RTX 4090",
  driver: "550.54.14",
  vramMib: 24_564,
  vramUsedMib: 1_000,
  temperatureC: null,
  busyPercent: 3,
  unified: false,
};
const machine = (more: Partial<SeenMachine> = {}): SeenMachine => ({
  os: "Linux",
  arch: "x64",
  cpu: "CPU",
  cores: 8,
  memoryMib: 65_536,
  memoryFreeMib: 60_000,
  gpus: [gpu],
  gpuTrouble: null,
  modelsPath: "/models",
  diskFreeMib: 100_000,
  ...more,
});
const states = (given: SeenMachine) => Object.fromEntries(checkMachine(given).map(({ name, state }) => [name, state]));

describe("a machine", () => {
  test("above the floor is good, with what it has", () => {
    expect(states(machine())).toEqual({ memory: "good", GPU: "good", "models' disk": "good", "what fits": "good" });
    const [, card] = checkMachine(machine());
    expect(card?.message).toBe("NVIDIA GeForce RTX 4090: 24.0 GiB, 1.0 GiB in use, 3 % busy, driver 550.54.14");
  });

  test("each part under the floor is a warning with a mend, never worse", () => {
    const small = machine({ memoryMib: 8_000, gpus: [], diskFreeMib: 100 });
    expect(states(small)).toMatchObject({ memory: "warning", GPU: "warning", "models' disk": "warning" });
    for (const check of checkMachine(small)) if (check.state === "warning") expect(check.mend).toBeTruthy();
  });

  test("a driver that does not answer is bad", () => {
    const trouble = machine({ gpus: [], gpuTrouble: "nvidia-smi is there and does not answer" });
    expect(checkMachine(trouble).find(({ name }) => name === "GPU")).toMatchObject({ state: "bad" });
  });
});

const backend = (kind: string, served: FoundBackend["served"], slots: number | null = 1): FoundBackend => ({
  kind,
  url: "http://127.0.0.1:11434",
  models: served.length,
  served,
  slots,
  error: null,
});

test("models that are larger than the GPU, or than all memory, are named", () => {
  const model = (name: string) => ({ name, context_length: 8192, quantization: "Q4_K_M" });
  const found = [backend("ollama", [model("llama3.1:8b"), model("llama3.3:70b"), model("big:671b"), model("mixtral")])];
  const names = checkModelsFit(machine(), found).map(({ name, state }) => [name, state]);
  expect(names).toEqual([
    ["model llama3.3:70b at ollama", "warning"],
    ["model big:671b at ollama", "warning"],
  ]);
  const far = found.map((entry) => ({ ...entry, url: "http://10.0.0.9:11434" }));
  expect(checkModelsFit(machine(), far)).toEqual([]);
});

test("a context below what is wanted is named with how to set it", () => {
  const short = [backend("ollama", [{ name: "m", context_length: 4096, quantization: null }])];
  const checks = checkBackends(short, { node: { slots: 0 } });
  expect(checks.find(({ name }) => name === "context of m")).toMatchObject({
    state: "warning",
    mend: expect.stringContaining("OLLAMA_CONTEXT_LENGTH"),
  });
});

describe("links", () => {
  const pubkey = pubkeySchema.parse("ab".repeat(32));
  const status = (
    state: Status["coordinators"][number]["state"],
    error: string | null,
    node: Status["node"],
  ): Status => ({
    running: true,
    mode: "node",
    version: "1",
    pubkey,
    url: null,
    pid: 1,
    started_ms: 1,
    nodes: { online: 0, known: 0, pending: 0 },
    models: [],
    jobs: { queued: 0, running: 0 },
    node,
    coordinators: [{ url: "https://c.example", state, error }],
  });
  const available = { status: "available" as const, reason: null };

  test.each([
    ["connected", null, "good", undefined],
    ["connected", "price_input is 21", "warning", "mend what it names"],
    ["pending", null, "warning", "nodes approve abababababababab"],
    ["refused", "key_ejected: ejected", "bad", "nodes allow"],
    ["refused", "join_token_used: used", "bad", "setup --join TOKEN"],
    ["refused", "it holds another key", "bad", "node.coordinators"],
    ["connecting", "no answer", "warning", "dialled again"],
  ] as const)("%s (%p) is %s", (state, error, expected, mend) => {
    const [link] = statusChecks(status(state, error, available));
    expect(link?.state).toBe(expected);
    if (mend !== undefined) expect(link?.mend).toContain(mend);
  });

  test("a pause is told with its reason", () => {
    const paused = status("connected", null, { status: "paused", reason: "the GPU is in use by others" });
    expect(statusChecks(paused)[1]).toMatchObject({
      state: "warning",
      message: "no, paused: the GPU is in use by others",
    });
  });

  test.each([
    [200, "", "good"],
    [401, "wrong_recipient", "bad"],
    [200, "key_pending", "warning"],
    [403, "key_pending", "warning"],
    [401, "not_registered", "skipped"],
    [403, "key_ejected", "bad"],
    [401, "key_unknown", "skipped"],
    [401, "clock_skew", "bad"],
    [404, "not_found", "skipped"],
    [500, "", "skipped"],
  ])("an answer of %d %s is %s", (code, reason, state) => {
    const check = standingAt("standing", code, reason, pubkey);
    expect(check.state).toBe(state as typeof check.state);
    expect(check.mend !== undefined).toBe(state === "bad" || state === "warning");
  });
});
