import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { isSealed, storedSecrets } from "./stored-secrets.ts";

const random = (bytes: number) => new Uint8Array(randomBytes(bytes));
const secrets = storedSecrets(new Uint8Array(32).fill(7), random);
const place = { purpose: "webhook", id: "job" } as const;
const refused = { ok: false, error: "sealed_otherwise" } as const;

test("what was sealed is read back, whatever it is, and does not show", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.uuid(), (secret, id) => {
      const envelope = secrets.seal({ ...place, id }, secret);
      expect(envelope).toMatch(/^sealed\.v1\.[A-Za-z0-9_-]{38,}$/);
      expect(isSealed(envelope)).toBe(true);
      expect(secrets.open({ ...place, id }, envelope)).toEqual({ ok: true, value: secret });
    }),
  );
  const secret = "https://example.com/hook?token=abc";
  expect(secrets.seal(place, secret)).not.toContain(Buffer.from("token").toString("base64url").slice(0, 5));
  expect(isSealed(secret)).toBe(false);
});

test("the same twice looks different", () => {
  expect(secrets.seal(place, "x")).not.toBe(secrets.seal(place, "x"));
});

test("each flipped bit, another key and another place are refused", () => {
  const envelope = secrets.seal(place, "https://example.com/hook");
  const bytes = Buffer.from(envelope.slice("sealed.v1.".length), "base64url");
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(secrets.open(place, `sealed.v1.${flipped.toString("base64url")}`)).toEqual(refused);
  }
  expect(storedSecrets(new Uint8Array(32).fill(8), random).open(place, envelope)).toEqual(refused);
  expect(secrets.open({ ...place, id: "other" }, envelope)).toEqual(refused);
});

test("what is no envelope is refused: cut short, of another version, or with something behind", () => {
  const envelope = secrets.seal(place, "secret");
  for (const wrong of [
    "",
    "sealed.v1.",
    envelope.slice(0, -1),
    `${envelope}A`,
    `${envelope}=`,
    envelope.replace("v1", "v2"),
  ]) {
    expect(secrets.open(place, wrong)).toEqual(refused);
  }
});

test("an envelope of a former version of this program is still read", () => {
  const fixed = storedSecrets(new Uint8Array(32).fill(1), () => new Uint8Array(12).fill(2));
  const envelope = "sealed.v1.AgICAgICAgICAgICb6K9OTlt7tK2tN2lLMunnMHavMBJ-RL80yL7W995kd7krJZl";
  expect(fixed.seal({ purpose: "webhook", id: "0" }, "https://example.com/")).toBe(envelope);
  expect(fixed.open({ purpose: "webhook", id: "0" }, envelope)).toEqual({ ok: true, value: "https://example.com/" });
});
