import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { pubkeySchema } from "../protocol/primitives.ts";
import { type AffinityKeys, affinityIndex, affinityKeys, MIN_PREFIX_CHARS } from "./affinity.ts";

const LONG = "x".repeat(MIN_PREFIX_CHARS);
const user = (text: string) => ({ role: "user", texts: [text] });
const model = (text: string) => ({ role: "assistant", texts: [text] });
const system = (text: string) => ({ role: "system", texts: [text] });
const keys = (messages: Parameters<typeof affinityKeys>[2], session: string | null = null, scope = "local") =>
  affinityKeys(scope, session, messages);
const A = pubkeySchema.parse("a".repeat(64));
const B = pubkeySchema.parse("b".repeat(64));
const there = (pubkey: string) => pubkey;
const TTL_MS = 1_000;
const index = (max?: number) => affinityIndex({ ttlMs: TTL_MS, ...(max === undefined ? {} : { max }) });

describe("keys", () => {
  test("the next turn has the whole of the one before among its beginnings", () => {
    const first = keys([user(LONG)]);
    const next = keys([user(LONG), model("hm"), user("and?")]);
    expect(next.prefixes).toContain(first.kept[0] as number);
    expect(next.prefixes[0]).toBe(next.kept[0] as number);
  });

  test("another text, another role, another cut or another account is another conversation", () => {
    const kept = (...how: Parameters<typeof keys>) => keys(...how).kept[0];
    const one = kept([user(LONG)]);
    const others = [
      kept([user(`${LONG}y`)]),
      kept([model(LONG)]),
      kept([user(LONG.slice(1)), user("x")]),
      kept([user(LONG)], null, "another"),
    ];
    expect(new Set([one, ...others]).size).toBe(5);
    expect(kept([user(LONG)])).toBe(one);
  });

  test("short beginnings are none; a system prompt is remembered by itself", () => {
    expect(keys([user("hello")])).toMatchObject({ prefixes: [], kept: [] });
    const prompt = keys([system(LONG), user("a")]);
    expect(prompt.kept.length).toBe(2);
    expect(keys([system(LONG), user("b")]).prefixes).toContain(prompt.kept[1] as number);
  });

  test("a single long text is known by whole blocks, so that what was added to it is found", () => {
    const text = Array.from({ length: 3_000 }, (_, i) => i).join(" ");
    const before = keys([user(text)]);
    const after = keys([user(`${text} and more`)]);
    expect(after.prefixes.some((one) => before.kept.includes(one))).toBe(true);
  });

  test("a very long conversation is looked up by its last turns and its system prompt", () => {
    const messages = [system(LONG), ...Array.from({ length: 500 }, (_, i) => user(`${i}`))];
    expect(keys(messages).prefixes.length).toBeLessThanOrEqual(49);
    expect(keys(messages).prefixes).toContain(keys([system(LONG), user("other")]).kept[1] as number);
  });

  test("sessions of one name and different accounts are different", () => {
    expect(keys([], "s").session).not.toBe(keys([], "s", "another").session);
    expect(keys([], "s").session).toBe(keys([], "s").session);
  });
});

describe("the index", () => {
  const first = keys([user(LONG)], "s");
  const next = keys([user(LONG), model("hm"), user("and?")]);

  test("finds by session first, then by the longest beginning, in the same model only", () => {
    const known = index();
    expect(known.find(first, "m", 0, there)).toBeNull();
    known.note(first, "m", A, 0);
    known.note(next, "m", B, 1);
    expect(known.find(first, "m", 2, there)).toEqual({ by: "session", found: [A] });
    expect(known.find(next, "m", 2, there)).toEqual({ by: "prefix", found: [B] });
    const further = keys([user(LONG), model("hm"), user("and?"), model("so"), user("!")]);
    expect(known.find(further, "m", 2, there)).toEqual({ by: "prefix", found: [B] });
    const forked = keys([user(LONG), model("hm"), user("another question")]);
    expect(known.find(forked, "m", 2, there)).toEqual({ by: "prefix", found: [A] });
    expect(known.find(first, "another", 2, there)).toBeNull();
  });

  test("the latest node comes first, and those whose cache does not count are left out", () => {
    const known = index();
    known.note(first, "m", A, 0);
    known.note(first, "m", B, 1);
    known.note(first, "m", B, 2);
    expect(known.find(first, "m", 3, there)).toEqual({ by: "session", found: [B, A] });
    expect(known.find(first, "m", 3, (pubkey, atMs) => (atMs >= 2 ? pubkey : undefined))?.found).toEqual([B]);
    expect(known.find(first, "m", 3, () => undefined)).toBeNull();
  });

  test("forgets after its time, and the oldest when it is full", () => {
    const known = index(3);
    known.note(first, "m", A, 0);
    expect(known.find(first, "m", TTL_MS, there)).not.toBeNull();
    expect(known.find(first, "m", TTL_MS + 1, there)).toBeNull();
    for (let i = 0; i < 10; i++) known.note(keys([], `s${i}`), "m", A, TTL_MS);
    expect(known.size).toBe(3);
    expect(known.find(keys([], "s9"), "m", TTL_MS, there)).not.toBeNull();
    expect(known.find(first, "m", TTL_MS, there)).toBeNull();
  });

  test("of no time at all remembers nothing", () => {
    const none = affinityIndex({ ttlMs: 0 });
    none.note(first, "m", A, 0);
    expect([none.size, none.find(first, "m", 0, there)]).toEqual([0, null]);
  });

  test("property: never more than its size, and what was noted last is found", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(20), fc.boolean()), { maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        (ops, max) => {
          const known = index(max);
          ops.forEach(([n, isA], i) => {
            const one: AffinityKeys = keys([], `s${n}`);
            known.note(one, "m", isA ? A : B, i);
            expect(known.find(one, "m", i, there)?.found[0]).toBe(isA ? A : B);
            expect(known.size).toBeLessThanOrEqual(max);
          });
        },
      ),
    );
  });
});
