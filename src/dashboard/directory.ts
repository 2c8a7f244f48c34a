// Directory: the nodes that serve everybody, as everybody may see them: no addresses, no accounts.

import { freeSlots, type NodeState, nodeState } from "../registry/node-state.ts";
import type { Node, Registry } from "../registry/registry.ts";
import { mayUse } from "../scheduler/wishes.ts";
import type { Prices } from "./catalogue.ts";

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

const SHOWN_MODELS = 3;
const ANYBODY = { pools: [] };

/** In no order. */
export function directory(registry: Registry, nowMs: number): ProviderRow[] {
  const rows: ProviderRow[] = [];
  for (const node of registry.nodes.values()) {
    if (mayUse(ANYBODY, node.pool)) rows.push(providerRow(node, nowMs));
  }
  return rows;
}

function providerRow(node: Node, nowMs: number): ProviderRow {
  const { offers } = node;
  let tokensPerS = 0;
  const prices = { input: Infinity, inputMax: 0, output: Infinity, outputMax: 0 };
  for (const offer of offers) {
    if (offer.tokensPerS > tokensPerS) tokensPerS = offer.tokensPerS;
    if (offer.priceInput < prices.input) prices.input = offer.priceInput;
    if (offer.priceInput > prices.inputMax) prices.inputMax = offer.priceInput;
    if (offer.priceOutput < prices.output) prices.output = offer.priceOutput;
    if (offer.priceOutput > prices.outputMax) prices.outputMax = offer.priceOutput;
  }
  return {
    pubkey: node.pubkey,
    name: node.name,
    region: node.region,
    device: deviceName(node),
    state: nodeState(node, nowMs),
    free: freeSlots(node),
    slots: node.slots,
    models: offers.length,
    modelNames: offers.slice(0, SHOWN_MODELS).map(({ model }) => model),
    prices: offers.length > 0 ? prices : null,
    tokensPerS: tokensPerS > 0 ? tokensPerS : null,
    sinceMs: node.channel === null ? node.lastSeenMs : node.connectedMs,
  };
}

/** `2 × NVIDIA RTX 4090`: its first GPU, how many there are, or its processor. */
function deviceName({ device }: Node): string {
  if (!device) return "";
  const [gpu] = device.gpus;
  if (!gpu) return device.cpu;
  return device.gpus.length > 1 ? `${device.gpus.length} × ${gpu.name}` : gpu.name;
}
