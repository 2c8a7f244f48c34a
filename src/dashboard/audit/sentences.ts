// Sentences: every act of the audit log as people say it: "Ada changed Waiting jobs per model from 256 jobs to 3 jobs".
// Whoever adds an act adds its sentence: the type and a test hold to it.
import { settingText, type Worded } from "../../../web/parts/setting-text.ts";
import { dollars } from "../../../web/parts/text.tsx";
import type { AuditAction } from "../../accounts/audit.ts";
import type { AuditView } from "../../admin/money-operations.ts";
import type { AuditNames, Named } from "./names.ts";

/** Plain words, and the things they are about. */
export type Sentence = readonly (string | Named)[];
type Json = AuditView["before"];
export type Entry = Pick<AuditView, "actor" | "action" | "subject" | "before" | "after">;

/** What a sentence is made of. `about`: whose or what the subject is, by its form. */
type Told = { who: Named; about: Named; entry: Entry; names: AuditNames };
type Teller = (told: Told) => Sentence;

export function sentenceOf(entry: Entry, names: AuditNames): Sentence {
  const told = { who: names.of(entry.actor), about: names.of(entry.subject), entry, names };
  const teller: Teller | undefined = Object.hasOwn(SENTENCES, entry.action)
    ? SENTENCES[entry.action as AuditAction]
    : undefined;
  // One that a newer program wrote is told as it stands.
  return teller ? teller(told) : [told.who, ` ${entry.action} `, told.about];
}

/** A field of a table that the entry has; null where there is none. */
function field(table: Json, name: string): Json {
  return typeof table === "object" && table !== null && !Array.isArray(table) ? (table[name] ?? null) : null;
}
const text = (value: Json): string | null => (typeof value === "string" && value !== "" ? value : null);
const list = (value: Json): string =>
  Array.isArray(value) ? value.filter((one) => typeof one === "string").join(", ") || "none" : "none";
const after = ({ entry }: Told, name: string): string | null => text(field(entry.after, name));
const before = ({ entry }: Told, name: string): string | null => text(field(entry.before, name));

/** An amount of µ$ that the entry names. */
function money(value: Json): string {
  if (typeof value === "number" && Number.isSafeInteger(value)) return dollars(value);
  return typeof value === "string" && /^-?\d{1,30}$/.test(value) ? dollars(BigInt(value)) : "an amount";
}
const because = (reason: string | null): string => (reason === null ? "" : `: ${reason}`);
/** Who did it, in these words, to what. */
const did =
  (words: string, rest = ""): Teller =>
  ({ who, about }) => [who, ` ${words} `, about, rest];

const user = ({ names, entry }: Told): Named => names.user(entry.subject);
const account = ({ names, entry }: Told): Named => names.account(entry.subject);
const key = (told: Told): Named => told.names.key(told.entry.subject, after(told, "name") ?? before(told, "name"));
/** Somebody does something to themselves, or to somebody else. */
const isOwn = ({ entry }: Told): boolean => entry.actor === `user/${entry.subject}`;
const byName = (name: string | null): string => (name === null ? "" : ` by the name ${name}`);

/** Of an organisation: who it is about, and whether they did it themselves. Names are no proof: two may share one. */
function member(told: Told): { whom: Named; isOwn: boolean } {
  const id = after(told, "user") ?? before(told, "user");
  if (id === null) return { whom: { name: "somebody", href: null }, isOwn: false };
  return { whom: told.names.user(id), isOwn: told.entry.actor === `user/${id}` };
}

const COMMANDS: Readonly<Record<string, string>> = {
  model_install: "install",
  model_remove: "remove",
  drain: "take no more jobs",
  resume: "take jobs again",
  refresh: "look at its models anew",
  restart: "start again",
  configure: "change its terms",
};

