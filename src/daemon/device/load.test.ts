// Load: what is made of drivers' and the system's words. CPU and memory are this very machine's; no machine that builds
// this has a GPU: those are fixtures, written after the tools' own documentation.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { manualClock } from "../../lib/clock.ts";
import { silentLog } from "../../lib/log.ts";
import { err, ok } from "../../lib/result.ts";
import { type MachineLoad, machineLoadSchema, parseNodeMessage } from "../../protocol/frames.ts";
import { isNotable, telemetry } from "../telemetry.ts";
import { cpuTimes, loadMeter, ofGpus } from "./load.ts";
import type { RunTool } from "./tool.ts";

const directory = mkdtempSync(join(tmpdir(), "infernet-load-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const noTool: RunTool = async () => err("missing");
const noGpus = join(directory, "no-sys");

test("this machine's processor and memory are in use by something, and it has no GPU to tell of", async () => {
  const read = loadMeter({ run: noTool, sys: noGpus });
  await read();
  // The system counts in ticks, and may let this process wait for its turn.
  const { busyMs } = cpuTimes();
  while (cpuTimes().busyMs <= busyMs) Math.sqrt(busyMs);
  const load = await read();
  expect(machineLoadSchema.safeParse(load).error).toBeUndefined();
  expect(load).toMatchObject({ gpu: null, gpu_memory: null, temperature: null });
  expect(load.memory).toBeGreaterThan(0);
  // Of very many cores one tick of one of them is 0 %.
  expect(load.cpu).toBeNumber();
});

test("the processor's share is that since the last look; two looks at one instant say nothing", async () => {
  const times = [
    [1_000, 10_000],
    [1_400, 11_000],
    [1_400, 11_000],
    [2_400, 12_000],
  ] as const;
  let at = 0;
  const read = loadMeter({
    run: noTool,
    sys: noGpus,
    memory: async () => ({ totalMib: 1_000, freeMib: at > 2 ? null : 250 }),
    cpuTimes() {
      const [busyMs, totalMs] = times[at++] ?? times[3];
      return { busyMs, totalMs };
    },
  });
  const seen = [await read(), await read(), await read()];
  expect(seen.map(({ cpu, memory }) => [cpu, memory])).toEqual([
    [40, 75],
    [null, 75],
    [100, null],
  ]);
});

describe("GPUs (fixtures)", () => {
  // nvidia-smi 550, --format=csv,noheader,nounits.
  const TWO = "RTX 4090, 550.54.14, 24000, 18000, 80, 71\nRTX A2000, 550.54.14, 12000, 0, 0, 34\n";
  const GRACE = "NVIDIA GH200 480GB, 550.54.14, [N/A], [N/A], [N/A], N/A\n";
  const nvidia =
    (csv: string): RunTool =>
    async ([name]) =>
      name === "nvidia-smi" ? ok(csv) : err("missing");

  test("of several: busy on average, full together, and as hot as the hottest", async () => {
    const load = await loadMeter({ run: nvidia(TWO), sys: noGpus, platform: "linux" })();
    expect(load).toMatchObject({ gpu: 40, gpu_memory: 50, temperature: 71 });
  });

  test("what the driver does not say is null, and one that does not answer says nothing", async () => {
    const nothing = { gpu: null, gpu_memory: null, temperature: null };
    expect(await loadMeter({ run: nvidia(GRACE), sys: noGpus, platform: "linux" })()).toMatchObject(nothing);
    expect(await loadMeter({ run: async () => err("timed_out"), sys: noGpus, platform: "linux" })()).toMatchObject(
      nothing,
    );
    expect(ofGpus([])).toEqual(nothing);
  });

  test("an AMD card by its driver's files, an Apple chip by ioreg", async () => {
    const sys = join(directory, "sys");
    const card = "class/drm/card0/device";
    const files = {
      [`${card}/vendor`]: "0x1002",
      [`${card}/mem_info_vram_total`]: String(1000 * 1024 * 1024),
      [`${card}/mem_info_vram_used`]: String(250 * 1024 * 1024),
      [`${card}/gpu_busy_percent`]: "42",
      [`${card}/hwmon/hwmon3/temp1_input`]: "66500",
    };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(sys, path)), { recursive: true });
      writeFileSync(join(sys, path), `${text}\n`);
    }
    const amd = await loadMeter({ run: noTool, sys, platform: "linux" })();
    expect(amd).toMatchObject({ gpu: 42, gpu_memory: 25, temperature: 67 });
    const ioreg: RunTool = async ([name]) => (name === "ioreg" ? ok('"Device Utilization %"=37') : err("missing"));
    const memory = async () => ({ totalMib: 1, freeMib: 1 });
    expect(await loadMeter({ run: ioreg, platform: "darwin", memory })()).toMatchObject({ gpu: 37, gpu_memory: null });
  });
});

const QUIET: MachineLoad = { gpu: null, gpu_memory: null, temperature: null, cpu: 10, memory: 40 };

describe("telemetry", () => {
  test("looks every ten seconds, and not again while a driver is slow", async () => {
    const clock = manualClock();
    let reads = 0;
    let looks = 0;
    let slow = Promise.withResolvers<MachineLoad>();
    const read = () => {
      reads++;
      return slow.promise;
    };
    const telling = telemetry({ clock, log: silentLog, read, looked: () => void looks++ });
    clock.advance(9_999);
    expect([reads, telling.now()]).toEqual([0, null]);
    clock.advance(30_000);
    expect(reads).toBe(1);
    slow.resolve(QUIET);
    await slow.promise;
    await Promise.resolve();
    expect([telling.now(), looks]).toEqual([QUIET, 1]);
    slow = Promise.withResolvers();
    const look = telling.look();
    slow.reject(new Error("no such tool"));
    await look;
    expect([telling.now(), looks]).toEqual([null, 2]);
    telling.stop();
    clock.advance(60_000);
    expect(reads).toBe(2);
  });

  test("five points are notable, and whether anything is known at all", () => {
    expect(isNotable(QUIET, { ...QUIET, cpu: 14, memory: 36 })).toBe(false);
    expect(isNotable(QUIET, { ...QUIET, cpu: 15 })).toBe(true);
    expect(isNotable(QUIET, { ...QUIET, gpu: 0 })).toBe(true);
    expect([isNotable(null, null), isNotable(null, QUIET), isNotable(QUIET, null)]).toEqual([false, true, true]);
  });
});

describe("the wire", () => {
  const beat = { type: "heartbeat", status: "available", running: 0 };
  const parse = (frame: object) => parseNodeMessage(JSON.stringify([frame]));

  test("an older node says nothing of it, and what a newer one says beyond it is left out", () => {
    expect(parse(beat)).toEqual(ok([beat]) as never);
    const newer = { ...beat, machine: { ...QUIET, fan: 3 }, weather: "fine" };
    expect(parse(newer)).toEqual(ok([{ ...beat, machine: QUIET }]) as never);
  });

  test.each([{ cpu: 101 }, { gpu: -1 }, { temperature: 1e9 }, { memory: "40" }, { cpu: 1.5 }])(
    "%j is refused",
    (wrong) => {
      expect(parse({ ...beat, machine: { ...QUIET, ...wrong } }).ok).toBe(false);
    },
  );
});
