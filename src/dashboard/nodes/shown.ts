// Shown: a node as its page shows it. Everybody gets the same facts; who runs it, or governs here, gets all there is.
import { eq } from "drizzle-orm";
import { accounts, LOCAL_ACCOUNT_ID } from "../../accounts/schema.ts";
import type { CommandRow } from "../../admin/operations.ts";
import { listJobs } from "../../jobs/list.ts";
import type { JobState } from "../../jobs/states.ts";
import { compareVersions, isVersion } from "../../lib/versions.ts";
import type { CommandGroup } from "../../protocol/commands.ts";
import type { BackendInfo, Device } from "../../protocol/frames.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { freeSlots, type NodeState, nodeState } from "../../registry/node-state.ts";
import { listPayouts as payoutAddressesOf } from "../../registry/payouts.ts";
import type { Node, Registry } from "../../registry/registry.ts";
import type { NodeRow } from "../../registry/schema.ts";
import type { NodeDay, NodeSample } from "../../stats/stats.ts";
import type { DashboardDeps } from "../deps.ts";
import { type NoInstall, noInstall, refusedBy } from "./abilities.ts";
import { linesElsewhere, type ModelLine, modelLines } from "./model-lines.ts";
import { type Note, notesOn } from "./notes.ts";
import type { Right } from "./rights.ts";
import { type TermsShown, termsShown } from "./terms.ts";

export type ShownState = NodeState | "pending" | "ejected";

/** What everybody may know. */
export type NodeShown = {
  pubkey: Pubkey;
  name: string;
  state: ShownState;
  /** Beginning of its link, or when it was last heard of; null where it never was. */
  sinceMs: number | null;
  /** Where it stands, as far as that is believed; empty where it does not say. */
  region: string;
  /** Its GPUs, or its processor; empty where it does not say. */
  device: string;
  slots: number;
  running: number;
  free: number;
  /** Tokens per second now. */
  outputPerS: number;
  /** Share of the last 30 days, or of what there was of them, that it was there; null where it is too new to say. */
  uptime: number | null;
  models: readonly ModelLine[];
  nowMs: number;
  billing: boolean;
  right: Right;
  /** Null for everybody else. */
  inner: NodeInner | null;
};

/** What is for those who run it. */
export type NodeInner = {
  row: Omit<NodeRow, "specs">;
  /** The node of this very process. */
  own: boolean;
  standing: "available" | "paused" | "draining" | null;
  claimedRegion: string;
  version: string | null;
  /** Older than this coordinator. */
  behind: boolean;
  rttMs: number | null;
  machine: Device | null;
  /** Null where it does not say, or is not known yet. */
  terms: TermsShown | null;
  backends: readonly BackendInfo[];
  /** What its machine lets nobody here ask of it. */
  refuses: readonly CommandGroup[];
  /** Null where models can be installed from here. */
  noInstall: NoInstall | null;
  owner: { id: string; name: string; local: boolean };
  /** Where it is paid, null where it did not say; undefined where nothing is paid on a chain, or it earns nothing. */
  payee: string | null | undefined;
  notes: readonly Note[];
  /** Of 30 days, today last. */
  days: readonly NodeDay[];
  samples: readonly NodeSample[];
  commands: readonly CommandRow[];
  jobs: readonly NodeJob[];
  /** How fast it is beside others that serve the same; null where nothing can be compared. */
  pace: { model: string; own: number; peers: number } | null;
};
export type NodeJob = {
  id: string;
  model: string;
  state: JobState;
  promptTokens: number | null;
  completionTokens: number | null;
  createdMs: number;
  tookMs: number | null;
  /** Whoever looks may see the job itself. */
  mine: boolean;
};

const DAYS = 30;
const DAY_MS = 86_400_000;
/** A node that is younger has no uptime to speak of. */
const YOUNG_MS = 600_000;
const SHOWN_COMMANDS = 40;
const SHOWN_JOBS = 8;
const COMPARED = 256;

export type ShownDeps = Pick<
  DashboardDeps,
  "db" | "clock" | "registry" | "stats" | "admin" | "billing" | "funding" | "version"
>;

/** `accountId`: that somebody acts for, where they run the node. */
export async function nodeShown(
  deps: ShownDeps,
  row: NodeRow,
  right: Right,
  accountId: string | null,
): Promise<NodeShown> {
  const { clock, registry, stats, billing } = deps;
  const pubkey = row.pubkey as Pubkey;
  const nowMs = clock.nowMs();
  const node = registry.nodes.get(pubkey);
  const days = await stats.nodeDays(pubkey, DAYS);
  const commands = right === "public" ? [] : await commandsOf(deps, pubkey);
  return {
    pubkey,
    name: node?.name || row.name,
    state: stateOf(row, node, nowMs),
    sinceMs: node?.channel ? node.connectedMs : (node?.elsewhere?.sinceMs ?? node?.lastSeenMs ?? row.lastSeenMs),
    region: node?.region ?? "",
    device: deviceName(node?.device ?? null),
    slots: node?.slots ?? row.slots,
    running: node?.running ?? 0,
    free: node ? freeSlots(node) : 0,
    outputPerS: stats.node(pubkey)?.outputPerS ?? 0,
    uptime: row.status === "pending" ? null : uptimeOf(days, row.firstSeenMs, nowMs),
    models: [...modelLines(node?.offers ?? [], commands, nowMs), ...linesElsewhere(node)],
    nowMs,
    billing: billing !== "off",
    right,
    inner: right === "public" ? null : await innerOf(deps, { row, node, right, accountId, days, commands }),
  };
}

