// Wishes: what a request may ask of the node that serves it, and which of them a candidate does not meet. Pure data and
// pure rules: parsing is http's, and what a wish's words mean for clients is in design.md.
import { FEATURES, type Feature, TASKS, type Task } from "../protocol/generation.ts";
import type { Candidate, CandidateNode, Strategy } from "./choose.ts";

/** The pool of nodes that serve everybody. */
export const PUBLIC_POOL = "";
/** The pool of nodes that serve everybody when no other can. */
export const BACKSTOP_POOL = "backstop";
/** How requests name the public pool. */
export const PUBLIC_NAME = "public";

export type Wishes = {
  readonly strategy: Strategy;
  /** Private pools that the caller may use; their nodes come first. */
  readonly pools: readonly string[];
  /** Only nodes of this pool: a private one's name, or PUBLIC_NAME. Null: any that may be used. */
  readonly pool: string | null;
  /** References to nodes (see `refersTo`), lower case, the first first; others follow only with `allowFallbacks`. */
  readonly order: readonly string[];
  readonly only: readonly string[];
  readonly ignore: readonly string[];
  readonly allowFallbacks: boolean;
  /** Most that may be asked for, µ$ per million tokens; null: any price. */
  readonly maxPriceInput: number | null;
  readonly maxPriceOutput: number | null;
  /** What the request uses, as bits of `featureBits`. */
  readonly needs: number;
  /** Only nodes that are known to have all of `needs`; else those that are known to lack some come last. */
  readonly requireNeeds: boolean;
  /** Lower case; empty: any. "unknown" is what no backend says. */
  readonly quantizations: readonly string[];
  /** Lower case, e.g. "eu" or "eu-west"; null: any. */
  readonly region: string | null;
};

/** Wishes of a request that has none. */
export const NO_WISHES: Wishes = {
  strategy: "balanced",
  pools: [],
  pool: null,
  order: [],
  only: [],
  ignore: [],
  allowFallbacks: true,
  maxPriceInput: null,
  maxPriceOutput: null,
  needs: 0,
  requireNeeds: false,
  quantizations: [],
  region: null,
};

const bitsOf = <T extends string>(all: readonly T[], some: readonly T[]): number =>
  some.reduce((bits, one) => bits | (1 << all.indexOf(one)), 0);

/** One bit for each feature. */
export const featureBits = (features: readonly Feature[]): number => bitsOf(FEATURES, features);
/** One bit for each task. */
export const taskBits = (tasks: readonly Task[]): number => bitsOf(TASKS, tasks);

/** Fewest digits of a public key that name a node. */
export const MIN_KEY_DIGITS = 8;

/** What nodes call themselves is not believed where it reads as the key of another. */
const LIKE_A_KEY = /^[0-9a-f]{16,}$/;

/** Under which names a node is referred to: its own, its account's, its private pool's; lower case. */
export const handlesOf = ({ name, account, pool }: { name: string; account: string; pool: string }): string[] =>
  [LIKE_A_KEY.test(name.toLowerCase()) ? "" : name, account, pool]
    .map((handle) => handle.toLowerCase())
    .filter((handle) => handle !== PUBLIC_POOL);

/** Whether a reference, in lower case, means this node: one of its handles, or how its public key begins. */
export const refersTo = (reference: string, { handles, pubkey }: Pick<CandidateNode, "handles" | "pubkey">): boolean =>
  handles.includes(reference) || (reference.length >= MIN_KEY_DIGITS && pubkey.startsWith(reference));

/** The name of a pool that the caller may use means that pool, whatever nodes outside of it call themselves. */
const isMeant = (reference: string, pools: readonly string[], node: CandidateNode): boolean =>
  pools.includes(reference) ? node.pool === reference : refersTo(reference, node);

const isAmong = (references: readonly string[], pools: readonly string[], { node }: Candidate): boolean =>
  references.some((reference) => isMeant(reference, pools, node));

/** Position among those asked for in order; their count where it is none of them. */
export function placeInOrder({ order, pools }: Wishes, { node }: Candidate): number {
  if (order.length === 0) return 0;
  const place = order.findIndex((reference) => isMeant(reference, pools, node));
  return place < 0 ? order.length : place;
}

/** True where the region is the wanted one or within it: "eu-west" is in "eu". */
export const isWithin = (region: string, wanted: string): boolean =>
  region === wanted || region.startsWith(`${wanted}-`);

/** Whether the caller may be served from this pool at all. */
export const mayUse = ({ pools }: Pick<Wishes, "pools">, pool: string): boolean =>
  pool === PUBLIC_POOL || pool === BACKSTOP_POOL || pools.includes(pool);

/** A wish by the name of the field that clients write, or what is not a wish but a rule, in words. */
export type Demand = { readonly field: string; readonly meets: (candidate: Candidate) => boolean };

/** What must hold whatever else is free. In the order in which they are blamed; without a field nobody asked for it. */
export function demandsOf(wishes: Wishes): Demand[] {
  const { pool, pools, only, ignore, order, maxPriceInput, maxPriceOutput, quantizations, region, needs } = wishes;
  const demands: Demand[] = [];
  const demand = (field: string, meets: Demand["meets"]) => demands.push({ field, meets });
  if (pool !== null) demand("infernet.pool", ({ node }) => node.pool === (pool === PUBLIC_NAME ? PUBLIC_POOL : pool));
  if (only.length > 0) demand("provider.only", (candidate) => isAmong(only, pools, candidate));
  if (ignore.length > 0) demand("provider.ignore", (candidate) => !isAmong(ignore, pools, candidate));
  if (order.length > 0 && !wishes.allowFallbacks)
    demand("provider.order", (candidate) => isAmong(order, pools, candidate));
  if (region !== null) demand("infernet.region", ({ node }) => isWithin(node.region, region));
  if (maxPriceInput !== null) demand("provider.max_price.prompt", (candidate) => candidate.priceInput <= maxPriceInput);
  if (maxPriceOutput !== null)
    demand("provider.max_price.completion", (candidate) => candidate.priceOutput <= maxPriceOutput);
  if (quantizations.length > 0)
    demand("provider.quantizations", (candidate) => candidate.quantizations.some((one) => quantizations.includes(one)));
  if (wishes.requireNeeds && needs !== 0)
    demand("provider.require_parameters", (candidate) => (candidate.has & needs) === needs);
  return demands;
}

/** Quantisations that OpenRouter's clients ask for, for what backends call theirs. */
const CLASSES: readonly (readonly [RegExp, string])[] = [
  [/^(iq|q)4|4-?bit|^(awq|gptq|int4|nf4|w4)/, "int4"],
  [/^q8|8-?bit|^(int8|w8)/, "int8"],
  [/^(f16|fp16|float16)$/, "fp16"],
  [/^(bf16|bfloat16)$/, "bf16"],
  [/^(f32|fp32|float32)$/, "fp32"],
  [/^(mxfp4|nvfp4)/, "fp4"],
];

/** All names by which a backend's quantisation may be asked for: its own and its class, lower case. */
export function quantizationNames(quantization: string | null): string[] {
  if (quantization === null) return ["unknown"];
  const own = quantization.toLowerCase();
  const found = CLASSES.find(([pattern]) => pattern.test(own))?.[1];
  return found === undefined || found === own ? [own] : [own, found];
}
