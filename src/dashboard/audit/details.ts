// Details: what an entry of the audit log says of before and after, under labels that people know.
import { settingText } from "../../../web/parts/setting-text.ts";
import { dollars } from "../../../web/parts/text.tsx";
import type { AuditView } from "../../admin/money-operations.ts";
import type { AuditNames } from "./names.ts";

/** `before` and `after`: null where there is nothing. `href`: of the thing after, where it has a page. */
export type Change = { name: string; before: string | null; after: string | null; href?: string | null };

const LABELS: Readonly<Record<string, string>> = {
  account: "Account",
  act: "Act",
  address: "Address",
  admitted_by: "Let in by",
  amount: "Amount",
  amount_micro_usd: "Amount",
  as: "As",
  asked_by: "Asked by",
  balance_micro_usd: "Balance",
  by_link: "Link",
  coin: "Coin",
  command: "Command",
  delegate: "Delegate",
  disabled: "Disabled",
  email: "Email",
  error: "Error",
  expires_ms: "Expires",
  fee: "Fee",
  first_admin: "First admin",
  id: "Id",
  invitation: "Invitation",
  kind: "Kind",
  link: "Link",
  maintenance: "Maintenance",
  memo: "Memo",
  model: "Model",
  models: "Models",
  name: "Name",
  network: "Network",
  new_id: "New key",
  node_amount: "Amount",
  nonce: "Nonce",
  old_expires_ms: "Old key ends",
  owner: "Owner",
  payer: "Payer",
  payout: "Payout",
  pool: "Pool",
  pools: "Pools",
  reason: "Reason",
  receipts: "Receipts",
  requests_per_minute: "Requests per minute",
  role: "Role",
  roles: "Roles",
  root: "Root",
  scopes: "Scopes",
  signature: "Signature",
  signs_in_with: "Signs in with",
  sources: "Sources",
  spend_day: "Spend per day",
  spend_total: "Spend in all",
  state: "State",
  taken_back: "Taken back",
  terms: "Terms",
  token_account: "Token account",
  tokens_per_minute: "Tokens per minute",
  user: "User",
  wallet: "Wallet",
  was: "Was",
};
/** µ$. */
const AMOUNTS = /^(amount|fee|spend_day|spend_total|taken_back)$|_amount$|_micro_usd$/;

/** What differs, labelled; ids of people, accounts and keys by their names. */
export function labelledChanges(
  { action, subject, before, after }: Pick<AuditView, "action" | "subject" | "before" | "after">,
  names: AuditNames,
): Change[] {
  if (action === "settings.changed") {
    // The sentence has it already, but for tables.
    const row = names.settings.get(subject);
    const words = row ?? { unit: null };
    const changes = changesOf(before, after);
    if (changes.some(({ name }) => name !== "")) return changes;
    return [{ name: "", before: settingText(words, before), after: settingText(words, after) }];
  }
  return changesOf(before, after).map((change) => ({
    ...change,
    ...linked(change, names),
    name: labelOf(change.name),
  }));
}

/** A field that nobody named yet is told in its own words. */
function labelOf(name: string): string {
  if (name === "" || Object.hasOwn(LABELS, name)) return LABELS[name] ?? "";
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function linked({ name, before, after }: Change, names: AuditNames): Partial<Change> {
  const one = { user: names.user, owner: names.user, asked_by: names.user, account: names.account }[name];
  const of = one ?? (name === "new_id" ? (id: string) => names.key(id, null) : null);
  if (of === null) return {};
  const now = after === null ? undefined : of(after);
  return { before: before && of(before).name, after: now?.name ?? null, href: now?.href ?? null };
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
  Array.isArray(row) && row.length === 2 && typeof row[0] === "string" && typeof row[1] === "object";
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
  if (typeof value === "number" && Number.isSafeInteger(value) && AMOUNTS.test(name)) return dollars(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (!Array.isArray(value)) return pricesText(value) ?? JSON.stringify(value);
  if (value.length === 0) return null;
  return value.every((one) => typeof one === "string") ? value.join(", ") : JSON.stringify(value);
}
/** Of a model, in and out: `$0.10 / $0.30`. */
function pricesText(value: Json): string | null {
  if (!isTable(value) || Object.keys(value).length !== 2) return null;
  const both = [value.input, value.output].filter((one) => typeof one === "number" && Number.isSafeInteger(one));
  return both.length === 2 ? both.map((one) => dollars(Number(one))).join(" / ") : null;
}
/** Of the calendar (ECMAScript: a Date's time value). */
const LAST_MS = 8.64e15;
