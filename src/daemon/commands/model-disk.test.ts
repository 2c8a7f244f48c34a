import { expect, test } from "bun:test";
import { DISK_RESERVE_BYTES, freeDiskBytes, isOnThisMachine, modelDisk } from "./model-disk.ts";
import { scriptedActions } from "./testing/command-stage.ts";

const GIB = 1024 ** 3;
const { backend } = scriptedActions([]);
const disk = (free: number, limitBytes: number | null = null, taken = 0) =>
  modelDisk({
    limitBytes: () => limitBytes,
    installedBytes: () => taken,
    freeBytes: async () => free,
    directory: "/models",
  });

test("an install is refused where less is free than stays free", async () => {
  expect(await disk(DISK_RESERVE_BYTES).refusal(backend, "m", 0, 0)).toBeNull();
  expect(await disk(DISK_RESERVE_BYTES - 1).refusal(backend, "m", 0, 0)).toContain("there is no room for m");
});

test("one under way is refused as soon as what is still to come would not fit", async () => {
  const free = DISK_RESERVE_BYTES + 10 * GIB;
  expect(await disk(free).refusal(backend, "m", 12 * GIB, 10 * GIB)).toBeNull();
  expect(await disk(free).refusal(backend, "m", 12 * GIB, 10 * GIB + 1)).toBe(
    "m needs 10.0 GiB more: 12.0 GiB are free, and 2.0 GiB of them stay so",
  );
});

test("what models installed so may take in all is node.model_disk_gib", async () => {
  const roomy = disk(1000 * GIB, 20 * GIB, 15 * GIB);
  expect(await roomy.refusal(backend, "m", 0, 0)).toBeNull();
  expect(await roomy.refusal(backend, "m", 5 * GIB, 5 * GIB)).toBeNull();
  expect(await roomy.refusal(backend, "m", 6 * GIB, 6 * GIB)).toBe(
    "5.0 of 20.0 GiB are left for models (node.model_disk_gib), and m takes 6.0",
  );
  expect(await disk(1000 * GIB, 20 * GIB, 20 * GIB).refusal(backend, "m", 0, 0)).toContain("0.0 of 20.0 GiB");
});

test("the disk of another machine is not this node's matter", async () => {
  const far = { ...backend, url: "http://10.0.0.5:11434" };
  expect(await disk(0).refusal(far, "m", GIB, GIB)).toBeNull();
  for (const url of [null, "http://127.0.0.1:11434", "http://localhost:1", "http://[::1]:1"])
    expect(isOnThisMachine({ url })).toBe(true);
});

test("the free space of a real directory is told", async () => {
  expect(await freeDiskBytes(import.meta.dir)).toBeGreaterThan(0);
});
