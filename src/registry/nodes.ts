// Nodes, stored half: who is known here, in which role, and whether it may work. Every decision is one conditional
// write in one transaction, so that coordinators on one database agree.
import { and, asc, count, eq, gte, inArray, lte, ne, type SQL } from "drizzle-orm";
import ipaddr from "ipaddr.js";
import { type AuditAction, type AuditValue, audit } from "../accounts/audit.ts";
import { type Caller, SYSTEM_CALLER } from "../accounts/caller.ts";
import { LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { JoinSecret } from "../protocol/join-token.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { withAccount } from "./client-accounts.ts";
import { admitWithToken, type JoinTokenRefusal } from "./join-tokens.ts";
import { type Admission, type NodeRole, type NodeRow, type NodeStatus, nodes } from "./schema.ts";

export const MAX_PENDING = 1_000;
export const MAX_PENDING_PER_ADDRESS = 10;
export const PENDING_TTL_MS = 24 * 60 * 60 * 1000;
/** Under `open`, nodes of one public address that were let in, or heard of, within the window; more of them wait. */
export const MAX_OPEN_PER_ADDRESS = 64;
export const OPEN_WINDOW_MS = 24 * 60 * 60 * 1000;
const WORKER_TTL_MS = 30 * PENDING_TTL_MS;

type Deps = { db: Db; clock: Clock };
/** `by`: who decides, for the audit log. */
type DecideDeps = Deps & { by?: Caller };

/** What an instance says about itself when it registers. */
export type Registration = {
  pubkey: Pubkey;
  role: NodeRole;
  name: string;
  /** The network address that it registers from, as the coordinator sees it. */
  address: string;
  /** The name a polling node gives itself; null on a link. */
  nodeId: string | null;
  specs: Record<string, unknown>;
  slots: number;
  /** The request was signed with v2. */
  authV2: boolean;
  /** How it gets its work; a link where left out. */
  transport?: NodeRow["transport"];
  /** Whose it is; the built-in account's where left out. */
  accountId?: string;
};
export type AdmissionRule = {
  /** `[coordinator] registration`. */
  registration: "token" | "approval" | "open";
  /** From the join token, where one came along. */
  secret?: JoinSecret;
  /** It came with an operator's API key, which lets it in. */
  byKey?: true;
};
export type RegistrationRefusal =
  | JoinTokenRefusal
  /** The name belongs to another key. */
  | "node_id_taken"
  | "node_ejected"
  /** The key is registered in another role. */
  | "node_role"
  /** Too many wait for approval, in all or from this address. */
  | "pending_full"
  | "pending_address_full";

/**
 * Stores a registration, the first or a later one, and says where it stands: `row.status` is approved or pending. A
 * join token is used up in the same transaction, and only by a key that is not approved yet. Durable.
 */
export async function registerNode(
  { db, clock }: Deps,
  registration: Registration,
  rule: AdmissionRule,
): Promise<Result<NodeRow, RegistrationRefusal>> {
  return await db.writer.transact(async (tx) => {
    const nowMs = clock.nowMs();
    const [known] = await tx.select().from(nodes).where(eq(nodes.pubkey, registration.pubkey));
    const holder = await nodeIdHolder(tx, registration);
    const refusal = holder && holder.status !== "pending" ? "node_id_taken" : knownRefusal(known, registration);
    if (refusal !== null) return err(refusal);
    const standing = await admit(tx, known, registration, rule, nowMs);
    if (!standing.ok) return standing;
    // Anybody can wait with any name: it keeps nobody from it whom an admin or a token lets in.
    if (holder && standing.value.status === "pending") return err("node_id_taken");
    if (holder) await tx.update(nodes).set({ nodeId: null }).where(eq(nodes.pubkey, holder.pubkey));
    const { pubkey, authV2, nodeId, role, name, address, specs, slots, transport = "link" } = registration;
    const { accountId = registration.accountId, ...stands } = standing.value;
    const said = { role, name, address, specs, slots, transport, lastSeenMs: nowMs, ...stands };
    const [row] = await tx
      .insert(nodes)
      .values({
        ...said,
        pubkey,
        nodeId,
        accountId: accountId ?? LOCAL_ACCOUNT_ID,
        firstSeenMs: nowMs,
        authV2Seen: authV2,
        reason: null,
      })
      .onConflictDoUpdate({
        target: nodes.pubkey,
        set: {
          ...said,
          ...(nodeId === null ? {} : { nodeId }),
          ...(authV2 ? { authV2Seen: true } : {}),
          ...(standing.value.accountId === undefined ? {} : { accountId: standing.value.accountId }),
        },
      })
      .returning();
    if (row === undefined) throw new Error("an upsert returned no row");
    // What strangers can repeat at will has no entry: keys under open registration, names that a key gives its workers.
    const isDecided = row.status === "approved" && row.admittedBy !== "open" && transport !== "worker";
    if (known?.status !== "approved" && isDecided) {
      const by = { actor: `node/${pubkey}`, from: address } as const;
      const account = row.accountId === LOCAL_ACCOUNT_ID ? {} : { account: row.accountId };
      const after = { role, name, admitted_by: row.admittedBy, ...account };
      await noteDecision(tx, {
        by,
        atMs: nowMs,
        action: "node.registered",
        pubkey,
        before: known?.status ?? null,
        after,
      });
    }
    return ok(await withAccount(tx, row));
  });
}

/** `accountId`: of the token that lets it in. */
type Standing = { status: NodeStatus; admittedBy: Admission | null; accountId?: string };

/** Decides a newcomer's standing and uses its token up; leaves an approved node as it is. */
async function admit(
  tx: Drizzle,
  known: NodeRow | undefined,
  { pubkey, role, address }: Registration,
  { registration, secret, byKey }: AdmissionRule,
  nowMs: number,
): Promise<Result<Standing, RegistrationRefusal>> {
  if (known?.status === "approved") return ok({ status: "approved", admittedBy: known.admittedBy });
  if (byKey) return ok({ status: "approved", admittedBy: "key" });
  if (secret !== undefined) {
    const admitted = await admitWithToken(tx, { secret, pubkey, role, nowMs });
    if (!admitted.ok) return admitted;
    const { accountId } = admitted.value;
    return ok({ status: "approved", admittedBy: "token", ...(accountId === null ? {} : { accountId }) });
  }
  if (registration === "open" && role === "provider" && !(await isCrowded(tx, address, nowMs)))
    return ok({ status: "approved", admittedBy: "open" });
  await deletePending(tx, nowMs);
  const still = known === undefined ? undefined : await nodeByKey(tx, pubkey);
  // Admins approve what they saw waiting.
  if (still !== undefined && still.role !== role) return err("node_role");
  const pending = eq(nodes.status, "pending");
  if (still === undefined && (await countNodes(tx, pending)) >= MAX_PENDING) return err("pending_full");
  const here = and(pending, eq(nodes.address, address));
  if (still?.address !== address && (await countNodes(tx, here)) >= MAX_PENDING_PER_ADDRESS)
    return err("pending_address_full");
  return ok({ status: "pending", admittedBy: null });
}

/** Each node costs memory for what it offers. Behind a private address there may be a proxy, and everybody behind that. */
async function isCrowded(tx: Drizzle, address: string, nowMs: number): Promise<boolean> {
  if (!ipaddr.isValid(address) || ipaddr.process(address).range() !== "unicast") return false;
  const here = and(
    eq(nodes.address, address),
    eq(nodes.admittedBy, "open"),
    gte(nodes.lastSeenMs, nowMs - OPEN_WINDOW_MS),
  );
  return (await countNodes(tx, here)) >= MAX_OPEN_PER_ADDRESS;
}

/** The other key that has the name. */
async function nodeIdHolder(tx: Drizzle, { nodeId, pubkey }: Registration): Promise<NodeRow | undefined> {
  if (nodeId === null) return undefined;
  return await tx
    .select()
    .from(nodes)
    .where(and(eq(nodes.nodeId, nodeId), ne(nodes.pubkey, pubkey)))
    .get();
}

function knownRefusal(known: NodeRow | undefined, { role }: Registration): "node_ejected" | "node_role" | null {
  if (known?.status === "ejected") return "node_ejected";
  return known?.status === "approved" && known.role !== role ? "node_role" : null;
}

async function countNodes(tx: Drizzle, where: SQL | undefined): Promise<number> {
  const [row] = await tx.select({ n: count() }).from(nodes).where(where);
  return row?.n ?? 0;
}

async function nodeByKey(tx: Drizzle, pubkey: Pubkey): Promise<NodeRow | undefined> {
  return await tx.select().from(nodes).where(eq(nodes.pubkey, pubkey)).get();
}

/** The stored row; undefined for a stranger. */
export async function getNode({ db }: { db: Db }, pubkey: Pubkey): Promise<NodeRow | undefined> {
  return await nodeByKey(db.read, pubkey);
}

/** All nodes, the oldest first; with one status where given. */
export async function listNodes({ db }: { db: Db }, status?: NodeStatus): Promise<NodeRow[]> {
  const where = status === undefined ? undefined : eq(nodes.status, status);
  return await db.read.select().from(nodes).where(where).orderBy(asc(nodes.firstSeenMs), asc(nodes.pubkey));
}

/** What these are called, of those that are known. */
export async function nodeNames({ db }: { db: Db }, pubkeys: readonly string[]): Promise<Map<string, string>> {
  const { pubkey, name } = nodes;
  const rows = await db.read
    .select({ pubkey, name })
    .from(nodes)
    .where(inArray(pubkey, [...pubkeys]));
  return new Map(rows.map((row) => [row.pubkey, row.name]));
}

/** Lets a pending node work. An approved one stays as it is. */
export async function approveNode(
  { db, clock, by }: DecideDeps,
  pubkey: Pubkey,
): Promise<Result<NodeRow, "node_unknown" | "node_ejected">> {
  return await db.writer.transact(async (tx) => {
    const [approved] = await tx
      .update(nodes)
      .set({ status: "approved", admittedBy: "approval" })
      .where(and(eq(nodes.pubkey, pubkey), eq(nodes.status, "pending")))
      .returning();
    if (approved !== undefined) {
      const after = { role: approved.role, name: approved.name, address: approved.address };
      await noteDecision(tx, { by, atMs: clock.nowMs(), action: "node.approved", pubkey, before: "pending", after });
      return ok(await withAccount(tx, approved));
    }
    const known = await nodeByKey(tx, pubkey);
    if (known === undefined) return err("node_unknown");
    return known.status === "ejected" ? err("node_ejected") : ok(known);
  });
}

/**
 * Lets a key in beforehand, or back in after it was ejected. It has not been seen: name and the rest come when it
 * registers. `admittedBy` is "local" for the node of this very process.
 */
export async function allowNode(
  { db, clock, by }: DecideDeps,
  pubkey: Pubkey,
  {
    role = "provider",
    name = "",
    admittedBy = "allow",
  }: { role?: NodeRole; name?: string; admittedBy?: "allow" | "local" } = {},
): Promise<NodeRow> {
  const admitted = { status: "approved", admittedBy, role, reason: null } as const;
  const row: NodeRow = {
    ...admitted,
    pubkey,
    name,
    accountId: LOCAL_ACCOUNT_ID,
    address: null,
    nodeId: null,
    specs: {},
    slots: 0,
    firstSeenMs: clock.nowMs(),
    lastSeenMs: null,
    authV2Seen: false,
    pool: "",
    maintenance: false,
    transport: "link",
  };
  return await db.writer.transact(async (tx) => {
    const known = await nodeByKey(tx, pubkey);
    const [stored = row] = await tx
      .insert(nodes)
      .values(row)
      .onConflictDoUpdate({ target: nodes.pubkey, set: admitted })
      .returning();
    // The node of this very process is allowed again at each start: nothing is decided then.
    if (known?.status !== "approved" || known.role !== role) {
      const before = known?.status ?? null;
      await noteDecision(tx, { by, atMs: row.firstSeenMs, action: "node.allowed", pubkey, before, after: { role } });
    }
    return await withAccount(tx, stored);
  });
}

/** Says whose requests a node serves, and whether it has work at all; what is left out stays. */
export async function placeNode(
  { db, clock, by }: DecideDeps,
  pubkey: Pubkey,
  placement: { pool?: string; maintenance?: boolean },
): Promise<Result<NodeRow, "node_unknown">> {
  return await db.writer.transact(async (tx) => {
    const known = await nodeByKey(tx, pubkey);
    if (known === undefined) return err("node_unknown");
    if (Object.keys(placement).length > 0) {
      await tx.update(nodes).set(placement).where(eq(nodes.pubkey, pubkey));
      const before = { pool: known.pool, maintenance: known.maintenance };
      await noteDecision(tx, { by, atMs: clock.nowMs(), action: "node.placed", pubkey, before, after: placement });
    }
    return ok({ ...known, ...placement });
  });
}

/** Takes a node's right to work, until an admin allows it again. */
export async function ejectNode(
  { db, clock, by }: DecideDeps,
  pubkey: Pubkey,
  reason: string,
): Promise<Result<NodeRow, "node_unknown">> {
  return await db.writer.transact(async (tx) => {
    const known = await nodeByKey(tx, pubkey);
    if (known === undefined) return err("node_unknown");
    await tx.update(nodes).set({ status: "ejected", reason }).where(eq(nodes.pubkey, pubkey));
    const decision = { action: "node.ejected", pubkey, before: known.status, after: { reason } } as const;
    await noteDecision(tx, { by, atMs: clock.nowMs(), ...decision });
    return ok({ ...known, status: "ejected", reason });
  });
}

type Decision = {
  by: Caller | undefined;
  atMs: number;
  action: AuditAction;
  pubkey: Pubkey;
  before: AuditValue;
  after: AuditValue;
};

async function noteDecision(tx: Drizzle, { by = SYSTEM_CALLER, pubkey, ...decision }: Decision): Promise<void> {
  await audit(tx, { ...by, ...decision, subject: `node/${pubkey}` });
}

/** Forgets the registrations that nobody approved within a day, and workers of long ago. Gives their number. */
export async function expirePendingNodes({ db, clock }: Deps): Promise<number> {
  const nowMs = clock.nowMs();
  // A worker is one of an API key's by name: scripts make up new names as they like.
  const old = and(
    eq(nodes.transport, "worker"),
    eq(nodes.status, "approved"),
    lte(nodes.lastSeenMs, nowMs - WORKER_TTL_MS),
  );
  return await db.writer.transact(async (tx) => {
    const workers = await tx.delete(nodes).where(old).returning({ pubkey: nodes.pubkey });
    return workers.length + (await deletePending(tx, nowMs));
  });
}

async function deletePending(tx: Drizzle, nowMs: number): Promise<number> {
  const old = and(eq(nodes.status, "pending"), lte(nodes.firstSeenMs, nowMs - PENDING_TTL_MS));
  return (await tx.delete(nodes).where(old).returning({ pubkey: nodes.pubkey })).length;
}

/** Notes that nodes were heard of. Written behind: a crash may lose the last of it. */
export async function noteSeen({ db }: { db: Db }, seen: Iterable<readonly [Pubkey, number]>): Promise<void> {
  const rows = Array.from(seen, ([pubkey, atMs]) => [atMs, pubkey]);
  if (rows.length > 0) await db.writer.batch(NOTE_SEEN, rows, { durable: false });
}
const NOTE_SEEN = "UPDATE nodes SET last_seen_ms = ? WHERE pubkey = ?";

/** Notes what a node says of itself now. Written behind. */
export async function noteSpecs(
  { db }: { db: Db },
  pubkey: Pubkey,
  specs: Record<string, unknown>,
  atMs: number,
): Promise<void> {
  const row = [JSON.stringify(specs), atMs, pubkey];
  await db.writer.batch("UPDATE nodes SET specs = ?, last_seen_ms = ? WHERE pubkey = ?", [row], { durable: false });
}

/** Forgets a node that leaves, with its commands and payout addresses; an ejected one stays known. Durable. */
export async function removeNode({ db }: { db: Db }, pubkey: Pubkey): Promise<boolean> {
  return await db.writer.transact(async (tx) => {
    const mine = and(eq(nodes.pubkey, pubkey), ne(nodes.status, "ejected"));
    return (await tx.delete(nodes).where(mine).returning({ pubkey: nodes.pubkey })).length > 0;
  });
}

/** Notes that a key signed with v2, so that v1 is refused from then on, also after a crash. */
export async function noteAuthV2({ db }: { db: Db }, pubkey: Pubkey): Promise<void> {
  await db.writer.batch("UPDATE nodes SET auth_v2_seen = 1 WHERE pubkey = ?", [[pubkey]]);
}
