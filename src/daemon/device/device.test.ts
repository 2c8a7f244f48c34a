// Devices: what vendors' tools and drivers say, and what is made of it. No machine that builds this has a GPU: the
// answers are fixtures, written after the tools' own documentation and recorded output of the versions they name.
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { err, ok } from "../../lib/result.ts";
import { deviceSchema } from "../../protocol/frames.ts";
import { amdGpus, amdUse, parseAmdSmi, parseRocmSmi } from "./amd.ts";
import { deviceOf, freeDiskMib, gpuOf, lookAtMachine } from "./machine.ts";
import { nvidiaUse, parseGpus, parseProcesses } from "./nvidia.ts";
import { type RunTool, runTool } from "./tool.ts";

const directory = mkdtempSync(join(tmpdir(), "infernet-device-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

// Fixture: nvidia-smi 550, --format=csv,noheader,nounits; two cards, and a Grace Hopper that shares its memory.
const NVIDIA_GPUS = `NVIDIA GeForce RTX 4090, 550.54.14, 24564, 18000, 87, 71
NVIDIA RTX A2000 12GB, 550.54.14, 12282, 1, 0, 34
`;
const NVIDIA_GRACE = "NVIDIA GH200 480GB, 550.54.14, [N/A], [N/A], [N/A], 48\n";
// Fixture: nvidia-smi 550 pmon -c 1 -s u.
const NVIDIA_PMON = `# gpu         pid   type     sm    mem    enc    dec    jpg    ofa    command 
# Idx           #    C/G      %      %      %      %      %      %    name 
    0       1234     C     52     30      -      -      -      -    ollama_llama_se
    0       4321     G     35     10      -      -      -      -    game.x86_64    
    0       9999   C+G      -      -      -      -      -      -    idle           
    1          -     -      -      -      -      -      -      -    -              
`;
// Fixture: pmon of driver 470, without the newer columns.
const NVIDIA_PMON_OLD = `# gpu        pid  type    sm   mem   enc   dec   command
# Idx          #   C/G     %     %     %     %   name
    0       77     C     99    50     -     -   python
`;

describe("NVIDIA", () => {
  test("cards, drivers and memory", () => {
    const [first, second] = parseGpus(NVIDIA_GPUS) ?? [];
    expect(first).toEqual({
      vendor: "nvidia",
      name: "NVIDIA GeForce RTX 4090",
      driver: "550.54.14",
      vramMib: 24_564,
      vramUsedMib: 18_000,
      busyPercent: 87,
      temperatureC: 71,
      unified: false,
    });
    expect(second?.busyPercent).toBe(0);
    expect(parseGpus(NVIDIA_GRACE)?.[0]).toMatchObject({ vramMib: null, busyPercent: null, unified: true });
    expect(parseGpus("")).toEqual([]);
  });

  test.each([
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
    "A, 1, 2, 3\n",
    "A, 1, 2, 3, 4, x\n",
    `${NVIDIA_GPUS}half a l`,
  ])("half an answer is none: %j", (text) => {
    expect(parseGpus(text)).toBeNull();
  });

  test("each process's share, in both forms", () => {
    expect(parseProcesses(NVIDIA_PMON)).toEqual([
      { gpu: 0, pid: 1234, percent: 52 },
      { gpu: 0, pid: 4321, percent: 35 },
      { gpu: 0, pid: 9999, percent: 0 },
    ]);
    expect(parseProcesses(NVIDIA_PMON_OLD)).toEqual([{ gpu: 0, pid: 77, percent: 99 }]);
    expect(parseProcesses("Not supported on the device(s)\n")).toBeNull();
    expect(parseProcesses("")).toBeNull();
  });

  test("processes are asked for only where there is something to tell apart", async () => {
    const asked: string[] = [];
    const run: RunTool = async ([, ...args]) => {
      asked.push(args[0] ?? "");
      return ok(args[0] === "pmon" ? NVIDIA_PMON : NVIDIA_GPUS);
    };
    const use = await nvidiaUse(run, 20);
    expect(use?.map(({ percent, processes }) => [percent, processes?.length])).toEqual([
      [87, 3],
      [0, 0],
    ]);
    await nvidiaUse(run, 90);
    expect(asked.filter((arg) => arg === "pmon")).toHaveLength(1);
    const noProcesses: RunTool = async ([, first]) => (first === "pmon" ? err("failed") : ok(NVIDIA_GPUS));
    expect((await nvidiaUse(noProcesses, 20))?.[0]).toEqual({ percent: 87, processes: null });
  });

  test("no driver is no GPU, one that does not answer is not known", async () => {
    expect(await nvidiaUse(async () => err("missing"), 20)).toEqual([]);
    expect(await nvidiaUse(async () => err("timed_out"), 20)).toBeNull();
  });
});

/** A tree of files as sysfs has it. */
function sysfs(files: Record<string, string>): string {
  const root = mkdtempSync(join(directory, "sys-"));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return root;
}
// Fixture: amdgpu's files of a desktop with an Intel chip, a Radeon and a second one that sleeps.
const AMD_FILES = {
  "class/drm/card0/device/vendor": "0x8086",
  "class/drm/card1/device/vendor": "0x1002",
  "class/drm/card1/device/mem_info_vram_total": "25753026560",
  "class/drm/card1/device/mem_info_vram_used": "1048576000",
  "class/drm/card1/device/gpu_busy_percent": "42",
  "class/drm/card1/device/hwmon/hwmon3/temp1_input": "66500",
  "class/drm/card1-DP-1/status": "connected",
  "class/drm/card10/device/vendor": "0x1002",
  "class/drm/card10/device/product_name": "AMD Instinct MI210",
  "module/amdgpu/version": "6.7.0",
};
const ROCM_SMI = '{"card0": {"Card Series": "Radeon RX 7900 XTX", "Card Model": "0x744c"}}';

describe("AMD", () => {
  const rocm: RunTool = async ([name]) => (name === "rocm-smi" ? ok(ROCM_SMI) : err("missing"));

  test("cards by the driver's files, names by the vendor's tool", async () => {
    const sys = sysfs(AMD_FILES);
    const [radeon, instinct, ...more] = await amdGpus(rocm, sys);
    expect(more).toEqual([]);
    expect(radeon).toEqual({
      vendor: "amd",
      name: "Radeon RX 7900 XTX",
      driver: "6.7.0",
      vramMib: 24_560,
      vramUsedMib: 1000,
      busyPercent: 42,
      temperatureC: 67,
      unified: false,
    });
    expect(instinct).toMatchObject({ name: "AMD Instinct MI210", vramMib: null, busyPercent: null });
    expect(await amdUse(sys)).toEqual([42, null]);
  });

  test("none where there is no such card", async () => {
    expect(await amdGpus(rocm, sysfs({ "class/drm/card0/device/vendor": "0x8086" }))).toEqual([]);
    expect(await amdGpus(rocm, join(directory, "none"))).toEqual([]);
  });

  test("names in every form the tools have had, and none of nonsense", () => {
    const now = [{ gpu: 0, asic: { market_name: "AMD Instinct MI300X" } }];
    expect(parseAmdSmi(JSON.stringify(now))).toEqual(["AMD Instinct MI300X"]);
    expect(parseAmdSmi(JSON.stringify({ gpu_data: now }))).toEqual(["AMD Instinct MI300X"]);
    expect(parseAmdSmi('{"gpu_data": 3}')).toEqual([]);
    expect(parseAmdSmi("WARNING: no GPU")).toEqual([]);
    expect(parseRocmSmi('{"card1": {"Card series": "B"}, "card0": {"Card series": "N/A"}, "system": {}}')).toEqual([
      "",
      "B",
    ]);
    expect(parseRocmSmi("null")).toEqual([]);
  });
});

describe("a machine", () => {
  test("this one has a processor, memory and space", async () => {
    const machine = await lookAtMachine();
    expect(machine.cores).toBeGreaterThan(0);
    expect(machine.memoryMib).toBeGreaterThan(100);
    expect(machine.memoryFreeMib ?? 1).toBeLessThanOrEqual(machine.memoryMib);
    expect(await freeDiskMib(join(directory, "not", "there", "yet"))).toBeGreaterThan(0);
    expect(deviceSchema.safeParse(deviceOf(machine, 5)).error).toBeUndefined();
  });

  test("GPUs of both vendors are told together, the library's only where nobody else saw them", async () => {
    const run: RunTool = async ([name]) => (name === "nvidia-smi" ? ok(NVIDIA_GPUS) : err("missing"));
    const apple = gpuOf({ vendor: "Apple", model: "Apple M2 Max", vram: 0, vramDynamic: true });
    const intel = gpuOf({ vendor: "Intel Corporation", model: "UHD Graphics", vram: null, vramDynamic: true });
    const nvidia = gpuOf({ vendor: "NVIDIA", model: "RTX 4090", vram: 4095, vramDynamic: false });
    const deps = { run, sys: sysfs(AMD_FILES), otherGpus: async () => [apple, intel, nvidia] };
    const names = async (platform: NodeJS.Platform) =>
      (await lookAtMachine({ ...deps, platform })).gpus.map(({ name }) => name);
    expect(await names("linux")).toEqual([
      "NVIDIA GeForce RTX 4090",
      "NVIDIA RTX A2000 12GB",
      "AMD GPU",
      "AMD Instinct MI210",
    ]);
    expect(await names("win32")).toEqual([
      "NVIDIA GeForce RTX 4090",
      "NVIDIA RTX A2000 12GB",
      "Apple M2 Max",
      "UHD Graphics",
    ]);
    expect(apple).toMatchObject({ vendor: "apple", unified: true, vramMib: null });
  });

  test("a driver that does not answer is said, not taken for no GPU", async () => {
    const run: RunTool = async () => err("failed");
    expect((await lookAtMachine({ run, otherGpus: async () => [] })).gpuTrouble).toContain("nvidia-smi");
    expect((await lookAtMachine({ run: async () => err("missing"), otherGpus: async () => [] })).gpuTrouble).toBeNull();
  });

  test("what goes to a coordinator fits the wire, however odd the machine", () => {
    const gpu = {
      ...gpuOf({ vendor: "x".repeat(999), model: "y".repeat(999), vram: 1, vramDynamic: false }),
      driver: "z".repeat(99),
    };
    const text = "w".repeat(999);
    const odd = { os: text, arch: text, cpu: text, cores: 2, memoryMib: 1, memoryFreeMib: null, gpuTrouble: null };
    const device = deviceOf({ ...odd, gpus: Array.from({ length: 99 }, () => gpu) }, null);
    expect(deviceSchema.safeParse(device).error).toBeUndefined();
    const before = { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [{ name: "a", vram_mib: null }] };
    expect(deviceSchema.safeParse(before).error).toBeUndefined();
  });
});

describe("a tool", () => {
  function tool(script: string): string {
    const path = join(mkdtempSync(join(directory, "bin-")), "tool");
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  test("that hangs, fails, floods or is not there costs nothing but its answer", async () => {
    expect(await runTool([tool("echo yes; echo no >&2")])).toEqual(ok("yes\n"));
    expect(await runTool([tool("exec sleep 60")], 50)).toEqual(err("timed_out"));
    expect(await runTool([tool("echo half; exit 3")])).toEqual(err("failed"));
    expect(await runTool([tool("exec yes")], 5_000)).toMatchObject({ ok: false });
    expect(await runTool(["infernet-has-no-such-tool"])).toEqual(err("missing"));
    expect(await runTool([tool('echo "$LC_ALL"')])).toEqual(ok("C\n"));
  });
});
