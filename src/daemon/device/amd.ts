// AMD: the files of the amdgpu driver (Linux, Documentation/gpu/amdgpu: mem_info_vram_total, gpu_busy_percent), which
// cost no process. The vendor's tools are asked for names only. AMD tells no share for each process.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Gpu } from "./gpu.ts";
import type { GpuLoad } from "./load.ts";
import type { RunTool } from "./tool.ts";

const AMD_PCI_VENDOR = "0x1002";
const MIB = 1024 * 1024;

/** In the order of their card number; empty where there is none. `sys`: the mount of sysfs. */
export async function amdGpus(run: RunTool, sys = "/sys"): Promise<Gpu[]> {
  const cards = await amdCards(sys);
  if (cards.length === 0) return [];
  const [driver, names] = await Promise.all([read(join(sys, "module/amdgpu/version")), amdNames(run)]);
  return Promise.all(
    cards.map(async (card, i) => {
      const [total = null, used = null] = await vram(card);
      return {
        vendor: "amd" as const,
        name: (await read(join(card, "product_name"))) || names[i] || "AMD GPU",
        driver,
        vramMib: total,
        vramUsedMib: used,
        busyPercent: await busyPercent(card),
        temperatureC: await temperatureC(card),
        unified: total === null,
      };
    }),
  );
}

/** The busy share of each, without a process. */
export async function amdUse(sys = "/sys"): Promise<(number | null)[]> {
  return Promise.all((await amdCards(sys)).map(busyPercent));
}

/** What changes all the time, of each, without a process. */
export async function amdLoads(sys = "/sys"): Promise<GpuLoad[]> {
  return Promise.all(
    (await amdCards(sys)).map(async (card) => {
      const [vramMib = null, vramUsedMib = null] = await vram(card);
      return { vramMib, vramUsedMib, busyPercent: await busyPercent(card), temperatureC: await temperatureC(card) };
    }),
  );
}

async function amdCards(sys: string): Promise<string[]> {
  const entries = await readdir(join(sys, "class/drm")).catch(() => []);
  const numbers = entries.flatMap((entry) => /^card(\d+)$/.exec(entry)?.[1] ?? []).map(Number);
  const cards = numbers.toSorted((a, b) => a - b).map((n) => join(sys, `class/drm/card${n}/device`));
  const vendors = await Promise.all(cards.map((card) => read(join(card, "vendor"))));
  return cards.filter((_, i) => vendors[i] === AMD_PCI_VENDOR);
}

async function vram(card: string): Promise<(number | null)[]> {
  const files = ["mem_info_vram_total", "mem_info_vram_used"];
  const bytes = await Promise.all(files.map((file) => readNumber(join(card, file))));
  return bytes.map((value) => (value === null ? null : Math.round(value / MIB)));
}

async function busyPercent(card: string): Promise<number | null> {
  const percent = await readNumber(join(card, "gpu_busy_percent"));
  return percent !== null && percent <= 100 ? percent : null;
}

/** Of its edge sensor (Documentation/gpu/amdgpu: temp1_input, thousandths of a degree). */
async function temperatureC(card: string): Promise<number | null> {
  const [sensor] = await readdir(join(card, "hwmon")).catch(() => []);
  const thousandths = sensor === undefined ? null : await readNumber(join(card, "hwmon", sensor, "temp1_input"));
  return thousandths === null ? null : Math.round(thousandths / 1000);
}

async function readNumber(path: string): Promise<number | null> {
  const text = await read(path);
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

/** Null where there is no such file, or the driver refuses to say (a sleeping GPU does). */
async function read(path: string): Promise<string | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  return text?.trim() ?? null;
}

/** Market names in order: `amd-smi` (ROCm 6 on), else `rocm-smi`. */
async function amdNames(run: RunTool): Promise<string[]> {
  const now = await run(["amd-smi", "static", "--asic", "--json"]);
  if (now.ok) return parseAmdSmi(now.value);
  const before = await run(["rocm-smi", "--showproductname", "--json"]);
  return before.ok ? parseRocmSmi(before.value) : [];
}

/** `[{"gpu": 0, "asic": {"market_name": "…"}}]`, or the same below `gpu_data` (ROCm 7). */
export function parseAmdSmi(text: string): string[] {
  const json = parseJson(text);
  const list = Array.isArray(json) ? json : fieldOf(json, "gpu_data");
  if (!Array.isArray(list)) return [];
  return list.map((entry) => textOf(fieldOf(fieldOf(entry, "asic"), "market_name")));
}

/** `{"card0": {"Card Series": "…"}}`; older ones say `Card series`. */
export function parseRocmSmi(text: string): string[] {
  const json = parseJson(text);
  if (typeof json !== "object" || json === null) return [];
  const cards = Object.entries(json).filter(([name]) => /^card\d+$/.test(name));
  cards.sort(([a], [b]) => Number(a.slice(4)) - Number(b.slice(4)));
  return cards.map(([, card]) => textOf(fieldOf(card, "Card Series")) || textOf(fieldOf(card, "Card series")));
}

const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>)[field] : undefined;
const textOf = (value: unknown): string => (typeof value === "string" && value !== "N/A" ? value.trim() : "");

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // A warning before the JSON, say: then it has no names for us.
  }
}
