// Entries: the audit log as its page shows it: who and what with their names and pages, and what became of what.
import { inArray } from "drizzle-orm";
import { settingHref } from "../../../web/parts/setting-id.ts";
import { users } from "../../accounts/schema.ts";
import type { AuditView } from "../../admin/money-operations.ts";
import type { Db } from "../../db/open.ts";
import { nodeNames } from "../../registry/nodes.ts";

/** A name, and its page where it has one. */
export type Named = { name: string; href: string | null };
/** `before` and `after`: null where there is nothing. */
export type Change = { name: string; before: string | null; after: string | null };
export type AuditEntryView = {
  seq: number;
  atMs: number;
  who: Named;
  actor: string;
  action: string;
  about: Named;
  subject: string;
  from: string;
  changes: readonly Change[];
  hash: string;
};

const NODE = /^(?:node\/)?([0-9a-f]{64})$/;
const USER = /^user\/(.+)$/;

export async function entryViews({ db }: { db: Db }, entries: readonly AuditView[]): Promise<AuditEntryView[]> {
  const texts = entries.flatMap(({ actor, subject }) => [actor, subject]);
  const keys = [...new Set(texts.flatMap((text) => NODE.exec(text)?.[1] ?? []))];
  const people = [
    ...new Set(
      entries.flatMap(({ actor, action, subject }) => [
        ...(USER.exec(actor)?.slice(1) ?? []),
        ...(action.startsWith("user.") ? [subject] : []),
      ]),
    ),
  ];
  const [nodes, found] = await Promise.all([
    nodeNames({ db }, keys),
    people.length === 0
      ? []
      : db.read
          .select({ id: users.id, name: users.name, email: users.email })
          .from(users)
          .where(inArray(users.id, people)),
  ]);
  const names = new Map(found.map(({ id, name, email }) => [id, name || email]));
  const user = (id: string): Named => ({
    name: names.get(id) ?? id,
    href: names.has(id) ? `/admin/people/users/${encodeURIComponent(id)}` : null,
  });
  const node = (key: string): Named => ({
    name: nodes.get(key) || `${key.slice(0, 8)}…`,
    href: nodes.has(key) ? `/nodes/${key}` : null,
  });
  return entries.map(({ seq, at_ms: atMs, actor, action, subject, before, after, from, hash }) => ({
    ...{ seq, atMs, actor, action, subject, from, hash },
    who: whoOf(actor, user, node),
    about: aboutOf(action, subject, user, node),
    changes: changesOf(before, after),
  }));
}

function whoOf(actor: string, user: (id: string) => Named, node: (key: string) => Named): Named {
  if (actor === "local") return { name: "this machine's commands", href: null };
  if (actor === "system") return { name: "infernet", href: null };
  const id = USER.exec(actor)?.[1];
  if (id !== undefined) return user(id);
  const key = NODE.exec(actor)?.[1];
  return key === undefined ? { name: actor, href: null } : node(key);
}

function aboutOf(action: string, subject: string, user: (id: string) => Named, node: (key: string) => Named): Named {
  if (action === "settings.changed") {
    return { name: subject, href: subject === "aliases" ? "/admin/models" : settingHref(subject) };
  }
  if (action.startsWith("user.")) return user(subject);
  if (action.startsWith("org.")) return { name: subject, href: `/organisations/${encodeURIComponent(subject)}` };
  const key = NODE.exec(subject)?.[1];
  return key === undefined ? { name: subject, href: null } : node(key);
}

type Json = AuditView["before"];
/** What differs, by its name; of plain values "". */
export function changesOf(wasBefore: Json, isAfter: Json): Change[] {
  const [before, after] = [named(wasBefore), named(isAfter)];
  if (!isTable(before) && !isTable(after)) {
    return before === null && after === null ? [] : [{ name: "", before: text(before), after: text(after) }];
  }
  const [was, is] = [tableOf(before), tableOf(after)];
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .map((name) => ({ name, before: text(was[name] ?? null, name), after: text(is[name] ?? null, name) }))
    .filter((change) => change.before !== change.after);
}
/** Rows of a table of settings are told as pairs of name and value. */
function named(value: Json): Json {
  const isPairs = Array.isArray(value) && value.length > 0 && value.every((row) => isPair(row));
  return isPairs ? Object.fromEntries(value.filter(isPair)) : value;
}
const isPair = (row: Json): row is [string, Json] =>
  Array.isArray(row) && row.length === 2 && typeof row[0] === "string" && Array.isArray(row[1]);
/** A plain value beside a table stands for itself: `pending` becomes what is told of the node. */
const tableOf = (value: Json): Record<string, Json> => (isTable(value) ? value : value === null ? {} : { was: value });
const isTable = (value: Json): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** An empty list says nothing; of a moment its name does. */
function text(value: Json, name = ""): string | null {
  if (value === null || typeof value === "string") return value;
  if (typeof value === "number" && name.endsWith("_ms") && value > 0 && value < LAST_MS) {
    return `${new Date(value).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  }
  if (!Array.isArray(value)) return JSON.stringify(value);
  if (value.length === 0) return null;
  return value.every((one) => typeof one === "string") ? value.join(", ") : JSON.stringify(value);
}
/** Of the calendar (ECMAScript: a Date's time value). */
const LAST_MS = 8.64e15;
