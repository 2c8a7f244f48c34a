// Account names: whose an account is, for listings that show accounts of many.
import { and, eq, inArray } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { accounts, members, users } from "./schema.ts";

/** `user`: of a person's own account. */
export type AccountName = { id: string; kind: string; name: string; user: { id: string; email: string } | null };

/** Accounts in one statement: SQLite binds no more than it was built for. */
const AT_ONCE = 200;

/** The accounts of these ids, by id. */
export async function accountNames(
  { db }: { db: Pick<Db, "read"> },
  ids: Iterable<string>,
): Promise<Map<string, AccountName>> {
  const wanted = [...new Set(ids)];
  const names = new Map<string, AccountName>();
  for (let at = 0; at < wanted.length; at += AT_ONCE) {
    const rows = await db.read
      .select({ id: accounts.id, kind: accounts.kind, name: accounts.name, userId: users.id, email: users.email })
      .from(accounts)
      // A person's own account has nobody else in it.
      .leftJoin(members, and(eq(members.accountId, accounts.id), eq(accounts.kind, "user")))
      .leftJoin(users, eq(users.id, members.userId))
      .where(inArray(accounts.id, wanted.slice(at, at + AT_ONCE)));
    for (const { userId, email, ...account } of rows) {
      const user = userId === null || email === null ? null : { id: userId, email };
      names.set(account.id, { ...account, user });
    }
  }
  return names;
}
