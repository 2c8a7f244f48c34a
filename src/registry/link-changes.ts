// Link changes: which nodes came, went or changed since it was told last, found by a cheap look at all of them. What
// changes with every job is not told.
import type { Pubkey } from "../protocol/primitives.ts";
import type { LinkShown, Node } from "./node.ts";
import type { Registry } from "./registry.ts";

/** `made` null: it is linked here no more. */
export type LinkChange = { pubkey: Pubkey; made: Told | null };

export type LinkChanges = {
  /** What is new since it was told; of much, the first `MOST_NEWS`. */
  news(): LinkChange[];
  /** It was written. */
  told(change: LinkChange): void;
};

/** So many are made in one turn of the event loop: a few milliseconds. */
export const MOST_NEWS = 1_000;
const NAMED_MODELS = 32;

/** What was told of a node, and what it was made of. */
type Told = Pick<
  Node,
  "connectedMs" | "name" | "device" | "offers" | "status" | "statusReason" | "region" | "version"
> & {
  shownJson: string;
};

export function linkChanges({ nodes }: Pick<Registry, "nodes">): LinkChanges {
  const told = new Map<Pubkey, Told>();
  return {
    news() {
      const changes: LinkChange[] = [];
      for (const pubkey of told.keys()) {
        if ((nodes.get(pubkey)?.channel ?? null) === null) changes.push({ pubkey, made: null });
      }
      for (const node of nodes.values()) {
        if (changes.length >= MOST_NEWS) break;
        if (node.channel === null) continue;
        const before = told.get(node.pubkey);
        if (before && isSame(before, node)) continue;
        const made = toldOf(node, JSON.stringify(shownOf(node)));
        // Made anew, and the same.
        if (before?.connectedMs === made.connectedMs && before.shownJson === made.shownJson)
          told.set(node.pubkey, made);
        else changes.push({ pubkey: node.pubkey, made });
      }
      return changes;
    },
    told({ pubkey, made }) {
      if (made === null) told.delete(pubkey);
      else told.set(pubkey, made);
    },
  };
}

const toldOf = (node: Node, shownJson: string): Told => {
  const { connectedMs, name, device, offers, status, statusReason, region, version } = node;
  return { connectedMs, name, device, offers, status, statusReason, region, version, shownJson };
};

const isSame = (before: Told, node: Node): boolean =>
  before.connectedMs === node.connectedMs &&
  before.offers === node.offers &&
  before.status === node.status &&
  before.device === node.device &&
  before.region === node.region &&
  before.name === node.name &&
  before.statusReason === node.statusReason &&
  before.version === node.version;

function shownOf(node: Node): LinkShown {
  const { name, region, claimedRegion, device, version, slots, status, statusReason, offers } = node;
  return {
    ...{ name, region, claimedRegion, device, version, slots, status, statusReason },
    models: offers.length,
    modelNames: offers.slice(0, NAMED_MODELS).map(({ model }) => model),
    prices: pricesOf(node),
  };
}

function pricesOf({ offers }: Node): LinkShown["prices"] {
  if (offers.length === 0) return null;
  const prices = { input: Infinity, inputMax: 0, output: Infinity, outputMax: 0 };
  for (const { priceInput, priceOutput } of offers) {
    prices.input = Math.min(prices.input, priceInput);
    prices.inputMax = Math.max(prices.inputMax, priceInput);
    prices.output = Math.min(prices.output, priceOutput);
    prices.outputMax = Math.max(prices.outputMax, priceOutput);
  }
  return prices;
}
