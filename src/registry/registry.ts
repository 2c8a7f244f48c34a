// Registry: the nodes there are now and what each serves, in memory, for the scheduler to read. What must outlive the
// process (admission, ownership, last seen) is in the database and reached through nodes.ts.
import type { Clock } from "../lib/clock.ts";
import type { HeartbeatFrame, ReadyFrame } from "../protocol/frames.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { mayTake, type Trail } from "../protocol/trail.ts";
import { handlesOf, PUBLIC_POOL } from "../scheduler/wishes.ts";
import { ANYWHERE, type Elsewhere, type Node, type NodeChannel, newNode, othersAt, type Placement } from "./node.ts";
import { isOnline } from "./node-state.ts";
import { ANY_PEER, type Offer, offersOf, type PeerRule, rerate, type Serves } from "./offers.ts";
import { ANY_PRICE, type PriceBounds, priceRefusal } from "./price-bounds.ts";
import { isPlausible, regionName } from "./region.ts";
import { standing } from "./standing.ts";

export type { Node, NodeChannel, Placement } from "./node.ts";
export { type Offer, type PeerRule, type PriceRange, priceAt, priceRange, type Serves } from "./offers.ts";

export type Registry = ReturnType<typeof createRegistry>;

/** Models that are gone and still known: a node may name new ones in every heartbeat. */
const MAX_REMEMBERED = 10_000;

/** Word for a node's operator. */
const MAINTENANCE = "under maintenance: an admin of the coordinator lets it have no work for now";
/** Weight of the newest round trip. */
const RTT_WEIGHT = 0.3;
/** A round trip that changed by less changes nothing else. */
const RTT_CHANGED = 0.1;

export type Aliases = Readonly<Record<string, readonly string[]>>;

export type RegistryDeps = {
  clock: Clock;
  /** What nodes may ask for a model; one outside is not on offer, and its node's operator is told so. */
  prices?: PriceBounds;
  peers?: PeerRule;
  /** Where this coordinator stands; "" where it does not say. */
  region?: string;
  /** Other names for models: each for the first of its models that can serve. Asked at every request. */
  aliases?: () => Aliases;
};

