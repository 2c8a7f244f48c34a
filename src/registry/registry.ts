// Registry: the nodes there are now and what each serves, in memory, for the scheduler to read. What must outlive the
// process (admission, ownership, last seen) is in the database and reached through nodes.ts.
import type { Clock } from "../lib/clock.ts";
import type { BackendInfo, Device, HeartbeatFrame, ModelOffer, ReadyFrame } from "../protocol/frames.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { mayTake, NO_TRAIL, type Trail } from "../protocol/trail.ts";
import { type Candidate, type CandidateNode, rate } from "../scheduler/choose.ts";
import { ANY_PRICE, type PriceBounds, priceRefusal } from "./price-bounds.ts";

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
};

/** The node's end of a link, as the rest of the coordinator uses it. */
export type NodeChannel = {
  /** Sends one frame, already serialised; nothing happens when the link is gone. */
  send(frameJson: string): void;
  /** Says that the end of this attempt is kept here; goes out with the next frame, or a little later. */
  acknowledge(attempt: string): void;
  /** The node keeps nothing of what it sent, so that a broken attempt is lost. */
  readonly forgetful?: true;
  /** Asks for a `pong`; absent where the node cannot be asked. */
  ping?(n: number): void;
  close(code: number, reason: string): void;
};

export type Node = CandidateNode & {
  readonly pubkey: Pubkey;
  name: string;
  device: Device | null;
  backends: readonly BackendInfo[];
  offers: readonly Offer[];
  slots: number;
  running: number;
  accepting: boolean;
  suspectUntilMs: number;
  /** Failures since the last success; each doubles the time under suspicion. */
  failures: number;
  status: HeartbeatFrame["status"];
  /** It is behind with reading what it was sent. */
  congested: boolean;
  channel: NodeChannel | null;
  /** What keeps its models from being offered, for its operator; null where nothing does. */
  notice: string | null;
  connectedMs: number;
  /** Measured round trip of the link, smoothed; null where it was not measured. */
  rttMs: number | null;
  lastSeenMs: number;
};

export type Serves = Pick<ReadyFrame, "backends" | "models" | "slots" | "prices">;

/** First time under suspicion; doubled by each further failure, up to the last. */
const SUSPECT_MS = 2_000;
const SUSPECT_MAX_MS = 60_000;
/** Weight of the newest answer in a node's measured speed. */
const SPEED_WEIGHT = 0.3;

export type Registry = ReturnType<typeof createRegistry>;

/** Models that are gone and still known: a node may name new ones in every heartbeat. */
const MAX_REMEMBERED = 10_000;

/** What is on offer through other coordinators: where it would lead back to `self`, or too far, it is none. */
export type PeerRule = { self: string; maxHops: number };
const ANY_PEER: PeerRule = { self: "", maxHops: Number.MAX_SAFE_INTEGER };

