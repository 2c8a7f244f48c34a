// Node: one machine that offers inference, as this coordinator knows it while it runs.
import { LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import type { BackendInfo, Device, HeartbeatFrame, MachineLoad } from "../protocol/frames.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { NodeTerms } from "../protocol/terms.ts";
import type { CandidateNode } from "../scheduler/choose.ts";
import { PUBLIC_POOL } from "../scheduler/wishes.ts";
import type { Offer } from "./offers.ts";

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
  /** How busy its machine is, as it said last; null where it does not say. */
  machine: MachineLoad | null;
  /** What its operator has set, as it said last; null where it does not say, and then takes no `configure`. */
  terms: NodeTerms | null;
  backends: readonly BackendInfo[];
  offers: readonly Offer[];
  pool: string;
  account: string;
  handles: readonly string[];
  region: string;
  slots: number;
  running: number;
  foreign: number;
  cache: number;
  accepting: boolean;
  watchedUntilMs: number;
  suspectUntilMs: number;
  provingUntilMs: number;
  provingMs: number;
  /** Failures since the last success; each doubles the time under suspicion. */
  failures: number;
  /** Times its link broke, less one for each minute since the last. */
  flaps: number;
  flappedMs: number;
  /** Where it says it stands, believed or not. */
  claimedRegion: string;
  /** An admin wants it to have no work. */
  maintenance: boolean;
  status: HeartbeatFrame["status"];
  /** Why it is not available, in its own words. */
  statusReason: string | null;
  /** Of its program; null where it does not say. */
  version: string | null;
  /** It is behind with reading what it was sent. */
  congested: boolean;
  channel: NodeChannel | null;
  /** Its link to another coordinator of the network, whether it has one here or not; null where it has none. */
  elsewhere: Elsewhere | null;
  /** What keeps models of it from being offered; null where nothing does. */
  refused: string | null;
  /** What keeps it from having work, for its operator; null where nothing does. */
  notice: string | null;
  connectedMs: number;
  /** Measured round trip of the link, smoothed; null where it was not measured. */
  rttMs: number | null;
  /** The shortest round trip of all: what is added to it by load says nothing about distance. */
  leastRttMs: number | null;
  lastSeenMs: number;
};

/** What other coordinators of the network show of a node that is linked here. It changes seldom. */
export type LinkShown = {
  name: string;
  /** As far as it is believed. */
  region: string;
  claimedRegion: string;
  device: Device | null;
  version: string | null;
  slots: number;
  status: HeartbeatFrame["status"];
  statusReason: string | null;
  /** How many it offers, and the first of them. */
  models: number;
  modelNames: readonly string[];
  /** The least and the most of what it asks, µ$ per million tokens; null where it offers nothing. */
  prices: { input: number; inputMax: number; output: number; outputMax: number } | null;
};
/** A node's link to another coordinator that shares the database. */
export type Elsewhere = { replica: string; sinceMs: number; shown: LinkShown };

/** What an admin decided about a node; kept in the database, told here. */
export type Placement = { pool: string; maintenance: boolean; account: string };
/** Where a node stands that no admin placed. */
export const ANYWHERE: Placement = { pool: PUBLIC_POOL, maintenance: false, account: LOCAL_ACCOUNT_ID };

/** What its backends do for others, as far as they or the node say. */
export function othersAt({ running }: Node, frame: HeartbeatFrame): Pick<Node, "foreign" | "cache"> {
  const loads = (frame.loads ?? []).filter((load) => load !== null);
  const all = loads.reduce((sum, load) => sum + load.running + load.waiting, 0);
  return {
    foreign: Math.max(0, Math.max(all, frame.running) - running),
    cache: Math.max(0, ...loads.map((load) => load.cache ?? 0)),
  };
}

export function newNode(pubkey: Pubkey): Node {
  // What every choice reads stands first, as in offers.
  return {
    running: 0,
    slots: 0,
    accepting: false,
    watchedUntilMs: 0,
    pool: PUBLIC_POOL,
    foreign: 0,
    cache: 0,
    suspectUntilMs: 0,
    provingUntilMs: 0,
    provingMs: 0,
    pubkey,
    handles: [],
    name: "",
    account: ANYWHERE.account,
    region: "",
    claimedRegion: "",
    maintenance: false,
    failures: 0,
    flaps: 0,
    flappedMs: 0,
    device: null,
    machine: null,
    terms: null,
    backends: [],
    offers: [],
    congested: false,
    status: "available",
    statusReason: null,
    version: null,
    channel: null,
    elsewhere: null,
    refused: null,
    notice: null,
    connectedMs: 0,
    rttMs: null,
    leastRttMs: null,
    lastSeenMs: 0,
  };
}
