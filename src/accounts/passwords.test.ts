import { expect, test } from "bun:test";
import { createPasswords, passwordSchema } from "./passwords.ts";

const cheap = () => createPasswords({ memory: 8, passes: 1 });
const value = <T>(result: { ok: true; value: T } | { ok: false }): T => {
  if (!result.ok) throw new Error("refused");
  return result.value;
};

test("a password fits its own hash only, in every spelling of its letters", async () => {
  const passwords = cheap();
  const hash = value(await passwords.hash("grüße und mehr"));
  expect(hash).toStartWith("$argon2id$");
  expect(value(await passwords.verify("gru\u0308ße und mehr", hash))).toBe(true);
  expect(value(await passwords.verify("Grüße und mehr", hash))).toBe(false);
  expect(value(await passwords.hash("grüße und mehr"))).not.toBe(hash);
});

test("where there is no hash, nothing fits, and a hash is verified all the same", async () => {
  const passwords = cheap();
  expect(value(await passwords.verify("whatever it is", null))).toBe(false);
  expect(value(await passwords.verify("", null))).toBe(false);
});

test("a crowd beyond what may wait is told to come again, and everybody else is served", async () => {
  const passwords = cheap();
  const all = await Promise.all(Array.from({ length: 200 }, () => passwords.hash("a password of many")));
  const served = all.filter(({ ok }) => ok).length;
  expect(served).toBeGreaterThanOrEqual(66);
  expect(served).toBeLessThan(200);
  expect((await passwords.hash("and one after it")).ok).toBe(true);
});

test("length is all that a password must have", () => {
  for (const [text, fits] of [
    ["a".repeat(9), false],
    ["a".repeat(10), true],
    ["a".repeat(256), true],
    ["a".repeat(257), false],
  ] as const) {
    expect(passwordSchema.safeParse(text).success).toBe(fits);
  }
});
