// One-time links: a secret that does one thing once, within its time. Only its hash is kept.
import { and, eq, gt, isNull, lte } from "drizzle-orm";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { audit } from "./audit.ts";
import type { Caller } from "./caller.ts";
import { newestFirst, type Span, spanOf } from "./listing.ts";
import type { People } from "./people.ts";
import type { UserRole } from "./roles.ts";
import { type OneTimeLinkRow, oneTimeLinks } from "./schema.ts";
import { hashSecret, isSecret, newId, newSecret } from "./secrets.ts";

export type LinkKind = OneTimeLinkRow["kind"];
/** A link as people see it. */
export type OneTimeLink = Omit<OneTimeLinkRow, "secretHash">;
export type NewLink = {
  kind: LinkKind;
  ttlMs: number;
  userId?: string;
  email?: string | undefined;
  roles?: UserRole[] | undefined;
  accountId?: string | undefined;
  /** Who makes it. */
  by: Caller;
};

/** How long those are kept that were used or are over: people ask what became of them. */
const KEPT_MS = 30 * 86_400_000;

/** The page of each kind. The secret stands in the fragment, which no server, proxy or Referer ever sees. */
const PAGES: Record<LinkKind, string> = {
  setup: "/setup",
  invitation: "/sign-up",
  sign_up: "/sign-up/finish",
  password: "/password",
};
export const linkAddress = (base: string, kind: LinkKind, secret: string): string => `${base}${PAGES[kind]}#${secret}`;

/** Makes a link; `secret` is seen only here. */
export async function insertLink(
  tx: Drizzle,
  { clock, random }: Pick<People, "clock" | "random">,
  { kind, ttlMs, userId, email, roles, accountId, by }: NewLink,
): Promise<{ secret: string; link: OneTimeLink }> {
  const secret = newSecret(random);
  const createdMs = clock.nowMs();
  const row: OneTimeLinkRow = {
    id: newId("link", random),
    secretHash: hashSecret("link", secret),
    kind,
    userId: userId ?? null,
    email: email ?? null,
    roles: roles ?? null,
    accountId: accountId ?? null,
    createdBy: by.actor,
    createdMs,
    expiresMs: createdMs + ttlMs,
    usedMs: null,
    usedBy: null,
    revokedMs: null,
  };
  await tx.insert(oneTimeLinks).values(row);
  return { secret, link: withoutHash(row) };
}

const usable = (kind: LinkKind, secret: string, nowMs: number) =>
  and(
    eq(oneTimeLinks.secretHash, hashSecret("link", secret)),
    eq(oneTimeLinks.kind, kind),
    isNull(oneTimeLinks.usedMs),
    isNull(oneTimeLinks.revokedMs),
    gt(oneTimeLinks.expiresMs, nowMs),
  );

/** The link of this secret, where it can still be used. */
export async function findLink(
  db: Drizzle,
  kind: LinkKind,
  secret: string,
  nowMs: number,
): Promise<OneTimeLink | undefined> {
  if (!isSecret(secret)) return undefined;
  const [row] = await db
    .select()
    .from(oneTimeLinks)
    .where(usable(kind, secret, nowMs));
  return row && withoutHash(row);
}

/** Uses a link up, inside the transaction of what it does. The WHERE clause is the lock: of two callers one gets it. */
export async function useLink(
  tx: Drizzle,
  kind: LinkKind,
  secret: string,
  { nowMs, usedBy }: { nowMs: number; usedBy: string | null },
): Promise<OneTimeLink | undefined> {
  if (!isSecret(secret)) return undefined;
  const [row] = await tx
    .update(oneTimeLinks)
    .set({ usedMs: nowMs, usedBy })
    .where(usable(kind, secret, nowMs))
    .returning();
  return row && withoutHash(row);
}

/** Ends the open links of a kind, of one user or address where given. */
export async function revokeLinks(
  tx: Drizzle,
  nowMs: number,
  { kind, userId, email }: { kind: LinkKind; userId?: string; email?: string },
): Promise<void> {
  await tx
    .update(oneTimeLinks)
    .set({ revokedMs: nowMs })
    .where(
      and(
        eq(oneTimeLinks.kind, kind),
        userId === undefined ? undefined : eq(oneTimeLinks.userId, userId),
        email === undefined ? undefined : eq(oneTimeLinks.email, email),
        isNull(oneTimeLinks.usedMs),
        isNull(oneTimeLinks.revokedMs),
      ),
    );
}

/**
 * Ends the open links that a user made, for one account where given: whoever may not make such any more does not come
 * back, nor takes over others, by those they made before.
 */
export async function revokeLinksMadeBy(
  tx: Drizzle,
  { userId, accountId }: { userId: string; accountId?: string },
  nowMs: number,
  by: Caller,
): Promise<void> {
  const open = and(isNull(oneTimeLinks.usedMs), isNull(oneTimeLinks.revokedMs), gt(oneTimeLinks.expiresMs, nowMs));
  const revoked = await tx
    .update(oneTimeLinks)
    .set({ revokedMs: nowMs })
    .where(
      and(
        eq(oneTimeLinks.createdBy, `user/${userId}`),
        accountId === undefined ? undefined : eq(oneTimeLinks.accountId, accountId),
        open,
      ),
    )
    .returning({ id: oneTimeLinks.id, kind: oneTimeLinks.kind });
  for (const { id, kind } of revoked) {
    if (kind === "invitation") await audit(tx, { atMs: nowMs, ...by, action: "invitation.revoked", subject: id });
  }
}

/** Links of a kind, or a span of them, the newest first; of one account where given. */
export async function listLinks(
  db: Drizzle,
  kind: LinkKind,
  { accountId, ...span }: Span & { accountId?: string | undefined } = {},
): Promise<OneTimeLink[]> {
  const mine = accountId === undefined ? undefined : eq(oneTimeLinks.accountId, accountId);
  const { where, order, limit } = spanOf(oneTimeLinks, span);
  const rows = await db
    .select()
    .from(oneTimeLinks)
    .where(and(eq(oneTimeLinks.kind, kind), mine, where))
    .orderBy(...order)
    .limit(limit);
  return newestFirst(span, rows).map(withoutHash);
}

/** Deletes the links that have been over for long. */
export async function forgetLinks({ db, clock }: { db: Db } & Pick<People, "clock">): Promise<void> {
  const over = lte(oneTimeLinks.expiresMs, clock.nowMs() - KEPT_MS);
  await db.writer.transact((tx) => tx.delete(oneTimeLinks).where(over), { durable: false });
}

const withoutHash = ({ secretHash: _, ...link }: OneTimeLinkRow): OneTimeLink => link;
