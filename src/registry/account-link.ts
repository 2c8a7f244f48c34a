// Account links: which account a node's operator has here. The account asks for a challenge, the node signs it
// (protocol/account-link.ts); one node belongs to one account, and to the built-in one while it is linked with none.
import { and, asc, eq, gt, isNull, lte, ne } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import type { Caller } from "../accounts/caller.ts";
import { accounts, LOCAL_ACCOUNT_ID, members, nodeChallenges, users } from "../accounts/schema.ts";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { encodeLinkCode, type LinkChallenge, verifyAccountLink } from "../protocol/account-link.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { dropCommands } from "./commands.ts";
import { type NodeRow, nodes } from "./schema.ts";

const CHALLENGE_TTL_MS = 3_600_000;

export type LinkDeps = {
  db: Db;
  clock: Pick<Clock, "nowMs">;
  /** This coordinator. */
  coordinator: Pubkey;
};

/** A code for the node's operator; good for one node, for an hour. The one that this person asked for before ends. */
export async function createNodeChallenge(
  { db, clock, coordinator, random }: LinkDeps & { random: (bytes: number) => Uint8Array },
  { accountId, userId }: { accountId: string; userId: string },
): Promise<{ code: string; expiresMs: number }> {
  const nowMs = clock.nowMs();
  const expires = Math.floor((nowMs + CHALLENGE_TTL_MS) / 1000);
  const nonce = toHex(random(32));
  await db.writer.transact(async (tx) => {
    await tx.delete(nodeChallenges).where(lte(nodeChallenges.expiresMs, nowMs));
    await tx.delete(nodeChallenges).where(and(eq(nodeChallenges.userId, userId), isNull(nodeChallenges.usedMs)));
    await tx.insert(nodeChallenges).values({ nonce, accountId, userId, expiresMs: expires * 1000, usedMs: null });
  });
  return { code: encodeLinkCode({ coordinator, account: accountId, nonce, expires }), expiresMs: expires * 1000 };
}

export type LinkRefusal =
  /** Another coordinator's, used, too old, or asked for by nobody who may act for the account now. */
  | "link_code_invalid"
  | "bad_signature"
  | "node_unknown"
  /** It submits jobs, under an account that it got when it was let in. */
  | "role_not_allowed"
  | "linked_elsewhere";

/** Links a node that has signed a challenge with the account that asked for it. */
export async function linkNode(
  { db, clock, coordinator }: LinkDeps,
  { pubkey, challenge, sig, from }: { pubkey: Pubkey; challenge: LinkChallenge; sig: string; from: string },
): Promise<Result<{ row: NodeRow; account: { id: string; name: string } }, LinkRefusal>> {
  if (challenge.coordinator !== coordinator) return err("link_code_invalid");
  if (!verifyAccountLink(sig, pubkey, challenge)) return err("bad_signature");
  const { nonce, account: accountId } = challenge;
  return await db.writer.transact(async (tx) => {
    const nowMs = clock.nowMs();
    const [node] = await tx.select().from(nodes).where(eq(nodes.pubkey, pubkey));
    if (node === undefined || node.status !== "approved") return err("node_unknown");
    if (node.role !== "provider") return err("role_not_allowed");
    if (node.accountId !== LOCAL_ACCOUNT_ID && node.accountId !== accountId) return err("linked_elsewhere");
    // The WHERE clause is the lock: a challenge is for one node.
    const [used] = await tx
      .update(nodeChallenges)
      .set({ usedMs: nowMs })
      .where(
        and(
          eq(nodeChallenges.nonce, nonce),
          eq(nodeChallenges.accountId, accountId),
          isNull(nodeChallenges.usedMs),
          gt(nodeChallenges.expiresMs, nowMs),
        ),
      )
      .returning();
    const account = used && (await accountOf(tx, used));
    if (used === undefined || account === undefined) return err("link_code_invalid");
    const before = node.accountId;
    await tx.update(nodes).set({ accountId }).where(eq(nodes.pubkey, pubkey));
    const after = { account: accountId, asked_by: used.userId, nonce, signature: sig };
    const entry = { actor: `node/${pubkey}`, from, action: "node.linked", subject: pubkey } as const;
    await audit(tx, { atMs: nowMs, ...entry, before: { account: before }, after });
    return ok({ row: { ...node, accountId }, account });
  });
}

/** The account that a challenge is for, where whoever asked for it may still act for it. */
async function accountOf(
  tx: Drizzle,
  { accountId, userId }: { accountId: string; userId: string },
): Promise<{ id: string; name: string } | undefined> {
  const [account] = await tx
    .select({ id: accounts.id, name: accounts.name })
    .from(members)
    .innerJoin(accounts, eq(accounts.id, members.accountId))
    .innerJoin(users, eq(users.id, members.userId))
    .where(and(eq(members.accountId, accountId), eq(members.userId, userId), isNull(users.disabledMs)));
  return account;
}

/** Gives a node back to the built-in account: asked for by the node itself, by an admin, or by its account where given. */
export async function unlinkNode(
  { db, clock }: Pick<LinkDeps, "db" | "clock">,
  { pubkey, accountId }: { pubkey: Pubkey; accountId?: string },
  by: Caller,
): Promise<Result<NodeRow, "not_linked">> {
  return await db.writer.transact(async (tx) => {
    const linked = and(
      eq(nodes.pubkey, pubkey),
      eq(nodes.role, "provider"),
      ne(nodes.accountId, LOCAL_ACCOUNT_ID),
      accountId === undefined ? undefined : eq(nodes.accountId, accountId),
    );
    const [node] = await tx.select().from(nodes).where(linked);
    if (node === undefined) return err("not_linked");
    await tx.update(nodes).set({ accountId: LOCAL_ACCOUNT_ID }).where(eq(nodes.pubkey, pubkey));
    const nowMs = clock.nowMs();
    await dropCommands(tx, { node: pubkey, accountId: node.accountId, nowMs });
    const before = { account: node.accountId };
    await audit(tx, { atMs: nowMs, ...by, action: "node.unlinked", subject: pubkey, before });
    return ok({ ...node, accountId: LOCAL_ACCOUNT_ID });
  });
}

/** The nodes that belong to an account, the oldest first. */
export async function nodesOfAccount({ db }: { db: Db }, accountId: string): Promise<NodeRow[]> {
  const theirs = and(eq(nodes.accountId, accountId), eq(nodes.role, "provider"), ne(nodes.status, "ejected"));
  return await db.read.select().from(nodes).where(theirs).orderBy(asc(nodes.firstSeenMs), asc(nodes.pubkey));
}
