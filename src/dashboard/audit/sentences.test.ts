// Sentences of the audit log: every act has one, whatever its entry holds, and it names who and what.
import { expect, test } from "bun:test";
import { AUDIT_ACTIONS } from "../../accounts/audit.ts";
import { configGround } from "../../config/ground.ts";
import { configSchema } from "../../config/schema.ts";
import type { AuditNames } from "./names.ts";
import { type Entry, SENTENCES, sentenceOf } from "./sentences.ts";

const plain = (name: string) => ({ name, href: null });
const { ground } = configGround({ ...configSchema.parse({}), data_dir: "/nowhere" }, {});
const settings = new Map(ground.keys.map((key) => [key.name, key])) as unknown as AuditNames["settings"];
const NAMES: AuditNames = {
  user: (id) => plain(`person ${id}`),
  node: (key) => plain(`node ${key}`),
  account: (id) => plain(`account ${id}`),
  key: (id, known) => plain(`key ${known ?? id}`),
  setting: (key) => plain(settings.get(key)?.label ?? key),
  settings,
  of: (text) => plain(text === "user/ada" ? "Ada" : text),
};
const said = (entry: Partial<Entry>): string =>
  sentenceOf({ actor: "user/ada", action: "", subject: "it", before: null, after: null, ...entry }, NAMES)
    .map((part) => (typeof part === "string" ? part : part.name))
    .join("");

test("every act of the code has a sentence, and no sentence is of no act", () => {
  expect(Object.keys(SENTENCES).toSorted()).toEqual([...AUDIT_ACTIONS].toSorted());
});

test.each([...AUDIT_ACTIONS])("%s is a sentence, whether the entry says much, little or something else", (action) => {
  for (const value of [null, "pending", ["a"], { too_long: true }, { role: 3, amount: "x", reason: {}, account: 7 }]) {
    const sentence = said({ action, before: value, after: value });
    // Words with single spaces between them, and none of the code's.
    expect(sentence).toMatch(/^\S+( \S+)+$/);
    expect(sentence).not.toMatch(/[a-z]_[a-z]|undefined|\[object|null/);
  }
});

test.each([
  [
    { action: "settings.changed", subject: "coordinator.price_output_max", before: 2_000_000, after: 3_000_000 },
    "Ada changed Highest output price from $2.00 to $3.00 per million tokens",
  ],
  [
    { action: "settings.changed", subject: "coordinator.queue_timeout_s", before: 300, after: 1 },
    "Ada changed Longest wait for a slot from 300 to 1 second",
  ],
  [
    { action: "settings.changed", subject: "coordinator.require_api_key", before: true, after: false },
    "Ada changed Clients need an API key from on to off",
  ],
  [
    { action: "settings.changed", subject: "accounts.signup", before: "invite", after: "closed" },
    "Ada changed Sign-up from By invitation to Nobody",
  ],
  [
    { action: "settings.changed", subject: "aliases", before: [], after: [["gpt-4o", ["llama3"]]] },
    "Ada changed Model aliases",
  ],
  [{ action: "key.revoked", subject: "key_1", before: { name: "laptop" } }, "Ada revoked the key key laptop"],
  [
    { action: "command.issued", subject: "dune", after: { id: "1", command: "model_install", model: "llama3" } },
    "Ada told dune to install llama3",
  ],
  [
    { action: "credits.granted", subject: "bob", after: { amount_micro_usd: 5_000_000, reason: "welcome" } },
    "Ada granted $5.00 to bob: welcome",
  ],
  [{ action: "org.member_removed", subject: "org", before: { user: "bob" } }, "Ada took person bob out of account org"],
  [{ action: "user.changed", subject: "bob", after: { disabled: false } }, "Ada enabled person bob again"],
  [
    { action: "node.placed", subject: "dune", after: { pool: "lab", maintenance: true } },
    "Ada put dune into the pool lab, in maintenance",
  ],
  [{ action: "something.newer" }, "Ada something.newer it"],
] as const)("%j is told as a person would", (entry, words) => {
  expect(said(entry as Partial<Entry>)).toBe(words);
});

test("of two people of one name it is told who took whom out, and who left", () => {
  const names = { ...NAMES, user: () => plain("Ada") };
  const of = (actor: string) =>
    sentenceOf({ actor, action: "org.member_removed", subject: "org", before: { user: "ada" }, after: null }, names)
      .map((part) => (typeof part === "string" ? part : part.name))
      .join("");
  expect([of("user/ada"), of("user/eve")]).toEqual(["Ada left account org", "user/eve took Ada out of account org"]);
});
