// Offers: one model on one node, as the scheduler reads it, made from what the node says about itself.

import type { BackendInfo, ModelOffer, ReadyFrame } from "../protocol/frames.ts";
import { FEATURES, TASKS } from "../protocol/generation.ts";
import { type Prices, priceOf, samePrices } from "../protocol/prices.ts";
import { mayTake, NO_TRAIL } from "../protocol/trail.ts";
import { type Candidate, rate } from "../scheduler/choose.ts";
import { featureBits, quantizationNames, taskBits } from "../scheduler/wishes.ts";
import type { Node } from "./node.ts";
import { type PriceBounds, priceFault } from "./price-bounds.ts";

/** One model on one node, as the scheduler sees it. */
export type Offer = Candidate & {
  readonly node: Node;
  readonly model: string;
  readonly info: ModelOffer;
  /** The backend behind it can continue an unfinished answer. */
  readonly continues: boolean;
  /** Marks of the coordinators that the way leads through, the nearest first; none where the node itself answers. */
  readonly path: readonly string[];
  tokensPerS: number;
  firstTokenMs: number;
  openUntilMs: number;
  /** Failures of this model on this node since the last success; each doubles the time its breaker is open. */
  failures: number;
  /** Since when it is on offer there without a break, short absences of the node left out. */
  readonly sinceMs: number;
  /** Since when it costs what it costs. */
  readonly priceSinceMs: number;
  /** What it cost before, the newest first; no more than are kept. */
  readonly formerPrices: readonly FormerPrice[];
};
/** µ$ per million tokens, from then on. */
export type FormerPrice = Prices & { readonly sinceMs: number };

export type Serves = Pick<ReadyFrame, "backends" | "models" | "slots" | "prices" | "model_prices">;

/** What is on offer through other coordinators: where it would lead back to `self`, or too far, it is none. */
export type PeerRule = { self: string; maxHops: number };
export const ANY_PEER: PeerRule = { self: "", maxHops: Number.MAX_SAFE_INTEGER };

const ALL_TASKS = taskBits(TASKS);
const ALL_FEATURES = featureBits(FEATURES);
const OWN: readonly string[] = [];
const NEVER: readonly FormerPrice[] = [];
/** Changes of a price that are kept: a job waits for minutes, and prices change in hours. */
const MAX_FORMER_PRICES = 8;

/**
 * The offers of a node that serves this. What was learnt of a model there (`before`) stays true while it is served.
 */
export function offersOf(
  node: Node,
  serves: Serves,
  before: ReadonlyMap<string, Offer>,
  { peers, prices }: { peers: PeerRule; prices: PriceBounds },
  nowMs: number,
): Offer[] {
  const offers = new Map<string, Offer>();
  for (const info of serves.models) {
    const backend = serves.backends[info.backend];
    if (!backend?.healthy || offers.has(info.name)) continue;
    const path = backend.kind === "infernet" ? (info.path ?? []) : OWN;
    // A way through others that does not say which ones cannot be kept from running in circles.
    if (backend.kind === "infernet" && (path.length === 0 || path.includes(peers.self))) continue;
    if (!mayTake(NO_TRAIL, path, peers.maxHops)) continue;
    if (priceFault(prices, priceOf(serves, info.name)) !== null) continue;
    offers.set(info.name, newOffer(node, info, serves, backend, path, before.get(info.name), nowMs));
  }
  return [...offers.values()];
}

function newOffer(
  node: Node,
  info: ModelOffer,
  serves: Serves,
  { continues }: BackendInfo,
  path: readonly string[],
  before: Offer | undefined,
  nowMs: number,
): Offer {
  const prices = priceOf(serves, info.name);
  const isAsBefore = before !== undefined && samePrices(pricesOf(before), prices);
  const measured = {
    priceInput: prices.input,
    priceOutput: prices.output,
    tokensPerS: before?.tokensPerS ?? 0,
    rttMs: node.rttMs,
    firstTokenMs: before?.firstTokenMs ?? 0,
  };
  const quality = rate(measured);
  const has = featureBits(info.features ?? []);
  // What every choice reads stands first: with thousands of offers, memory is what choosing waits for.
  return {
    node,
    contextLength: info.context_length,
    openUntilMs: before?.openUntilMs ?? 0,
    tasks: info.tasks === undefined ? ALL_TASKS : taskBits(info.tasks),
    balanced: quality.balanced,
    cheapest: quality.cheapest,
    fastest: quality.fastest,
    latency: quality.latency,
    priceInput: measured.priceInput,
    priceOutput: measured.priceOutput,
    tokensPerS: measured.tokensPerS,
    firstTokenMs: measured.firstTokenMs,
    has,
    lacks: info.features === undefined ? 0 : ALL_FEATURES & ~has,
    quantizations: quantizationNames(info.quantization),
    failures: before?.failures ?? 0,
    sinceMs: before?.sinceMs ?? nowMs,
    priceSinceMs: isAsBefore ? before.priceSinceMs : nowMs,
    formerPrices: before === undefined ? NEVER : isAsBefore ? before.formerPrices : withFormer(before),
    model: info.name,
    info,
    continues,
    path,
  };
}

const pricesOf = ({ priceInput: input, priceOutput: output }: Offer): Prices => ({ input, output });
const withFormer = (before: Offer): FormerPrice[] =>
  [{ ...pricesOf(before), sinceMs: before.priceSinceMs }, ...before.formerPrices].slice(0, MAX_FORMER_PRICES);

/** What the model cost there at that time; undefined where it was not on offer yet, or that is not kept any more. */
export function priceAt(offer: Offer, atMs: number): Prices | undefined {
  if (offer.priceSinceMs <= atMs) return pricesOf(offer);
  const former = offer.formerPrices.find(({ sinceMs }) => sinceMs <= atMs);
  return former && { input: former.input, output: former.output };
}

/** The lowest and the highest of what is asked, µ$ per million tokens, in the words of `/v1/models`. */
export type PriceRange = {
  price_input: number;
  price_input_max: number;
  price_output: number;
  price_output_max: number;
};
/** Of these, of which there is one at least. */
export function priceRange(offers: readonly Offer[]): PriceRange {
  const inputs = offers.map(({ priceInput }) => priceInput);
  const outputs = offers.map(({ priceOutput }) => priceOutput);
  return {
    price_input: Math.min(...inputs),
    price_input_max: Math.max(...inputs),
    price_output: Math.min(...outputs),
    price_output_max: Math.max(...outputs),
  };
}

/** Takes over what was measured lately. */
export const rerate = (offer: Offer): Offer => Object.assign(offer, rate({ ...offer, rttMs: offer.node.rttMs }));
