import { expect, test } from "bun:test";
import { z } from "zod";
import { seal, unseal } from "./sealed.ts";

const key = new Uint8Array(32).fill(1);
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
const shape = z.object({ who: z.string() });

test("what is sealed comes back until its time is over, and tells nothing meanwhile", () => {
  const text = seal({ key, random }, "a", { who: "anna" }, 1_000);
  expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
  expect(Buffer.from(text, "base64url").toString("latin1")).not.toContain("anna");
  expect(unseal(key, "a", text, 999, shape)).toEqual({ who: "anna" });
  expect(unseal(key, "a", text, 1_000, shape)).toBeUndefined();
});

test("another purpose, another key, another shape or a single changed sign open nothing", () => {
  const text = seal({ key, random }, "a", { who: "anna" }, 1_000);
  expect(unseal(key, "b", text, 0, shape)).toBeUndefined();
  expect(unseal(new Uint8Array(32), "a", text, 0, shape)).toBeUndefined();
  expect(unseal(key, "a", text, 0, z.object({ who: z.number() }))).toBeUndefined();
  const bytes = Buffer.from(text, "base64url");
  for (let i = 0; i < bytes.length; i += 1) {
    const changed = Buffer.from(bytes);
    changed[i] = (changed[i] ?? 0) ^ 1;
    expect(unseal(key, "a", changed.toString("base64url"), 0, shape)).toBeUndefined();
  }
  for (const nonsense of ["", "x", "{}", "A".repeat(5_000)])
    expect(unseal(key, "a", nonsense, 0, shape)).toBeUndefined();
});
