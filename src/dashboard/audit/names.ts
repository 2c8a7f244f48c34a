// Names: what the audit log's ids stand for today, each with the page of the thing: people, nodes, accounts, keys, settings.
import { inArray } from "drizzle-orm";
import { settingHref } from "../../../web/parts/setting-id.ts";
import { accountName } from "../../../web/parts/text.tsx";
import { accountNames } from "../../accounts/account-names.ts";
import { apiKeys, users } from "../../accounts/schema.ts";
import type { AuditView } from "../../admin/money-operations.ts";
import type { SettingRow } from "../../admin/settings-operations.ts";
import type { Db } from "../../db/open.ts";
import { nodeNames } from "../../registry/nodes.ts";
import type { DashboardDeps } from "../deps.ts";

/** A name, and its page where it has one. */
export type Named = { name: string; href: string | null };
export type AuditNames = {
  user(id: string): Named;
  node(pubkey: string): Named;
  account(id: string): Named;
  /** `known`: what the entry itself calls it. */
  key(id: string, known: string | null): Named;
  setting(key: string): Named;
  settings: ReadonlyMap<string, SettingRow>;
  /** Whoever acts, or whoever a subject is: `user/…`, `node/…`, `account/…`, `local`, `system`. */
  of(text: string): Named;
};

const NODE = /^(?:node\/)?([0-9a-f]{64})$/;
const USER = /^user\/(.+)$/;
const ACCOUNT = /^account\/(.+)$/;
/** Fields of entries that hold ids. */
const HOLDS = { user: "user", owner: "user", asked_by: "user", account: "account", new_id: "key" } as const;

type Ids = Record<"user" | "node" | "account" | "key", Set<string>>;

/** Of the entries of one page: one query a kind. */
export async function auditNames(
  { db, admin }: { db: Db; admin: Pick<DashboardDeps["admin"], "listSettings"> },
  entries: readonly AuditView[],
): Promise<AuditNames> {
  const ids = idsIn(entries);
  const hasSettings = entries.some(({ action }) => action.startsWith("settings."));
  const [people, nodes, accounts, keys, listed] = await Promise.all([
    db.read
      .select({ id: users.id, name: users.name, email: users.email })
      .from(users)
      .where(inArray(users.id, [...ids.user])),
    nodeNames({ db }, [...ids.node]),
    accountNames({ db }, ids.account),
    db.read
      .select({ id: apiKeys.id, name: apiKeys.name })
      .from(apiKeys)
      .where(inArray(apiKeys.id, [...ids.key])),
    hasSettings ? admin.listSettings({}) : null,
  ]);
  const userNames = new Map(people.map(({ id, name, email }) => [id, name || email]));
  const keyNames = new Map(keys.map(({ id, name }) => [id, name]));
  const settings = new Map(listed?.ok ? listed.value.settings.map((row) => [row.key, row] as const) : []);
  const user = (id: string): Named => ({
    name: userNames.get(id) ?? id,
    href: userNames.has(id) ? `/admin/people/users/${encodeURIComponent(id)}` : null,
  });
  const node = (pubkey: string): Named => ({
    name: nodes.get(pubkey) || `${pubkey.slice(0, 8)}…`,
    href: nodes.has(pubkey) ? `/nodes/${pubkey}` : null,
  });
  const account = (id: string): Named => {
    const known = accounts.get(id);
    if (!known) return { name: id, href: null };
    if (known.user) return { ...user(known.user.id), name: known.user.email };
    const href = known.kind === "client" ? null : `/organisations/${encodeURIComponent(id)}`;
    return { name: accountName(known), href };
  };
  return {
    ...{ user, node, account, settings },
    key: (id, known) => {
      const name = known ?? keyNames.get(id) ?? id;
      return { name, href: keyNames.has(id) ? `/admin/people/keys?q=${encodeURIComponent(name)}` : null };
    },
    setting: (key) => ({
      name: settings.get(key)?.label ?? key,
      href: key === "aliases" ? "/admin/models" : settingHref(key),
    }),
    of(text) {
      if (text === "local") return { name: "The command line", href: null };
      if (text === "system") return { name: "infernet", href: null };
      const [person, pubkey, whose] = [USER, NODE, ACCOUNT].map((shape) => shape.exec(text)?.[1]);
      if (person !== undefined) return user(person);
      if (pubkey !== undefined) return node(pubkey);
      return whose === undefined ? { name: text, href: null } : account(whose);
    },
  };
}

function idsIn(entries: readonly AuditView[]): Ids {
  const ids: Ids = { user: new Set(), node: new Set(), account: new Set(), key: new Set() };
  for (const { actor, action, subject, before, after } of entries) {
    for (const text of [actor, subject]) {
      for (const [kind, shape] of [
        ["user", USER],
        ["node", NODE],
        ["account", ACCOUNT],
      ] as const) {
        const id = shape.exec(text)?.[1];
        if (id !== undefined) ids[kind].add(id);
      }
    }
    if (action.startsWith("user.")) ids.user.add(subject);
    if (action.startsWith("org.")) ids.account.add(subject);
    if (action.startsWith("key.")) ids.key.add(subject);
    for (const [field, kind] of Object.entries(HOLDS)) {
      for (const table of [before, after]) {
        const id = typeof table === "object" && table !== null && !Array.isArray(table) ? table[field] : null;
        if (typeof id === "string") ids[kind].add(id);
      }
    }
  }
  return ids;
}
