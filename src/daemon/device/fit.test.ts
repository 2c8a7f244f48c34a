// What fits which machine: the arithmetic against models people know, and the advice.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { firstModel, fits, largest, underTheFloor, weightsInName, weightsMib } from "./fit.ts";
import type { Gpu } from "./gpu.ts";
import type { Machine } from "./machine.ts";

const gpu = (vramMib: number | null, more: Partial<Gpu> = {}): Gpu => ({
  vendor: "nvidia",
  name: "GPU",
  driver: null,
  vramMib,
  vramUsedMib: null,
  busyPercent: null,
  temperatureC: null,
  unified: false,
  ...more,
});
const machine = (memoryMib: number, ...gpus: Gpu[]): Machine => ({
  os: "Linux",
  arch: "x64",
  cpu: "CPU",
  cores: 8,
  memoryMib,
  memoryFreeMib: null,
  gpus,
  gpuTrouble: null,
});
const GIB = 1024;
const apple = gpu(null, { vendor: "apple", unified: true });

describe("what fits", () => {
  test("weights are as large as the files people download", () => {
    const weights = (size: string, quantization: string) =>
      fits(machine(0)).find((fit) => fit.size === size && fit.quantization === quantization)?.weightsMib ?? 0;
    // llama3.1:8b at Q4_K_M is a file of 4.9 GB, llama3.3:70b one of 43 GB, 8B at F16 one of 16 GB.
    expect(weights("8B", "Q4_K_M") / GIB).toBeCloseTo(4.9 / 1.074, 0);
    expect(weights("70B", "Q4_K_M") / GIB).toBeCloseTo(43 / 1.074, 0);
    expect(weights("8B", "F16") / GIB).toBeCloseTo(16 / 1.074, 0);
  });

  test.each([
    ["a card of 24 GB", machine(64 * GIB, gpu(24_564)), "32B", null],
    ["a card of 8 GB", machine(16 * GIB, gpu(8_192)), "8B", null],
    ["a card of 4 GB", machine(16 * GIB, gpu(4_096)), "3B", "8B"],
    ["two cards of 24 GB", machine(64 * GIB, gpu(24_564), gpu(24_564)), "70B", null],
    ["no card, 16 GB", machine(16 * GIB), null, "8B"],
    ["no card, 4 GB", machine(4 * GIB), null, "1B"],
    ["a Mac with 16 GB", machine(16 * GIB, apple), "14B", null],
    ["a Mac with 64 GB", machine(64 * GIB, apple), "32B", null],
    ["a laptop's integrated graphics", machine(16 * GIB, gpu(null, { vendor: "intel", unified: true })), null, "8B"],
  ] as const)("%s", (_, given, onGpu, inMemory) => {
    const rows = fits(given);
    expect([largest(rows, "gpu")?.size ?? null, largest(rows, "memory")?.size ?? null]).toEqual([onGpu, inMemory]);
  });

  test("each row says why", () => {
    const rows = fits(machine(16 * GIB, gpu(8_192)));
    const reason = (size: string, quantization: string) =>
      rows.find((fit) => fit.size === size && fit.quantization === quantization)?.reason;
    expect(reason("8B", "Q4_K_M")).toBe("needs 5.5 GiB of 7.3 GiB on the GPU");
    expect(reason("3B", "F16")).toContain("on the GPU");
    expect(reason("14B", "Q4_K_M")).toBe("needs 9.9 GiB: too slow on a processor");
    expect(reason("70B", "F16")).toBe("needs 134.0 GiB; there is 13.3 GiB");
  });

  test("more memory never fits less", () => {
    const mib = fc.integer({ min: 0, max: 200_000 });
    fc.assert(
      fc.property(mib, mib, mib, (memory, vram, more) => {
        const rank = { none: 0, memory: 1, gpu: 2 };
        const before = fits(machine(memory, gpu(vram)));
        const after = fits(machine(memory + more, gpu(vram + more)));
        before.forEach((fit, i) => {
          expect(rank[after[i]?.place ?? "none"]).toBeGreaterThanOrEqual(rank[fit.place]);
        });
      }),
    );
  });
});

test("the first model is small, fits with ease, and has room on the disk", () => {
  expect(firstModel(machine(64 * GIB, gpu(24_564)), null)).toBe("llama3.1:8b");
  expect(firstModel(machine(64 * GIB, gpu(24_564)), 4_000)).toBe("llama3.2:3b");
  expect(firstModel(machine(16 * GIB), null)).toBe("llama3.2:3b");
  expect(firstModel(machine(4 * GIB), null)).toBe("llama3.2:1b");
  expect(firstModel(machine(1 * GIB), 10)).toBe("llama3.2:1b");
});

describe("advice", () => {
  const about = (given: Machine, diskMib: number | null = null) =>
    underTheFloor(given, diskMib).map((entry) => entry.about);
  test("nothing to say of a machine above the floor", () => {
    expect(about(machine(16_000, gpu(8_188)), 50_000)).toEqual([]);
    expect(about(machine(16 * GIB, apple), 50_000)).toEqual([]);
  });
  test("what is under it is named, with what to do", () => {
    expect(about(machine(8 * GIB, gpu(6_144)), 1_000)).toEqual(["memory", "gpu", "disk"]);
    expect(about(machine(64 * GIB), 50_000)).toEqual(["gpu"]);
    for (const { message, mend } of underTheFloor(machine(GIB), 1)) expect([message, mend]).not.toContain("");
  });
});

test.each([
  ["llama3.1:8b", 8e9],
  ["llama3.1:8b-instruct-q4_K_M", 8e9],
  ["Qwen/Qwen2.5-0.5B-Instruct", 0.5e9],
  ["meta-llama/Llama-3.3-70B-Instruct", 70e9],
  ["gpt-oss:120b", 120e9],
  ["mixtral", null],
  ["phi3", null],
  ["b8b", null],
])("weights in the name %s", (name, weights) => {
  expect(weightsInName(name)).toBe(weights);
});

test("a served model's size is told where name and quantisation say it", () => {
  expect(weightsMib("llama3.1:8b", "Q4_K_M")).toBe(4626);
  expect(weightsMib("llama3.1:8b", null)).toBeNull();
  expect(weightsMib("mixtral", "Q4_0")).toBeNull();
});
