import { expect, test } from "bun:test";
import { schnorr } from "@noble/curves/secp256k1.js";
import { fromHex, toHex } from "../lib/hex.ts";
import { type Pubkey, pubkeySchema } from "./primitives.ts";
import { pubkeyOf, signDigest, signText, verifyDigest, verifyText } from "./schnorr.ts";
import vectors from "./schnorr.vectors.json";

const ORDER = schnorr.Point.Fn.ORDER;
const number = (hex: string) => BigInt(`0x${hex}`);
const hex32 = (value: bigint) => value.toString(16).padStart(64, "0");

for (const { index, reason, pubkey, message, sig, valid, secret_key, aux_rand } of vectors.cases) {
  test(`BIP-340 row ${index} is ${valid ? "good" : "refused"}: ${reason}`, () => {
    expect(verifyDigest(sig, fromHex(message), pubkeySchema.parse(pubkey))).toBe(valid);
    if (secret_key === undefined) return;
    expect(pubkeyOf(fromHex(secret_key)) as string).toBe(pubkey);
    expect(signDigest(fromHex(secret_key), fromHex(message), fromHex(aux_rand ?? ""))).toBe(sig);
  });
}

/** R = sG − eP of a row, as BIP-340 §Verification computes it. */
function pointR(row: { pubkey: string; message: string; sig: string }) {
  const r = fromHex(row.sig.slice(0, 64));
  const challenge = schnorr.utils.taggedHash("BIP0340/challenge", r, fromHex(row.pubkey), fromHex(row.message));
  const e = number(toHex(challenge)) % ORDER;
  const eP = schnorr.utils.lift_x(number(row.pubkey)).multiplyUnsafe(e);
  return schnorr.Point.BASE.multiplyUnsafe(number(row.sig.slice(64))).add(eP.negate());
}
const row = (index: number) => vectors.cases[index]!;

test("the invalid rows are invalid for the reason they give", () => {
  const lift = (x: string) => schnorr.utils.lift_x(number(x));
  expect(() => lift(row(5).pubkey)).toThrow();
  const odd = pointR(row(6)).toAffine();
  expect([hex32(odd.x), odd.y % 2n]).toEqual([row(6).sig.slice(0, 64), 1n]);
  const negatedMessage = fromHex(hex32(ORDER - number(row(7).message)));
  expect(verifyDigest(row(7).sig, negatedMessage, row(7).pubkey as Pubkey)).toBe(true);
  const unnegated = row(8).sig.slice(0, 64) + hex32(ORDER - number(row(8).sig.slice(64)));
  expect(verifyDigest(unnegated, fromHex(row(8).message), row(8).pubkey as Pubkey)).toBe(true);
  expect(pointR(row(9)).is0()).toBe(true);
  expect(pointR(row(10)).is0()).toBe(true);
  expect(() => lift(row(11).sig.slice(0, 64))).toThrow();
  expect(number(row(12).sig.slice(0, 64))).toBe(schnorr.Point.Fp.ORDER);
  expect(number(row(13).sig.slice(64))).toBe(ORDER);
  expect(number(row(14).pubkey)).toBeGreaterThan(schnorr.Point.Fp.ORDER);
});

test("what is not hex of the right length is no signature, and does not throw", () => {
  const pubkey = row(0).pubkey as Pubkey;
  for (const sig of ["", "00", "g".repeat(128), row(0).sig.toUpperCase(), `${row(0).sig}00`]) {
    expect(verifyText(sig, "x", pubkey)).toBe(false);
  }
  expect(verifyText(row(0).sig, "x", "" as Pubkey)).toBe(false);
});

test("a text's signature is good for that text only", () => {
  const secret = fromHex(row(0).secret_key!);
  const sig = signText(secret, "grüße\n🌍");
  expect(verifyText(sig, "grüße\n🌍", pubkeyOf(secret))).toBe(true);
  expect(verifyText(sig, "grüße\n🌎", pubkeyOf(secret))).toBe(false);
});
