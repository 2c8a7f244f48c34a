// Poller specs: what a polling node says of itself, `specs` of the existing protocol, made into what a link says in its
// `ready`. Strangers write it: nothing of it is required, and none of it is believed to have a shape.
import {
  type Device,
  deviceSchema,
  GPU_VENDORS,
  MAX_MODELS_PER_NODE,
  type MachineLoad,
  type ModelOffer,
} from "../protocol/frames.ts";
import { modelPricesSchema, type PriceList, type Prices, pricesSchema } from "../protocol/prices.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { Served } from "./poll-session.ts";
import type { NodeRow } from "./schema.ts";

/** What is stored of a polling node's words. `models` is read by other rooms, for every kind of node. */
export type StoredSpecs = {
  models: string[];
  /** What it asks for, in the words of a link's `ready`; absent where it does not say. */
  asks?: Partial<PriceList>;
  /** The fields beside `specs`: what it says about where it is and what it costs. */
  said: Said;
  /** `specs` as it came; empty where it is larger than is kept. */
  specs: Record<string, unknown>;
};
export type Said = {
  address?: string | undefined;
  port?: number | undefined;
  gpu_model?: string | undefined;
  /** Of an hour, a job or whatever: it has no unit, so nothing is reckoned with it. */
  price?: number | undefined;
};

/** More of `specs` than this is not kept: 16 KiB of JSON, and so many objects in one another. */
const MAX_SPECS_CHARS = 16 * 1024;
const MAX_DEPTH = 8;
const MAX_GPUS = 64;

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const fields = (value: unknown): Fields => (isFields(value) ? value : {});
const text = (value: unknown, max: number): string => (typeof value === "string" ? value.slice(0, max) : "");
const whole = (value: unknown, max: number): number | null =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max ? value : null;

/** What is kept of a registration or a heartbeat. */
export function storedSpecs(specs: Fields | undefined, said: Said, before?: StoredSpecs): StoredSpecs {
  const kept = specs ?? before?.specs ?? {};
  const asks = specs === undefined ? before?.asks : askedPrices(specs);
  return {
    models: specs === undefined ? (before?.models ?? []) : servedModels(specs),
    ...(asks === undefined ? {} : { asks }),
    said: { ...before?.said, ...given(said) },
    specs: isSmall(kept) ? kept : {},
  };
}

const given = (said: Said): Said => Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));

/** What was stored, by whatever version. */
export function readSpecs({ specs }: Pick<NodeRow, "specs">): StoredSpecs {
  const models = Array.isArray(specs.models) ? specs.models.filter((name) => typeof name === "string") : [];
  const asks = askedPrices(fields(specs.asks));
  return { models, ...(asks === undefined ? {} : { asks }), said: fields(specs.said), specs: fields(specs.specs) };
}

/** `load` and measured speed change all the time, and are not worth a write. */
export function isWorthKeeping(now: StoredSpecs, before: StoredSpecs): boolean {
  const steady = ({ specs: { load: _, bench: __, ...specs }, ...rest }: StoredSpecs) => [rest, specs];
  return JSON.stringify(steady(now)) !== JSON.stringify(steady(before));
}

/** `specs.served_models`: names, or objects that have one. */
function servedModels({ served_models: served }: Fields): string[] {
  if (!Array.isArray(served)) return [];
  const names = served.map((model) => (isFields(model) ? (model.name ?? model.model ?? model.id) : model));
  const good = names.filter((name): name is string => typeof name === "string" && name !== "" && name.length <= 256);
  return [...new Set(good)].slice(0, MAX_MODELS_PER_NODE);
}

/** `specs.prices` and `specs.model_prices`, where they have the shape that a link's `ready` gives them. */
function askedPrices({ prices, model_prices: named }: Fields): Partial<PriceList> | undefined {
  const all = pricesSchema.safeParse(prices);
  const some = modelPricesSchema.safeParse(named);
  if (!all.success && !some.success) return undefined;
  return { ...(all.success ? { prices: all.data } : {}), ...(some.success ? { model_prices: some.data } : {}) };
}

function isSmall(value: Fields): boolean {
  return isShallow(value, MAX_DEPTH) && JSON.stringify(value).length <= MAX_SPECS_CHARS;
}
function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1));
}

/** What a node of the existing protocol serves: chats, with models of which it gives the names. */
export function servedBy(pubkey: Pubkey, name: string, { models, specs, asks }: StoredSpecs, prices: Prices): Served {
  return {
    holder: pubkey,
    name,
    device: deviceOf(specs),
    backends: [{ kind: "openai", continues: false, healthy: true }],
    models: models.map(chatModel),
    prices: asks?.prices ?? prices,
    ...(asks?.model_prices === undefined ? {} : { model_prices: asks.model_prices }),
  };
}

export const chatModel = (name: string): ModelOffer => ({
  name,
  context_length: null,
  digest: null,
  loaded: null,
  quantization: null,
  demo: false,
  tasks: ["chat"],
  // Messages, a bound and a temperature are all that such a node hands to its engine.
  features: [],
  backend: 0,
});

/** By what names `specs.load` may give each figure; it has no fixed shape. */
const LOAD_NAMES: Record<keyof MachineLoad, readonly string[]> = {
  gpu: ["gpu", "gpu_percent", "gpu_utilization"],
  gpu_memory: ["gpu_memory", "gpu_memory_percent", "vram_percent"],
  temperature: ["temperature", "gpu_temperature", "temperature_c"],
  cpu: ["cpu", "cpu_percent"],
  memory: ["memory", "memory_percent", "ram_percent"],
};

/** How busy the machine is; null where nothing is said of it that is understood. */
export function machineOf({ load }: Fields): MachineLoad | null {
  const said = fields(load);
  const figure = (field: keyof MachineLoad, max: number): number | null => {
    const value = LOAD_NAMES[field].map((name) => said[name]).find((one) => typeof one === "number");
    return value !== undefined && value >= 0 && value <= max ? Math.round(value) : null;
  };
  const machine: MachineLoad = {
    gpu: figure("gpu", 100),
    gpu_memory: figure("gpu_memory", 100),
    temperature: figure("temperature", 200),
    cpu: figure("cpu", 100),
    memory: figure("memory", 100),
  };
  return Object.values(machine).some((value) => value !== null) ? machine : null;
}

/** What can be made out of the machine. */
export function deviceOf({ cpu, cpus, gpus, os, platform, arch, ram_mb: ram }: Fields): Device {
  const processor = fields(Array.isArray(cpus) ? cpus[0] : cpu);
  const device: Device = {
    os: text(os ?? platform, 64),
    arch: text(arch ?? processor.arch, 32),
    cpu: text(processor.model ?? processor.name ?? processor.vendor, 128),
    cores: whole(processor.cores ?? processor.threads, 65_536) ?? 0,
    memory_mib: whole(ram ?? processor.ram_mb, 2 ** 31 - 1) ?? 0,
    gpus: (Array.isArray(gpus) ? gpus.slice(0, MAX_GPUS) : []).map(fields).map(gpuOf),
  };
  return deviceSchema.parse(device);
}

function gpuOf({ vendor, model, name, vram_mb: vram }: Fields): Device["gpus"][number] {
  const known = GPU_VENDORS.find((one) => one === text(vendor, 16).toLowerCase());
  return {
    name: text(model ?? name, 128) || text(vendor, 64) || "GPU",
    vram_mib: whole(vram, 2 ** 31 - 1),
    vendor: known ?? "other",
  };
}