/** `prices`: what nodes may ask for; a node outside is linked, and told so, but none of its models is on offer. */
export function createRegistry({
  clock,
  prices = ANY_PRICE,
  peers = ANY_PEER,
}: {
  clock: Clock;
  prices?: PriceBounds;
  peers?: PeerRule;
}) {
  const nodes = new Map<Pubkey, Node>();
  const byModel = new Map<string, Offer[]>();
  /** When each model was last on offer, for the grace a vanished node gets. */
  const lastServedMs = new Map<string, number>();

  const remember = (model: string) => {
    lastServedMs.delete(model);
    lastServedMs.set(model, clock.nowMs());
    if (lastServedMs.size <= MAX_REMEMBERED) return;
    for (const oldest of lastServedMs.keys()) {
      lastServedMs.delete(oldest);
      return;
    }
  };
  const unlist = (node: Node) => {
    for (const offer of node.offers) {
      const left = byModel.get(offer.model)?.filter((other) => other !== offer) ?? [];
      if (left.length > 0) byModel.set(offer.model, left);
      else byModel.delete(offer.model);
      remember(offer.model);
    }
    node.offers = [];
  };
  const list = (node: Node, serves: Serves) => {
    const before = new Map(node.offers.map((offer) => [offer.model, offer]));
    unlist(node);
    node.backends = serves.backends;
    node.slots = serves.slots;
    const offers = new Map<string, Offer>();
    node.notice = priceRefusal(prices, serves.prices);
    for (const info of node.notice === null ? serves.models : []) {
      const backend = serves.backends[info.backend];
      if (!backend?.healthy || offers.has(info.name)) continue;
      const path = backend.kind === "infernet" ? (info.path ?? []) : OWN;
      // A way through others that does not say which ones cannot be kept from running in circles.
      if (backend.kind === "infernet" && (path.length === 0 || path.includes(peers.self))) continue;
      if (!mayTake(NO_TRAIL, path, peers.maxHops)) continue;
      offers.set(info.name, newOffer(node, info, serves, backend, path, before.get(info.name)?.tokensPerS ?? 0));
    }
    node.offers = [...offers.values()];
    for (const offer of node.offers) {
      const others = byModel.get(offer.model);
      if (others) others.push(offer);
      else byModel.set(offer.model, [offer]);
    }
  };

  return {
    nodes: nodes as ReadonlyMap<Pubkey, Node>,

    /** Everything on offer now. */
    models: byModel as ReadonlyMap<string, readonly Offer[]>,

    /** Who serves the model now; empty when nobody does. */
    offersOf: (model: string): readonly Offer[] => byModel.get(model) ?? NONE,

    /** Of these, who serves a request that came this way; without a trail, all. */
    offersFor(model: string, trail: Trail | undefined): readonly Offer[] {
      const offers = byModel.get(model) ?? NONE;
      if (trail === undefined || offers.every(({ path }) => path.length === 0)) return offers;
      return offers.filter(({ path }) => mayTake(trail, path, peers.maxHops));
    },

    /** When the model was last on offer; undefined where it never was. */
    lastServedMs: (model: string): number | undefined => (byModel.has(model) ? clock.nowMs() : lastServedMs.get(model)),

    /** Remembers a model from before the start, so that its absence reads as "offline" and not as "unknown". */
    expect(model: string): void {
      if (!lastServedMs.has(model)) remember(model);
    },

    /** A node finished its handshake. What it serves counts from now on, whatever an older link said. */
    attach(pubkey: Pubkey, channel: NodeChannel, ready: ReadyFrame): Node {
      const node = nodes.get(pubkey) ?? newNode(pubkey);
      nodes.set(pubkey, node);
      Object.assign(node, { name: ready.name, device: ready.device, channel, status: "available", congested: false });
      node.accepting = true;
      node.connectedMs = node.lastSeenMs = clock.nowMs();
      list(node, ready);
      return node;
    },

    heartbeat(node: Node, frame: HeartbeatFrame): void {
      node.lastSeenMs = clock.nowMs();
      node.status = frame.status;
      node.accepting = node.status === "available" && !node.congested;
      if (frame.serves) list(node, frame.serves);
    },

    /** Gives it no work, or work again. */
    congest(node: Node, congested: boolean): void {
      node.congested = congested;
      node.accepting = node.channel !== null && node.status === "available" && !congested;
    },

    /** The link is gone: nothing is on offer there. */
    detach(node: Node): void {
      unlist(node);
      node.channel = null;
      node.accepting = false;
      node.lastSeenMs = clock.nowMs();
    },

    /** A job went wrong there. */
    blame(node: Node): void {
      node.failures++;
      const forMs = Math.min(SUSPECT_MAX_MS, SUSPECT_MS * 2 ** (node.failures - 1));
      node.suspectUntilMs = clock.nowMs() + forMs;
    },

    /** A job went well there. */
    praise(offer: Offer, completionTokens: number, generatingMs: number): void {
      // Trust comes back by halves: a node that flaps is soon under suspicion for long again.
      offer.node.failures = Math.floor(offer.node.failures / 2);
      offer.node.suspectUntilMs = 0;
      if (completionTokens < 8 || generatingMs < 1) return;
      const speed = (completionTokens * 1000) / generatingMs;
      offer.tokensPerS = offer.tokensPerS === 0 ? speed : offer.tokensPerS + SPEED_WEIGHT * (speed - offer.tokensPerS);
      Object.assign(offer, rate(offer));
    },

    forget(pubkey: Pubkey): void {
      const node = nodes.get(pubkey);
      if (!node) return;
      unlist(node);
      nodes.delete(pubkey);
    },
  };
}

const NONE: readonly Offer[] = [];
const OWN: readonly string[] = [];

function newNode(pubkey: Pubkey): Node {
  return {
    pubkey,
    name: "",
    device: null,
    backends: [],
    offers: [],
    slots: 0,
    running: 0,
    accepting: false,
    congested: false,
    suspectUntilMs: 0,
    failures: 0,
    status: "available",
    channel: null,
    notice: null,
    connectedMs: 0,
    rttMs: null,
    lastSeenMs: 0,
  };
}

function newOffer(
  node: Node,
  info: ModelOffer,
  serves: Serves,
  backend: BackendInfo,
  path: readonly string[],
  tokensPerS: number,
): Offer {
  const priced = { priceInput: serves.prices.input, priceOutput: serves.prices.output, tokensPerS };
  return {
    node,
    model: info.name,
    info,
    continues: backend.continues,
    path,
    contextLength: info.context_length,
    ...priced,
    ...rate(priced),
  };
}
