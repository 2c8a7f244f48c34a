// Direct admin: the operations done on the domain itself. A running coordinator serves them to its local routes; a
// command uses the same functions on the data directory while no instance runs.
import { statSync } from "node:fs";
import path from "node:path";
import { audit } from "../accounts/audit.ts";
import type { Caller } from "../accounts/caller.ts";
import type { KeyRing } from "../accounts/key-ring.ts";
import type { People } from "../accounts/people.ts";
import { LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import { backupDatabase } from "../db/backup.ts";
import { StorageError } from "../db/errors.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import type { CommandDelivery } from "../registry/command-delivery.ts";
import { isOnline, onlyElsewhere } from "../registry/node-state.ts";
import { allowNode, approveNode, ejectNode, listNodes, placeNode } from "../registry/nodes.ts";
import { type Node, priceRange, type Registry } from "../registry/registry.ts";
import type { NodeRow as StoredNode } from "../registry/schema.ts";
import type { Settings } from "../settings/settings.ts";
import type { ReceiptArchive } from "../settlement/receipt-export.ts";
import { secretText } from "../webhooks/sign.ts";
import { joinTokenAdmin } from "./join-tokens.ts";
import { keyAdmin } from "./keys.ts";
import { moneyAdmin } from "./money.ts";
import { coordinatorCommands } from "./node-commands.ts";
import { type Answer, operation } from "./operation.ts";
import {
  type Admin,
  type AdminError,
  type ModelRow,
  type NodeRow,
  OPERATIONS,
  PUBLIC,
  type Status,
} from "./operations.ts";
import { type OwnNode, ownNodeAdmin } from "./own-node.ts";
import { type LivePayouts, payoutAdmin } from "./payouts.ts";
import { receiptAdmin } from "./receipts.ts";
import { settingsAdmin } from "./settings.ts";
import { type StakeDesk, stakeAdmin } from "./stakes.ts";
import { type Updates, updateAdmin } from "./updates.ts";
import { userAdmin } from "./users.ts";

/** The instance that runs; a command without one has `null` in its place. */
export type Live = {
  registry: Pick<Registry, "nodes" | "models">;
  delivery: Pick<CommandDelivery, "nudge" | "progressOf">;
  /** Breaks the node's link, so that it comes back under what was decided. */
  resetLink(pubkey: Pubkey, reason: string): void | Promise<void>;
  /** Takes over what was decided about the node, whose link stays as it is. */
  reload(pubkey: Pubkey): Promise<void>;
  /** Null where nothing is paid out on a chain. */
  payouts?: LivePayouts | null;
  /** Address and process, for `status`. */
  url: string;
  pid: number;
  startedMs: number;
  jobs(): Status["jobs"];
  /** In mode `both`, once it is there. */
  ownNode(): OwnNode | null;
  /** Left out where nothing is settled on a chain. */
  stakes?: StakeDesk | null;
};

export type DirectDeps = {
  db: Db;
  ring: KeyRing;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  mode: "both" | "coordinator";
  version: string;
  pubkey: Pubkey;
  /** Goes into join tokens whose maker names no address. */
  joinUrl: string;
  /** What an account's webhooks are signed with. */
  webhookKey(accountId: string): Uint8Array;
  live: Live | null;
  people: People;
  archive: ReceiptArchive;
  settings: Settings;
  /** Left out where no instance runs. */
  updates?: Updates;
};

/** What one operation works with. */
type AskedDeps = DirectDeps & { by: Caller };

/** Every operation over `deps`. A full or busy storage is an answer, other faults throw. */
export function directAdmin(deps: DirectDeps): Admin {
  const { db, live } = deps;
  return {
    status: operation(OPERATIONS.status, () => statusOf(deps)),
    listModels: operation(OPERATIONS.listModels, async () => ok({ models: live ? modelRows(live.registry) : [] })),
    ...keyAdmin(deps),
    ...joinTokenAdmin(deps),
    listNodes: operation(OPERATIONS.listNodes, async () =>
      ok({ nodes: (await listNodes({ db })).map((row) => nodeRow(row, live?.registry.nodes)) }),
    ),
    approveNode: operation(OPERATIONS.approveNode, ({ pubkey }, by) => approve({ ...deps, by }, pubkey)),
    allowNode: operation(OPERATIONS.allowNode, async ({ pubkey, role }, by) => {
      await allowNode({ ...deps, by }, pubkey, { role });
      return decided(deps, pubkey, "allowed");
    }),
    ...coordinatorCommands({ db, clock: deps.clock, live }),
    placeNode: operation(OPERATIONS.placeNode, ({ pubkey, ...placement }, by) =>
      place({ ...deps, by }, pubkey, placement),
    ),
    ejectNode: operation(OPERATIONS.ejectNode, ({ pubkey, reason = "" }, by) => eject({ ...deps, by }, pubkey, reason)),
    ...ownNodeAdmin(() => live?.ownNode() ?? null),
    createDashboardLink: async () =>
      err({ code: "not_available", message: "a coordinator's dashboard is opened by signing in", hint: live?.url }),
    ...userAdmin(deps.people),
    ...receiptAdmin(deps.archive),
    ...settingsAdmin(deps.settings),
    ...updateAdmin(deps.updates ?? null),
    ...moneyAdmin(deps),
    ...payoutAdmin({ db, clock: deps.clock, payouts: live?.payouts ?? null }),
    ...stakeAdmin({ clock: deps.clock, pubkey: deps.pubkey, desk: () => live?.stakes ?? null }),
    webhookSecret: operation(OPERATIONS.webhookSecret, async ({ account = LOCAL_ACCOUNT_ID }) =>
      ok({ secret: secretText(deps.webhookKey(account)) }),
    ),
    backup: operation(OPERATIONS.backup, ({ file }, by) => backup({ ...deps, by }, file)),
  };
}

async function statusOf({ db, live, mode, version, pubkey }: DirectDeps): Answer<Status> {
  const known = (await listNodes({ db })).filter((row) => row.status !== "ejected");
  const isOnline = (row: StoredNode) => nodeRow(row, live?.registry.nodes).online;
  return ok({
    running: live !== null,
    mode,
    version,
    pubkey,
    url: live?.url ?? null,
    pid: live?.pid ?? null,
    started_ms: live?.startedMs ?? null,
    nodes: {
      online: known.filter(isOnline).length,
      known: known.length,
      pending: known.filter((row) => row.status === "pending").length,
    },
    models: live ? modelRows(live.registry) : [],
    jobs: live?.jobs() ?? { queued: 0, running: 0 },
    node: live?.ownNode()?.standing() ?? null,
    coordinators: [],
  });
}

/** What is on offer now, by name. */
function modelRows({ models }: Live["registry"]): ModelRow[] {
  const rows = Array.from(models, ([name, offers]): ModelRow => {
    const contexts = offers.map((offer) => offer.contextLength).filter((length) => length !== null);
    return {
      name,
      nodes: offers.length,
      slots: offers.reduce((sum, { node }) => sum + node.slots, 0),
      running: offers.reduce((sum, { node }) => sum + node.running, 0),
      context_length: contexts.length > 0 ? Math.max(...contexts) : null,
      ...priceRange(offers),
      demo: offers.every((offer) => offer.info.demo),
    };
  });
  return rows.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function nodeRow(row: StoredNode, live: ReadonlyMap<Pubkey, Node> | undefined): NodeRow {
  const pubkey = pubkeySchema.parse(row.pubkey);
  const node = live?.get(pubkey);
  const online = node !== undefined && isOnline(node);
  return {
    pubkey,
    name: node?.name || row.name || null,
    role: row.role,
    status: row.status,
    online,
    standing: online ? { status: node.status, reason: node.statusReason } : null,
    own: row.admittedBy === "local",
    pool: row.pool || PUBLIC,
    maintenance: row.maintenance,
    region: node?.claimedRegion || null,
    models: node ? servedBy(node) : [],
    slots: node?.slots ?? row.slots,
    running: node?.running ?? 0,
    last_seen_ms: online ? node.lastSeenMs : row.lastSeenMs,
  };
}

/** At another coordinator of the network as far as that one tells. */
const servedBy = (node: Node): string[] => [
  ...(onlyElsewhere(node)?.shown.modelNames ?? node.offers.map(({ model }) => model)),
];

async function approve(deps: AskedDeps, pubkey: Pubkey): Answer<{ pubkey: Pubkey }> {
  const approved = await approveNode(deps, pubkey);
  if (approved.ok) return decided(deps, pubkey, "approved");
  if (approved.error === "node_unknown") return unknownNode(pubkey, "`infernet nodes allow` lets a key in beforehand");
  const hint = "`infernet nodes allow` lets it in again";
  return err({ code: "conflict", message: `node ${pubkey} was ejected`, hint });
}

async function place(
  deps: AskedDeps,
  pubkey: Pubkey,
  { pool, maintenance }: { pool?: string | undefined; maintenance?: boolean | undefined },
): ReturnType<Admin["placeNode"]> {
  const placed = await placeNode(deps, pubkey, {
    ...(pool === undefined ? {} : { pool: pool === PUBLIC ? "" : pool }),
    ...(maintenance === undefined ? {} : { maintenance }),
  });
  if (!placed.ok) return unknownNode(pubkey, "`infernet nodes list` shows those there are");
  await deps.live?.reload(pubkey);
  return ok({ pubkey, pool: placed.value.pool || PUBLIC, maintenance: placed.value.maintenance });
}

async function eject(deps: AskedDeps, pubkey: Pubkey, reason: string): Answer<{ pubkey: Pubkey }> {
  const ejected = await ejectNode(deps, pubkey, reason);
  if (!ejected.ok) return unknownNode(pubkey, "`infernet nodes list` shows those there are");
  return decided(deps, pubkey, "ejected");
}

/** The node comes back at once and is dealt with as its row says now. */
async function decided({ live }: DirectDeps, pubkey: Pubkey, what: string): Answer<{ pubkey: Pubkey }> {
  await live?.resetLink(pubkey, what);
  return ok({ pubkey });
}

const unknownNode = (pubkey: Pubkey, hint: string): Result<never, AdminError> =>
  err({ code: "not_found", message: `no node ${pubkey} is known`, hint });

async function backup({ db, clock, by }: AskedDeps, file: string): Answer<{ file: string; bytes: number }> {
  if (!path.isAbsolute(file)) return err({ code: "invalid", message: "the backup's file must be an absolute path" });
  await backupDatabase(db, file);
  // A full disk is just when a backup is wanted: it stands although it could not be noted.
  const noted = { ...by, atMs: clock.nowMs(), action: "backup.written", subject: file } as const;
  await db.writer
    .transact((tx) => audit(tx, noted))
    .catch((error: unknown) => {
      if (!(error instanceof StorageError)) throw error;
    });
  return ok({ file, bytes: statSync(file).size });
}
