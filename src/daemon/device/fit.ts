// Fit: which models a machine can really run. An estimate by arithmetic: bytes of the weights at a quantisation, the
// key-value cache at a context, and what a backend takes beside them. Pure.
import type { Machine } from "./machine.ts";

/**
 * Typical dense models of the sizes people run. Layers, key-value heads and head size are of Llama 3.2 1B and 3B, Llama
 * 3.1 8B, Qwen 2.5 14B and 32B, Llama 3.3 70B, as their config.json has them.
 */
const SIZES = [
  { size: "1B", weights: 1.24e9, layers: 16, kvHeads: 8, headSize: 64, ollama: "llama3.2:1b" },
  { size: "3B", weights: 3.21e9, layers: 28, kvHeads: 8, headSize: 128, ollama: "llama3.2:3b" },
  { size: "8B", weights: 8.03e9, layers: 32, kvHeads: 8, headSize: 128, ollama: "llama3.1:8b" },
  { size: "14B", weights: 14.8e9, layers: 48, kvHeads: 8, headSize: 128, ollama: "qwen2.5:14b" },
  { size: "32B", weights: 32.8e9, layers: 64, kvHeads: 8, headSize: 128, ollama: "qwen2.5:32b" },
  { size: "70B", weights: 70.6e9, layers: 80, kvHeads: 8, headSize: 128, ollama: "llama3.3:70b" },
] as const;
/** Bits a weight, scales included, of llama.cpp's usual formats. */
const QUANTIZATIONS = [
  { name: "Q4_K_M", bits: 4.85 },
  { name: "Q8_0", bits: 8.5 },
  { name: "F16", bits: 16 },
] as const;

/** Tokens of context that the estimate leaves room for. */
export const FIT_CONTEXT = 8192;
/** Compute buffers and the runtime's own state. */
const OVERHEAD_MIB = 700;
/** Apple lets a GPU have two thirds of the memory, and more on large machines (Metal's recommendedMaxWorkingSetSize). */
const UNIFIED_SHARE = 0.67;
/** What the system and other programs keep of a machine's memory. */
const SYSTEM_MIB = 2048;
const MIB = 1024 * 1024;
/** Above this size a processor writes a word or two a second. */
const SLOW_ON_CPU = 9e9;

export type Place = "gpu" | "memory" | "none";
export type Fit = {
  size: string;
  quantization: string;
  weightsMib: number;
  kvCacheMib: number;
  needsMib: number;
  /** `memory`: without a GPU, in the machine's memory, slowly. */
  place: Place;
  /** Why, in words. */
  reason: string;
};

/** Memory for models: that of all GPUs together (backends split a model's layers over them), and the machine's. */
export function budgetsOf({ gpus, memoryMib }: Machine): { gpuMib: number; memoryMib: number; unified: boolean } {
  const own = gpus.reduce((sum, { vramMib }) => sum + Math.max(0, (vramMib ?? 0) - OVERHEAD_MIB), 0);
  const unified = own === 0 && gpus.some((gpu) => gpu.unified && (gpu.vendor === "apple" || gpu.vendor === "nvidia"));
  const gpuMib = unified ? Math.floor(memoryMib * UNIFIED_SHARE) - OVERHEAD_MIB : own;
  return { gpuMib: Math.max(0, gpuMib), memoryMib: Math.max(0, memoryMib - SYSTEM_MIB - OVERHEAD_MIB), unified };
}

/** Every size at every quantisation, smallest first. */
export function fits(machine: Machine): Fit[] {
  const budgets = budgetsOf(machine);
  return SIZES.flatMap((model) =>
    QUANTIZATIONS.map(({ name, bits }) => {
      const weightsMib = Math.ceil((model.weights * bits) / 8 / MIB);
      const kvCacheMib = Math.ceil(kvBytesPerToken(model) * (FIT_CONTEXT / MIB));
      const needsMib = weightsMib + kvCacheMib;
      const place = placeOf(needsMib, model.weights, budgets);
      const reason = reasonOf(needsMib, place, model.weights, budgets);
      return { size: model.size, quantization: name, weightsMib, kvCacheMib, needsMib, place, reason };
    }),
  );
}

/** Keys and values, of two bytes each, in every layer. */
const kvBytesPerToken = (model: { layers: number; kvHeads: number; headSize: number }): number =>
  2 * 2 * model.layers * model.kvHeads * model.headSize;

type Budgets = ReturnType<typeof budgetsOf>;

function placeOf(needsMib: number, weights: number, { gpuMib, memoryMib }: Budgets): Place {
  if (needsMib <= gpuMib) return "gpu";
  return needsMib <= memoryMib && weights <= SLOW_ON_CPU ? "memory" : "none";
}

