import { describe, expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { fromHex, toHex } from "../lib/hex.ts";
import { pubkeySchema } from "./primitives.ts";
import {
  brokenLink,
  EMPTY_CHAIN,
  openReceipt,
  receiptSigner,
  signHead,
  signReceiptKey,
  verifyHead,
  verifyReceiptKey,
  verifyReceiptSignature,
} from "./receipt-signing.ts";
import { decodeReceipt, type Receipt } from "./receipts.ts";
import vectors from "./receipts.vectors.json";

const node = pubkeySchema.parse(vectors.node);
const identity = pubkeySchema.parse(vectors.identity);
const signer = receiptSigner(fromHex(vectors.seed));
const read = (hex: string): Receipt => {
  const receipt = decodeReceipt(fromHex(hex));
  if (!receipt.ok) throw new Error(receipt.error);
  return receipt.value;
};

for (const { name, bytes, digest, signature, countersignature, receipt } of vectors.cases) {
  test(`${name}: signature and countersignature are the vector's and verify`, () => {
    expect(toHex(signer.publicKey)).toBe(vectors.coordinator);
    expect(toHex(signer.sign(fromHex(digest)))).toBe(signature);
    // Another implementation of RFC 8032 says the same.
    expect(ed25519.verify(fromHex(signature), fromHex(digest), signer.publicKey)).toBe(true);
    expect(openReceipt(fromHex(bytes), fromHex(signature))).toEqual({
      ok: true,
      value: { receipt: read(bytes), digest: fromHex(digest) },
    });
    const head = { seq: BigInt(receipt.seq), digest: fromHex(digest) };
    expect(signHead(fromHex(vectors.node_secret), head, fromHex(vectors.aux_rand))).toBe(countersignature);
    expect(verifyHead(countersignature, head, node)).toBe(true);
  });
}

for (const { reason, bytes, signature, error } of vectors.invalid) {
  test(`refused: ${reason}`, () => {
    const opened = openReceipt(fromHex(bytes), fromHex(signature));
    expect(opened.ok).toBe(false);
    if (!opened.ok) expect(opened.error).toContain(error);
  });
}

for (const { reason, after, bytes, error } of vectors.broken_chains) {
  test(`no link of the chain: ${reason}`, () => {
    const before = vectors.cases[after]!;
    const head = { seq: BigInt(before.receipt.seq), digest: fromHex(before.digest) };
    expect(brokenLink(head, read(bytes))).toContain(error);
  });
}

for (const { reason, seq, digest, sig } of vectors.invalid_heads) {
  test(`no countersignature: ${reason}`, () => {
    expect(verifyHead(sig, { seq: BigInt(seq), digest: fromHex(digest) }, node)).toBe(false);
  });
}

describe("a signed receipt", () => {
  const { bytes, signature, digest, countersignature } = vectors.cases[1]!;

  test("does not verify with any one bit of it flipped", () => {
    const message = Buffer.concat([fromHex(bytes), fromHex(signature)]);
    let refused = 0;
    for (let at = 0; at < message.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Uint8Array.from(message);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        if (!openReceipt(flipped.subarray(0, 387), flipped.subarray(387)).ok) refused++;
      }
    }
    expect(refused).toBe((387 + 64) * 8);
  });

  test("whose byte was flipped does not count as signed by its coordinator, even where the split is not looked at", () => {
    for (let at = 0; at < 32; at++) {
      const flipped = fromHex(digest);
      flipped[at] = (flipped[at] ?? 0) ^ 0x80;
      expect(verifyReceiptSignature(signer.publicKey, flipped, fromHex(signature))).toBe(false);
      expect(verifyHead(countersignature, { seq: 2n, digest: flipped }, node)).toBe(false);
    }
  });

  test("is the next of its chain and of no other", () => {
    const [first, second, third] = vectors.cases.map((one) => read(one.bytes));
    const heads = vectors.cases.map((one) => ({ seq: BigInt(one.receipt.seq), digest: fromHex(one.digest) }));
    expect(brokenLink(EMPTY_CHAIN, first!)).toBeUndefined();
    expect(brokenLink(heads[0]!, second!)).toBeUndefined();
    expect(brokenLink(heads[1]!, third!)).toBeUndefined();
    expect(brokenLink(EMPTY_CHAIN, second!)).toBeDefined();
  });
});

test("many keys are seen, and each verifies its own", () => {
  const digest = fromHex(vectors.cases[0]!.digest);
  const signers = Array.from({ length: 40 }, (_, i) => receiptSigner(new Uint8Array(32).fill(i)));
  const sigs = signers.map((one) => one.sign(digest));
  for (const [i, one] of signers.entries()) {
    expect(sigs.map((sig) => verifyReceiptSignature(one.publicKey, digest, sig))).toEqual(sigs.map((_, j) => i === j));
  }
  expect(() => receiptSigner(new Uint8Array(31))).toThrow(RangeError);
});

test("the key of receipts is certified by the identity, for that identity and that key", () => {
  const { coordinator: key, key_signature: sig } = vectors;
  const secretKey = fromHex(vectors.identity_secret);
  expect(signReceiptKey({ secretKey, pubkey: identity }, key, fromHex(vectors.aux_rand))).toBe(sig);
  expect(verifyReceiptKey(sig, identity, key)).toBe(true);
  expect(verifyReceiptKey(sig, node, key)).toBe(false);
  expect(verifyReceiptKey(sig, identity, vectors.node)).toBe(false);
  expect(verifyReceiptKey("", identity, key)).toBe(false);
});
