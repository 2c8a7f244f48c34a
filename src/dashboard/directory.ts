// Directory: the nodes that serve everybody, as everybody may see them: no addresses, no accounts.
import { freeSlots, isOnline, type NodeState, nodeState, onlyElsewhere } from "../registry/node-state.ts";
import type { Node, Offer, Registry } from "../registry/registry.ts";
import { mayUse } from "../scheduler/wishes.ts";
import type { Prices } from "./catalogue.ts";
import { type Cursors, type ListPage, listPage } from "./paging.ts";

export type ProviderRow = {
  pubkey: string;
  name: string;
  region: string;
  /** Its GPUs, or its processor; empty where it does not say. */
  device: string;
  state: NodeState;
  free: number;
  slots: number;
  models: number;
  /** A few of them. */
  modelNames: readonly string[];
  /** µ$ per million tokens; null where it offers nothing. */
  prices: Prices | null;
  /** The fastest of its models as measured; null where nothing was. */
  tokensPerS: number | null;
  /** Unix time, ms: its link's beginning, or where there is none, its end. */
  sinceMs: number;
};

/** Of all of them, beside the page that is asked for. */
export type Directory = {
  page: ListPage<ProviderRow>;
  /** Nodes that fit, all, and those of all that are online. */
  found: number;
  total: number;
  online: number;
  /** That nodes are in. */
  regions: readonly string[];
};

export type DirectoryQuery = { q: string; state: string; region: string; order: string };

const SHOWN_MODELS = 3;
const MAX_REGIONS = 64;
const ANYBODY = { pools: [] };

/** One pass over the nodes themselves: a row is made of those alone that are on the page. */
export function directory(
  registry: Registry,
  query: DirectoryQuery,
  { cursors, size, nowMs }: { cursors: Cursors; size: number; nowMs: number },
): Directory {
  const fits = fitting(query, nowMs);
  const found: Node[] = [];
  const regions = new Set<string>();
  let total = 0;
  let online = 0;
  for (const node of registry.nodes.values()) {
    if (!mayUse(ANYBODY, node.pool)) continue;
    total++;
    if (isOnline(node)) online++;
    if (node.region !== "" && regions.size < MAX_REGIONS) regions.add(node.region);
    if (fits(node)) found.push(node);
  }
  const by = (Object.hasOwn(BY, query.order) ? BY[query.order] : undefined) ?? BY.state;
  const { rows, ...beside } = listPage(found, (node) => [by?.(node, nowMs) ?? 0, node.pubkey], cursors, size);
  const page = { rows: rows.map((node) => providerRow(node, nowMs)), ...beside };
  return { page, found: found.length, total, online, regions: [...regions] };
}

function fitting({ q, state, region }: DirectoryQuery, nowMs: number): (node: Node) => boolean {
  const part = q.toLowerCase();
  const has = (text: string) => text.toLowerCase().includes(part);
  return (node) =>
    (state === "" || isIn(nodeState(node, nowMs), state)) &&
    (region === "" || node.region === region) &&
    (part === "" ||
      has(node.name) ||
      has(deviceName(node)) ||
      node.pubkey.startsWith(part) ||
      shownModels(node).some(has));
}

function isIn(state: NodeState, wanted: string): boolean {
  if (wanted === "online") return state !== "offline";
  return state === wanted || (wanted === "serving" && state === "full");
}

const RANKS: Readonly<Record<NodeState, number>> = {
  ...{ serving: 0, idle: 1, full: 2, elsewhere: 3, bare: 4, suspect: 5, paused: 6, offline: 7 },
};
/** What stands first has the least. */
const BY: Readonly<Record<string, (node: Node, nowMs: number) => number | string>> = {
  state: (node, nowMs) => RANKS[nodeState(node, nowMs)],
  fast: (node) => -tokensPerSOf(node),
  cheap(node) {
    const prices = pricesOf(node);
    return prices === null ? Number.MAX_SAFE_INTEGER : prices.input + prices.output;
  },
  long: (node) => (isOnline(node) ? sinceMsOf(node) : Number.MAX_SAFE_INTEGER - node.lastSeenMs),
  new: (node) => (isOnline(node) ? -sinceMsOf(node) : Number.MAX_SAFE_INTEGER - node.lastSeenMs),
  name: ({ name }) => name.toLowerCase(),
};

type OfferNumber = "priceInput" | "priceOutput" | "tokensPerS";
const least = (offers: readonly Offer[], of: OfferNumber): number =>
  offers.reduce((min, offer) => Math.min(min, offer[of]), Number.POSITIVE_INFINITY);
const most = (offers: readonly Offer[], of: OfferNumber): number =>
  offers.reduce((max, offer) => Math.max(max, offer[of]), 0);
/** 0 where nothing was measured. */
const tokensPerSOf = ({ offers }: Node): number => most(offers, "tokensPerS");
/** By name. */
const shownModels = (node: Node): readonly string[] =>
  onlyElsewhere(node)?.shown.modelNames.slice(0, SHOWN_MODELS) ??
  node.offers.slice(0, SHOWN_MODELS).map(({ model }) => model);
const sinceMsOf = (node: Node): number =>
  onlyElsewhere(node)?.sinceMs ?? (node.channel === null ? node.lastSeenMs : node.connectedMs);

function pricesOf(node: Node): Prices | null {
  const elsewhere = onlyElsewhere(node);
  if (elsewhere) return elsewhere.shown.prices;
  const { offers } = node;
  if (offers.length === 0) return null;
  const [input, inputMax] = [least(offers, "priceInput"), most(offers, "priceInput")];
  return { input, inputMax, output: least(offers, "priceOutput"), outputMax: most(offers, "priceOutput") };
}

function providerRow(node: Node, nowMs: number): ProviderRow {
  return {
    pubkey: node.pubkey,
    name: node.name,
    region: node.region,
    device: deviceName(node),
    state: nodeState(node, nowMs),
    free: freeSlots(node),
    slots: node.slots,
    models: onlyElsewhere(node)?.shown.models ?? node.offers.length,
    modelNames: shownModels(node),
    prices: pricesOf(node),
    tokensPerS: tokensPerSOf(node) || null,
    sinceMs: sinceMsOf(node),
  };
}

/** `2 × NVIDIA RTX 4090`: its first GPU, how many there are, or its processor. */
function deviceName({ device }: Node): string {
  if (!device) return "";
  const [gpu] = device.gpus;
  if (!gpu) return device.cpu;
  return device.gpus.length > 1 ? `${device.gpus.length} × ${gpu.name}` : gpu.name;
}