/** Whether a node says that it runs an older version than this coordinator; what is no version says nothing. */
export const isBehind = (version: string | null, own: string): boolean =>
  version !== null && isVersion(version) && isVersion(own) && compareVersions(version, own) === "older";

/** How a node stands, approved or not. */
export function stateOf({ status }: Pick<NodeRow, "status">, node: Node | undefined, nowMs: number): ShownState {
  if (status !== "approved") return status;
  return node ? nodeState(node, nowMs) : "offline";
}

type Known = {
  row: NodeRow;
  node: Node | undefined;
  right: Right;
  accountId: string | null;
  days: readonly NodeDay[];
  commands: readonly CommandRow[];
};

async function innerOf(deps: ShownDeps, known: Known): Promise<NodeInner> {
  const { db, clock, registry, stats } = deps;
  const { node, right, accountId, days, commands } = known;
  const { specs: _, ...row } = known.row;
  const { rows } = await listJobs(db, { node: row.pubkey }, { limit: SHOWN_JOBS });
  return {
    row,
    own: row.admittedBy === "local",
    standing: node?.channel ? node.status : null,
    claimedRegion: node?.claimedRegion ?? "",
    version: node?.version ?? null,
    behind: isBehind(node?.version ?? null, deps.version),
    rttMs: node?.channel ? node.rttMs : null,
    machine: node?.device ?? null,
    terms: termsShown(node?.terms ?? null, commands, clock.nowMs()),
    backends: node?.backends ?? [],
    refuses: refusedBy(node?.terms ?? null),
    noInstall: noInstall(node?.terms ?? null, node?.backends ?? []),
    owner: await ownerOf(deps, row.accountId),
    payee: deps.funding !== null && row.role === "provider" ? await payeeOf(deps, row.pubkey as Pubkey) : undefined,
    notes: notesOn(row, node, clock.nowMs()),
    days,
    samples: stats.node(row.pubkey as Pubkey)?.samples ?? [],
    commands,
    jobs: rows.map((job) => ({
      id: job.id,
      model: job.model,
      state: job.state,
      promptTokens: job.promptTokens,
      completionTokens: job.completionTokens,
      createdMs: job.createdMs,
      tookMs: job.endedMs === null ? null : Math.max(0, job.endedMs - job.createdMs),
      mine: right === "admin" || job.accountId === accountId,
    })),
    pace: node ? paceOf(registry, node) : null,
  };
}

async function commandsOf({ admin }: Pick<DashboardDeps, "admin">, node: Pubkey): Promise<readonly CommandRow[]> {
  const listed = await admin.listCommands({ node, limit: SHOWN_COMMANDS });
  return listed.ok ? listed.value.commands : [];
}

/** What it said last, as the page of earnings has it. */
async function payeeOf(deps: Pick<DashboardDeps, "db">, node: Pubkey): Promise<string | null> {
  const [last] = await payoutAddressesOf(deps, node);
  return last?.address ?? null;
}

async function ownerOf({ db }: Pick<DashboardDeps, "db">, id: string): Promise<NodeInner["owner"]> {
  const account = await db.read.select({ name: accounts.name }).from(accounts).where(eq(accounts.id, id)).get();
  return { id, name: account?.name ?? id, local: id === LOCAL_ACCOUNT_ID };
}

function uptimeOf(days: readonly NodeDay[], firstSeenMs: number, nowMs: number): number | null {
  const fromMs = Math.max(firstSeenMs, (Math.floor(nowMs / DAY_MS) - DAYS + 1) * DAY_MS);
  if (nowMs - fromMs < YOUNG_MS) return null;
  const onlineS = days.reduce((sum, day) => sum + day.onlineS, 0);
  return Math.min(1, (onlineS * 1000) / (nowMs - fromMs));
}

/** `2 × NVIDIA RTX 4090`. */
export function deviceName(device: Device | null): string {
  const [gpu] = device?.gpus ?? [];
  if (!device || !gpu) return device?.cpu ?? "";
  return device.gpus.length > 1 ? `${device.gpus.length} × ${gpu.name}` : gpu.name;
}

/** On the model of it that most others were measured on too. */
function paceOf(registry: Pick<Registry, "offersOf">, node: Node): NodeInner["pace"] {
  let best: (NonNullable<NodeInner["pace"]> & { count: number }) | null = null;
  for (const { model, tokensPerS } of node.offers.slice(0, COMPARED)) {
    if (tokensPerS === 0) continue;
    const others = registry
      .offersOf(model)
      .slice(0, COMPARED)
      .filter((offer) => offer.node !== node && offer.tokensPerS > 0)
      .map((offer) => offer.tokensPerS)
      .toSorted((a, b) => a - b);
    const peers = others[others.length >> 1];
    if (peers !== undefined && others.length > (best?.count ?? 0)) {
      best = { model, own: tokensPerS, peers, count: others.length };
    }
  }
  return best && { model: best.model, own: best.own, peers: best.peers };
}