function reasonOf(needsMib: number, place: Place, weights: number, { gpuMib, memoryMib, unified }: Budgets): string {
  const needs = `needs ${gib(needsMib)}`;
  if (place === "gpu") return `${needs} of ${gib(gpuMib)} ${unified ? "shared with the GPU" : "on the GPU"}`;
  if (place === "memory") return `${needs} of ${gib(memoryMib)} in memory: slow, on the processor`;
  if (needsMib <= memoryMib && weights > SLOW_ON_CPU) return `${needs}: too slow on a processor`;
  return `${needs}; there is ${gib(Math.max(gpuMib, memoryMib))}`;
}

export const gib = (mib: number): string => `${(mib / 1024).toFixed(1)} GiB`;

/** The largest size that fits at each place; null where none does. */
export function largest(all: readonly Fit[], place: Place): Fit | null {
  return all.filter((fit) => fit.place === place && fit.quantization === "Q4_K_M").at(-1) ?? null;
}

/** A first model for Ollama: it fits with ease and is quickly there, so never more than 8B. */
export function firstModel(machine: Machine, diskFreeMib: number | null): string {
  const small = SIZES.filter(({ weights }) => weights <= 8.5e9);
  const rows = fits(machine);
  const placed = small.filter(({ size }) => {
    const fit = rows.find((row) => row.size === size && row.quantization === "Q4_K_M");
    const isQuick = fit?.place === "gpu" || (fit?.place === "memory" && size !== "8B");
    return isQuick && (diskFreeMib === null || fit.weightsMib * 1.2 < diskFreeMib);
  });
  return (placed.at(-1) ?? small[0])?.ollama ?? "llama3.2:1b";
}

/** Under these, few jobs can be served. 16 GB less what firmware and integrated graphics keep. */
export const FLOOR = { memoryMib: 15_000, vramMib: 7_900, diskMib: 3 * 1024 };

export type Advice = { about: "memory" | "gpu" | "disk"; message: string; mend: string };

/** What is under the floor. Nothing is refused for it: a small machine serves small models. */
export function underTheFloor(machine: Machine, diskFreeMib: number | null): Advice[] {
  const advice: Advice[] = [];
  const { gpuMib, unified } = budgetsOf(machine);
  const vramMib = machine.gpus.reduce((sum, gpu) => sum + (gpu.vramMib ?? 0), 0);
  if (machine.memoryMib < FLOOR.memoryMib)
    advice.push({
      about: "memory",
      message: `${gib(machine.memoryMib)} of memory; below 16 GB few jobs fit`,
      mend: "serve models of up to 3B, or add memory",
    });
  if (!unified && gpuMib === 0)
    advice.push({
      about: "gpu",
      message: "no GPU that could hold a model: answers are slow and few jobs come",
      mend: "where there is one, install its driver (nvidia-smi or rocm-smi must see it)",
    });
  else if (!unified && vramMib < FLOOR.vramMib)
    advice.push({
      about: "gpu",
      message: `${gib(vramMib)} on the GPU; below 8 GB few jobs fit`,
      mend: "serve models of up to 3B at Q4_K_M",
    });
  if (diskFreeMib !== null && diskFreeMib < FLOOR.diskMib)
    advice.push({
      about: "disk",
      message: `${gib(diskFreeMib)} left where models lie; a small one takes 3 GB`,
      mend: "free some space, or move the models (OLLAMA_MODELS names another folder)",
    });
  return advice;
}

/** Billions of weights in a model's name ("llama3.1:8b", "Qwen2.5-0.5B-Instruct"); null where it names none. */
export function weightsInName(name: string): number | null {
  const match = /(?:^|[^a-z0-9.])(\d{1,4}(?:\.\d{1,2})?)b(?![a-z0-9])/i.exec(name);
  return match ? Number(match[1]) * 1e9 : null;
}

const QUANTIZED: readonly [RegExp, number][] = [
  [/^(f32|fp32|float32)$/i, 32],
  [/^(f16|fp16|bf16|float16|bfloat16)$/i, 16],
  [/^(q8|int8|fp8|w8|mlx.?8|8.?bit)/i, 8.5],
  [/^(q6)/i, 6.6],
  [/^(q5)/i, 5.7],
  [/^(q4|iq4|int4|fp4|mxfp4|nvfp4|awq|gptq|4.?bit)/i, 4.85],
  [/^(q3|iq3)/i, 3.9],
  [/^(q2|iq2|iq1)/i, 3],
];

/** What a served model's weights take; null where name and quantisation do not say. */
export function weightsMib(name: string, quantization: string | null): number | null {
  const weights = weightsInName(name);
  const bits = QUANTIZED.find(([sign]) => sign.test(quantization ?? ""))?.[1];
  return weights === null || bits === undefined ? null : Math.ceil((weights * bits) / 8 / MIB);
}
