// Catalogue: the models that everybody may ask for, summed up from what nodes offer now; and who serves one of them.

import { inTurns } from "../lib/turns.ts";
import { FEATURES, type Feature, TASKS, type Task } from "../protocol/generation.ts";
import { freeSlots, type NodeState, nodeState } from "../registry/node-state.ts";
import type { Offer, Registry } from "../registry/registry.ts";
import { mayUse } from "../scheduler/wishes.ts";

/** A model, or another name for one (`aliasFor`). */
export type ModelRow = {
  id: string;
  /** What it stands for, the first that serves first. */
  aliasFor: readonly string[];
  nodes: number;
  /** Of them those that take work now. */
  ready: number;
  /** Tokens; null where no node says. */
  context: number | null;
  /** µ$ per million tokens. */
  prices: Prices;
  /** The middle of what was measured of its nodes; null where nothing was. */
  tokensPerS: number | null;
  firstTokenMs: number | null;
  can: readonly Ability[];
  quantizations: readonly string[];
  /** The embedded demonstration model. */
  demo: boolean;
};
export type Prices = { input: number; inputMax: number; output: number; outputMax: number };
export type Ability = Exclude<Feature, "vision" | "reasoning"> | "images" | "thinking" | "chat" | "embeddings";

/** A node with the model. */
export type ServingRow = {
  pubkey: string;
  name: string;
  region: string;
  state: NodeState;
  free: number;
  priceInput: number;
  priceOutput: number;
  tokensPerS: number | null;
  firstTokenMs: number | null;
  context: number | null;
  quantization: string | null;
  /** Coordinators between here and it. */
  hops: number;
  /** Where it stands among them: the free before the busy, the fast before the slow. */
  rank: number;
};

/** Everybody's: nodes of private pools are not told of. */
const isPublic = ({ node }: Offer): boolean => mayUse(ANYBODY, node.pool);
const ANYBODY = { pools: [] };

/** About a millisecond. */
const OFFERS_A_TURN = 4_000;

/**
 * Does `work` once for every model that is on offer, in turns: there may be tens of thousands of offers. The names are
 * taken at the start, since what a node tells anew meanwhile stands behind all others again.
 */
export async function eachModel(
  registry: Pick<Registry, "models" | "offersOf">,
  work: (model: string, offers: readonly Offer[]) => void,
): Promise<void> {
  const weigh = (model: string) => registry.offersOf(model).length;
  await inTurns([...registry.models.keys()], { most: OFFERS_A_TURN, weigh }, (model) => {
    const offers = registry.offersOf(model);
    if (offers.length > 0) work(model, offers);
  });
}