export function createRegistry({
  clock,
  prices = ANY_PRICE,
  peers = ANY_PEER,
  region = "",
  aliases: aliasesNow = () => NO_ALIASES,
}: RegistryDeps) {
  const nodes = new Map<Pubkey, Node>();
  const byModel = new Map<string, Offer[]>();
  /** When each model was last on offer, by pool, for the grace a vanished node gets. */
  const lastServed = new Map<string, Map<string, number>>();
  /** Of every registered key that stands otherwise than most. */
  const placements = new Map<Pubkey, Placement>();
  /** What was on offer at nodes that are away, for when they come back. */
  const away = new WeakMap<Node, readonly Offer[]>();
  /** What nodes said last that they serve, refused models too. */
  const said = new WeakMap<Node, Serves>();
  let linked = 0;
  const stands = standing(clock, nodes, () => linked);
  /** Why a node is given no work though it would take some, beside what an admin decided: no stake, say. */
  let withheld: (pubkey: Pubkey) => string | null = () => null;

  const remember = (model: string, pool: string) => {
    const byPool = lastServed.get(model) ?? new Map<string, number>();
    lastServed.delete(model);
    lastServed.set(model, byPool.set(pool, clock.nowMs()));
    if (lastServed.size <= MAX_REMEMBERED) return;
    for (const oldest of lastServed.keys()) {
      lastServed.delete(oldest);
      return;
    }
  };
  const unlist = (node: Node) => {
    for (const offer of node.offers) {
      const left = byModel.get(offer.model)?.filter((other) => other !== offer) ?? [];
      if (left.length > 0) byModel.set(offer.model, left);
      else byModel.delete(offer.model);
      remember(offer.model, node.pool);
    }
    node.offers = [];
  };
  const list = (node: Node, serves: Serves) => {
    const known = node.offers.length > 0 ? node.offers : (away.get(node) ?? []);
    const before = new Map(known.map((offer) => [offer.model, offer]));
    unlist(node);
    away.delete(node);
    said.set(node, serves);
    node.backends = serves.backends;
    node.slots = serves.slots;
    node.refused = priceRefusal(prices, serves);
    node.offers = offersOf(node, serves, before, { peers, prices }, clock.nowMs());
    for (const offer of node.offers) {
      const others = byModel.get(offer.model);
      if (others) others.push(offer);
      else byModel.set(offer.model, [offer]);
    }
    consider(node);
  };
  /** Whether it takes work, and why not, as things are now. */
  const consider = (node: Node) => {
    const reason = node.maintenance ? MAINTENANCE : withheld(node.pubkey);
    node.accepting = node.channel !== null && node.status === "available" && !node.congested && reason === null;
    node.notice = node.refused ?? reason;
  };
  const placedNode = (pubkey: Pubkey): Node => {
    const node = Object.assign(newNode(pubkey), placements.get(pubkey) ?? ANYWHERE);
    node.handles = handlesOf(node);
    return node;
  };
  const locate = (node: Node) => {
    node.region = isPlausible(region, node.claimedRegion, node.leastRttMs) ? node.claimedRegion : "";
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

    /** When the model was last on offer to who may use these pools; undefined where it never was. */
    lastServedMs(model: string, mayUse: (pool: string) => boolean): number | undefined {
      if (byModel.get(model)?.some(({ node }) => mayUse(node.pool))) return clock.nowMs();
      const times = [...(lastServed.get(model) ?? [])].flatMap(([pool, atMs]) => (mayUse(pool) ? [atMs] : []));
      return times.length > 0 ? Math.max(...times) : undefined;
    },

    /** Remembers a model from before the start, so that its absence reads as "offline" and not as "unknown". */
    expect(model: string, pool: string): void {
      if (!lastServed.get(model)?.has(pool)) remember(model, pool);
    },

    /** A node finished its handshake. What it serves counts from now on, whatever an older link said. */
    attach(pubkey: Pubkey, channel: NodeChannel, ready: ReadyFrame): Node {
      const node = nodes.get(pubkey) ?? newNode(pubkey);
      nodes.set(pubkey, node);
      if (node.channel === null) {
        linked++;
        stands.linkIsBack(node);
        node.leastRttMs = null;
      }
      Object.assign(node, { name: ready.name, device: ready.device, channel, status: "available", congested: false });
      node.statusReason = node.machine = null;
      node.terms = ready.terms ?? null;
      Object.assign(node, placements.get(pubkey) ?? ANYWHERE);
      node.handles = handlesOf(node);
      node.claimedRegion = regionName(ready.region);
      node.foreign = node.cache = 0;
      node.connectedMs = node.lastSeenMs = clock.nowMs();
      locate(node);
      list(node, ready);
      return node;
    },

    /** An admin decided about it. The node, where it is here. */
    place(pubkey: Pubkey, placement: Placement): Node | undefined {
      const { pool, maintenance, account } = placement;
      if (pool === PUBLIC_POOL && !maintenance && account === ANYWHERE.account) placements.delete(pubkey);
      else placements.set(pubkey, { pool, maintenance, account });
      const node = nodes.get(pubkey);
      if (!node) return undefined;
      Object.assign(node, { pool, maintenance, account });
      node.handles = handlesOf(node);
      consider(node);
      return node;
    },

    /** Gives no work to nodes that `reasonOf` names a reason for, from now on and whenever they come. */
    withholdBy(reasonOf: (pubkey: Pubkey) => string | null): void {
      withheld = reasonOf;
      for (const node of nodes.values()) consider(node);
    },

    /** The bounds of prices are others now: what is on offer is looked at again. */
    boundAnew(): void {
      for (const node of nodes.values()) {
        const serves = said.get(node);
        if (node.channel !== null && serves) list(node, serves);
      }
    },

    /** Gives a node no work while its handshake ends, and then as things are. */
    hold(node: Node, held: boolean): void {
      if (held) node.accepting = false;
      else consider(node);
    },

    /** A round trip on its link was measured. */
    measured(node: Node, newestMs: number): void {
      const before = node.rttMs;
      const rttMs = before === null ? newestMs : before + RTT_WEIGHT * (newestMs - before);
      node.rttMs = rttMs;
      node.leastRttMs = Math.min(node.leastRttMs ?? newestMs, newestMs);
      if (before !== null && Math.abs(rttMs - before) <= before * RTT_CHANGED) return;
      locate(node);
      node.offers.forEach(rerate);
    },

    heartbeat(node: Node, frame: HeartbeatFrame): void {
      node.lastSeenMs = clock.nowMs();
      node.status = frame.status;
      node.statusReason = frame.reason ?? null;
      node.machine = frame.machine ?? null;
      consider(node);
      Object.assign(node, othersAt(node, frame));
      if (frame.device) node.device = frame.device;
      if (frame.terms) node.terms = frame.terms;
      if (frame.serves) list(node, frame.serves);
    },

    /** Gives it no work, or work again. */
    congest(node: Node, congested: boolean): void {
      node.congested = congested;
      consider(node);
    },

    /** The link is gone: nothing is on offer there. `broke`: nobody closed it on purpose. */
    detach(node: Node, broke = true): void {
      if (node.channel !== null) {
        linked--;
        // Who said that it would leave, left in order.
        if (broke && node.status !== "draining") stands.linkBroke(node);
      }
      away.set(node, node.offers);
      unlist(node);
      node.channel = null;
      node.lastSeenMs = clock.nowMs();
      consider(node);
    },

    /** Another coordinator of the network told of its link to a node, or (null) that there is none any more. */
    linkedElsewhere(pubkey: Pubkey, elsewhere: Elsewhere | null): void {
      const node = nodes.get(pubkey) ?? (elsewhere && placedNode(pubkey));
      if (!node) return;
      nodes.set(pubkey, node);
      node.elsewhere = elsewhere;
      if (node.channel !== null) return;
      node.lastSeenMs = clock.nowMs();
      if (!elsewhere) return;
      const { models: _, modelNames: _names, prices: _prices, ...shown } = elsewhere.shown;
      Object.assign(node, shown);
    },

    blame: stands.blame,
    fault: stands.fault,
    tried: stands.tried,
    praise(...[offer, ...how]: Parameters<typeof stands.praise>): void {
      stands.praise(offer, ...how);
      rerate(offer);
    },

    /**
     * The models that a name stands for, in order: an alias's, else the one, with or without Ollama's `:latest` as it is
     * served. An alias wins over a model of its name, so that no node can take it over.
     */
    modelsNamed(name: string): readonly string[] {
      const aliases = aliasesNow();
      if (byModel.has(name) && !Object.hasOwn(aliases, name)) return [name];
      return (Object.hasOwn(aliases, name) ? (aliases[name] ?? []) : [name]).map((model) => {
        if (byModel.has(model)) return model;
        const other = model.endsWith(LATEST) ? model.slice(0, -LATEST.length) : `${model}${LATEST}`;
        return byModel.has(other) || (lastServed.has(other) && !lastServed.has(model)) ? other : model;
      });
    },
    get aliases(): Aliases {
      return aliasesNow();
    },

    /** Lets go of nodes that are away and were not seen since. */
    forgetGone(sinceMs: number): void {
      for (const [pubkey, node] of nodes) {
        if (!isOnline(node) && node.running === 0 && node.lastSeenMs < sinceMs) nodes.delete(pubkey);
      }
    },
  };
}

const NO_ALIASES: Aliases = {};
const NONE: readonly Offer[] = [];
/** Ollama's tag of a model that is named without one. */
const LATEST = ":latest";