export const SENTENCES: Readonly<Record<AuditAction, Teller>> = {
  "key.created": (told) => {
    const id = after(told, "account");
    return [told.who, " made the key ", key(told), ...(id === null ? [] : [" for ", told.names.account(id)])];
  },
  "key.changed": (told) => [told.who, " changed the key ", key(told)],
  "key.rotated": (told) => [told.who, " put a new key in the place of ", key(told)],
  "key.revoked": (told) => [told.who, " revoked the key ", key(told)],
  "user.created": (told) =>
    isOwn(told) ? [user(told), " signed up"] : [told.who, " made the user ", user(told), byName(after(told, "email"))],
  "user.changed": (told) => {
    const [linked, unlinked] = [after(told, "signs_in_with"), before(told, "signs_in_with")];
    if (linked !== null) return [told.who, ` signs in with ${linked} from now on`];
    if (unlinked !== null) return [told.who, ` signs in with ${unlinked} no more`];
    if (field(told.entry.after, "disabled") === false) return [told.who, " enabled ", user(told), " again"];
    const [was, is] = [before(told, "name"), after(told, "name")];
    if (was === null && is === null) return [told.who, " changed ", user(told)];
    return [told.who, " changed the name of ", user(told), ` from ${was ?? "none"} to ${is ?? "none"}`];
  },
  "user.role_changed": (told) => [
    ...[told.who, " changed the roles of ", user(told)],
    ` from ${list(told.entry.before)} to ${list(told.entry.after)}`,
  ],
  "user.disabled": (told) => [told.who, " disabled ", user(told)],
  "user.deleted": (told) => [told.who, " deleted ", user(told)],
  "user.password_changed": (told) =>
    isOwn(told)
      ? [told.who, after(told, "by_link") === null ? " changed their password" : " set a password by a link"]
      : [told.who, " changed the password of ", user(told)],
  "user.password_reset": (told) => [told.who, " made a link for ", user(told), " to set a password with"],
  "user.invited": (told) => [told.who, " invited ", user(told)],
  "invitation.created": (told) => {
    if (field(told.entry.after, "first_admin") === true) return [told.who, " made the link for the first admin"];
    const [email, id] = [after(told, "email"), after(told, "account")];
    const into = id === null ? [] : [" into ", told.names.account(id)];
    return [told.who, ` invited ${email ?? "whoever has the link"}`, ...into];
  },
  "invitation.revoked": ({ who }) => [who, " took an invitation back"],
  "org.created": (told) => [told.who, " founded the organisation ", account(told)],
  "org.changed": (told) => [
    ...[told.who, " renamed the organisation ", account(told)],
    ` from ${before(told, "name") ?? "none"} to ${after(told, "name") ?? "none"}`,
  ],
  "org.member_added": (told) => {
    const [{ whom, isOwn }, role] = [member(told), after(told, "role") ?? "member"];
    if (isOwn) return [told.who, " joined ", account(told), ` as ${role}`];
    return [told.who, " added ", whom, " to ", account(told), ` as ${role}`];
  },
  "org.member_changed": (told) => [
    ...[told.who, " made ", member(told).whom, ` ${after(told, "role") ?? "something else"} of `, account(told)],
  ],
  "org.member_removed": (told) => {
    const { whom, isOwn } = member(told);
    if (isOwn) return [told.who, " left ", account(told)];
    return [told.who, " took ", whom, " out of ", account(told)];
  },
  "session.created": ({ who }) => [who, " signed in"],
  "session.revoked": ({ who }) => [who, " ended a session"],
  "login.failed_throttled": ({ entry }) => [`Sign-ins from ${entry.subject} failed too often and have to wait`],
  "node.registered": (told) => {
    const role = after(told, "role");
    return [told.about, ` registered${role === null ? "" : ` as ${role}`}`];
  },
  "node.approved": did("approved"),
  "node.allowed": did("let", " in beforehand"),
  "node.placed": (told) => {
    const { after: is } = told.entry;
    const [pool, maintenance] = [after(told, "pool"), field(is, "maintenance")];
    const where = pool === null ? "the public pool" : `the pool ${pool}`;
    return [told.who, " put ", told.about, ` into ${where}`, maintenance === true ? ", in maintenance" : ""];
  },
  "node.ejected": (told) => [told.who, " ejected ", told.about, because(after(told, "reason"))],
  "node.linked": (told) => {
    const id = after(told, "account");
    return [told.about, " was linked to ", id === null ? "an account" : told.names.account(id)];
  },
  "node.unlinked": (told) => {
    const id = before(told, "account");
    return [told.who, " unlinked ", told.about, " from ", id === null ? "its account" : told.names.account(id)];
  },
  "join_token.created": (told) => [told.who, ` made a join token for the role ${after(told, "role") ?? "provider"}`],
  "join_token.revoked": ({ who }) => [who, " took a join token back"],
  "command.issued": (told) => {
    const [command, model] = [after(told, "command") ?? "do something", after(told, "model")];
    const words = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : command;
    return [told.who, " told ", told.about, ` to ${words}${model === null ? "" : ` ${model}`}`];
  },
  "command.cancelled": did("cancelled a command to"),
  "backup.written": did("wrote a backup to"),
  "payout_address.set": (told) => {
    const [to, from] = [after(told, "address") ?? "another wallet", before(told, "address")];
    return [told.about, ` is paid to ${to} from now on`, from === null ? "" : `, no more to ${from}`];
  },
  "credits.granted": (told) => {
    const amount = money(field(told.entry.after, "amount_micro_usd"));
    return [told.who, ` granted ${amount} to `, told.about, because(after(told, "reason"))];
  },
  "credits.adjusted": (told) => {
    const amount = money(field(told.entry.after, "amount_micro_usd"));
    return [told.who, " corrected the credit of ", told.about, ` by ${amount}`, because(after(told, "reason"))];
  },
  "earnings.settled_outside": (told) => {
    const amount = money(field(told.entry.after, "amount_micro_usd"));
    return [told.who, ` settled ${amount} of `, told.about, " outside", because(after(told, "reason"))];
  },
  "deposit.credited": (told) => [
    ...["A deposit of ", money(field(told.entry.after, "amount")), " was credited to ", told.about],
  ],
  "allowance.registered": (told) => [
    ...[told.who, " registered the allowance of ", told.about, ` from ${after(told, "wallet") ?? "a wallet"}`],
  ],
  "allowance.ended": (told) => [
    ...[told.who, " ended the allowance of ", told.about, ` from ${before(told, "wallet") ?? "a wallet"}`],
  ],
  "x402.settled": ({ entry }) => [
    `${text(field(entry.after, "payer")) ?? "A wallet"} paid ${money(field(entry.after, "amount"))} for prepaid chats`,
  ],
  "x402.lost": ({ entry }) => [
    `A payment of ${money(field(entry.after, "amount"))} for prepaid chats was lost: the chain went back on it`,
  ],
  "payout.planned": (told) => {
    const amount = field(told.entry.after, "node_amount") ?? field(told.entry.before, "node_amount");
    return [`A payout of ${money(amount)} to `, told.about, " was planned", because(after(told, "reason"))];
  },
  "payout.paid": (told) => [told.about, ` was paid ${money(field(told.entry.after, "node_amount"))}`],
  "payout.failed": (told) => {
    const why = after(told, "reason") ?? after(told, "error");
    const isOver = after(told, "state") === "written_off";
    if (isOver) return [told.who, " wrote off a payout to ", told.about, because(why)];
    return ["A payout to ", told.about, " did not go through", because(why)];
  },
  "price.changed": did("changed prices of"),
  "stake.pledged": (told) => [told.who, " pledged the stake of ", told.about],
  "stake.proposed": (told) => [
    ...[told.who, ` proposed to ${after(told, "act") ?? "move"} `, money(field(told.entry.after, "amount"))],
    ...[" of the stake of ", told.about, because(after(told, "reason"))],
  ],
  "stake.withdrawn": did("withdrew the stake of"),
  "stake.released": (told) => [
    ...[money(field(told.entry.after, "amount")), " of the stake of ", told.about, " was released"],
    because(after(told, "reason")),
  ],
  "stake.slashed": (told) => [
    ...[money(field(told.entry.after, "amount")), " of the stake of ", told.about, " was slashed"],
    because(after(told, "reason")),
  ],
  "oracle.published": ({ entry }) => [`Scores and earnings of ${entry.subject.replace("/", " ")} were published`],
  "settings.changed": (told) => {
    const { entry, names } = told;
    const [setting, row] = [names.setting(entry.subject), names.settings.get(entry.subject)];
    if ([entry.before, entry.after].some(isLarge)) return [told.who, " changed ", setting];
    return [told.who, " changed ", setting, ` from ${changed(row ?? { unit: null }, entry.before, entry.after)}`];
  },
};

/** Tables, and lists of more than texts, have no place in a sentence. */
const isLarge = (value: Json): boolean =>
  typeof value === "object" &&
  value !== null &&
  !(Array.isArray(value) && value.every((one) => typeof one === "string"));

/** The unit once, where both have it. */
function changed(words: Worded, was: Json, is: Json): string {
  const { unit } = words;
  const once = unit !== null && typeof was === "number" && typeof is === "number";
  return `${settingText({ ...words, unit: once ? { ...unit, text: "" } : unit }, was)} to ${settingText(words, is)}`;
}