/** By name. Names of one model that nobody serves are left out. In turns: there may be tens of thousands of offers. */
export async function catalogue(registry: Registry, nowMs: number): Promise<ModelRow[]> {
  const rows = new Map<string, ModelRow>();
  await eachModel(registry, (model, offers) => {
    if (Object.hasOwn(registry.aliases, model)) return;
    const row = modelRow(model, offers, nowMs);
    if (row) rows.set(model, row);
  });
  for (const alias of Object.keys(registry.aliases)) {
    const row = aliasRow(registry, alias, nowMs);
    if (row) rows.set(alias, row);
  }
  return [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** One of them, by its name or by how Ollama would call it too; undefined where nobody serves it. */
export function catalogued(registry: Registry, name: string, nowMs: number): ModelRow | undefined {
  if (Object.hasOwn(registry.aliases, name)) return aliasRow(registry, name, nowMs);
  const [model = name] = registry.modelsNamed(name);
  return modelRow(model, registry.offersOf(model), nowMs);
}

function aliasRow(registry: Registry, alias: string, nowMs: number): ModelRow | undefined {
  const served = registry.modelsNamed(alias).flatMap((model) => modelRow(model, registry.offersOf(model), nowMs) ?? []);
  return served[0] && { ...served[0], id: alias, aliasFor: served.map(({ id }) => id) };
}

function modelRow(id: string, offers: readonly Offer[], nowMs: number): ModelRow | undefined {
  const prices = { input: Infinity, inputMax: 0, output: Infinity, outputMax: 0 };
  const speeds: number[] = [];
  const firstTokens: number[] = [];
  const quantizations = new Set<string>();
  let nodes = 0;
  let ready = 0;
  let context = 0;
  let tasks = 0;
  let features = 0;
  let demo = true;
  for (const offer of offers) {
    if (!isPublic(offer)) continue;
    const { info, priceInput, priceOutput } = offer;
    nodes++;
    if (isReady(nodeState(offer.node, nowMs))) ready++;
    if (priceInput < prices.input) prices.input = priceInput;
    if (priceInput > prices.inputMax) prices.inputMax = priceInput;
    if (priceOutput < prices.output) prices.output = priceOutput;
    if (priceOutput > prices.outputMax) prices.outputMax = priceOutput;
    if (offer.contextLength !== null && offer.contextLength > context) context = offer.contextLength;
    if (offer.tokensPerS > 0) speeds.push(offer.tokensPerS);
    if (offer.firstTokenMs > 0) firstTokens.push(offer.firstTokenMs);
    // What a node does not say, it may be asked for; it is not promised here.
    if (info.tasks !== undefined) tasks |= offer.tasks;
    features |= offer.has;
    demo &&= info.demo;
    if (info.quantization !== null && quantizations.size < MAX_QUANTIZATIONS) quantizations.add(info.quantization);
  }
  if (nodes === 0) return undefined;
  return {
    id,
    aliasFor: NONE,
    nodes,
    ready,
    context: context > 0 ? context : null,
    prices,
    tokensPerS: middle(speeds),
    firstTokenMs: middle(firstTokens),
    can: [...new Set([...named(TASKS, tasks, OF_TASK), ...named(FEATURES, features, OF_FEATURE)])],
    quantizations: [...quantizations],
    demo,
  };
}

/** What the bits stand for (`scheduler/wishes.ts`): one for each, in order. */
const named = <T extends string>(all: readonly T[], bits: number, words: Readonly<Record<T, Ability>>): Ability[] =>
  all.flatMap((one, i) => ((bits & (1 << i)) === 0 ? [] : [words[one]]));

/** The nodes that serve it, by rank. */
export function servingNodes(registry: Registry, model: string, nowMs: number): ServingRow[] {
  return registry
    .offersOf(model)
    .filter(isPublic)
    .map((offer) => servingRow(offer, nowMs))
    .sort((a, b) => a.rank - b.rank || (a.pubkey < b.pubkey ? -1 : 1));
}

function servingRow(offer: Offer, nowMs: number): ServingRow {
  const state = nodeState(offer.node, nowMs);
  return {
    pubkey: offer.node.pubkey,
    name: offer.node.name,
    region: offer.node.region,
    state,
    free: freeSlots(offer.node),
    priceInput: offer.priceInput,
    priceOutput: offer.priceOutput,
    tokensPerS: measured(offer.tokensPerS),
    firstTokenMs: measured(offer.firstTokenMs),
    context: offer.contextLength,
    quantization: offer.info.quantization,
    hops: offer.path.length,
    rank: RANKS[state] * MOST_TOKENS_PER_S - Math.min(MOST_TOKENS_PER_S - 1, Math.round(offer.tokensPerS)),
  };
}

export const isReady = (state: NodeState): boolean => state === "serving" || state === "idle" || state === "full";
/** More than any node makes. */
const MOST_TOKENS_PER_S = 1_000_000;
const RANKS: Readonly<Record<NodeState, number>> = {
  ...{ idle: 0, serving: 0, full: 1, suspect: 2, elsewhere: 3, bare: 3, paused: 3, offline: 4 },
};
const NONE: readonly string[] = [];
const MAX_QUANTIZATIONS = 8;

const OF_TASK: Readonly<Record<Task, Ability>> = { chat: "chat", completion: "chat", embedding: "embeddings" };
const OF_FEATURE: Readonly<Record<Feature, Ability>> = {
  tools: "tools",
  vision: "images",
  json: "json",
  logprobs: "logprobs",
  reasoning: "thinking",
};

/** 0 stands for what was not measured yet. */
const measured = (value: number): number | null => (value > 0 ? value : null);
/** Null of none. */
const middle = (values: number[]): number | null => Float64Array.from(values).sort()[values.length >> 1] ?? null;
