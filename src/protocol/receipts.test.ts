import { describe, expect, test } from "bun:test";
import { schnorr } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { fromHex, toHex } from "../lib/hex.ts";
import type { Delta } from "./generation.ts";
import { receiptJson } from "./receipt-json.ts";
import {
  decodeReceipt,
  encodeReceipt,
  grossOf,
  hashDelta,
  headDigest,
  RECEIPT_BYTES,
  RECEIPT_FIELDS,
  type Receipt,
  receiptDigest,
  saltedHasher,
  splitGross,
  textHash,
} from "./receipts.ts";
import vectors from "./receipts.vectors.json";

const decoded = (hex: string): Receipt => {
  const receipt = decodeReceipt(fromHex(hex));
  if (!receipt.ok) throw new Error(receipt.error);
  return receipt.value;
};

for (const { name, receipt, bytes, digest, head_digest } of vectors.cases) {
  test(`${name}: bytes and digests are the vector's`, () => {
    const read = decoded(bytes);
    expect(receiptJson(read)).toEqual({ ...receipt, version: 1 });
    expect(toHex(encodeReceipt(read))).toBe(bytes);
    expect(toHex(receiptDigest(fromHex(bytes)))).toBe(digest);
    expect(toHex(headDigest(read.seq, fromHex(digest)))).toBe(head_digest);
    // As BIP-340 §Design defines tagged hashes, by another implementation of it.
    expect(toHex(schnorr.utils.taggedHash("infernet/cpr/v1", fromHex(bytes)))).toBe(digest);
  });
}

test("the vectors' hashes of request, output and model are salted as the receipt says", () => {
  const { receipt } = vectors.cases[0]!;
  const salt = fromHex(vectors.salt);
  const hash = (text: string) => toHex(sha256(Buffer.concat([salt, Buffer.from(text)])));
  expect([receipt.request_hash, receipt.output_hash]).toEqual([hash(vectors.request), hash(vectors.output)]);
  expect(receipt.model_hash).toBe(toHex(textHash("m")));
});

test("the fields lie one behind the other and fill the receipt", () => {
  let at = 0;
  for (const field of RECEIPT_FIELDS) {
    expect([field.name, field.at]).toEqual([field.name, at]);
    at += field.size;
  }
  expect(at).toBe(RECEIPT_BYTES);
});

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const anyReceipt: fc.Arbitrary<Receipt> = fc
  .record({
    version: fc.constant(1 as const),
    genesis: bytes(32),
    coordinator: bytes(32),
    jobId: bytes(16),
    seq: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
    previous: bytes(32),
    node: bytes(32),
    nodeWallet: bytes(32),
    client: bytes(32),
    mint: bytes(32),
    gross: u64,
    feeBps: fc.integer({ min: 0, max: 10_000 }),
    promptTokens: u32,
    completionTokens: u32,
    modelHash: bytes(32),
    requestHash: bytes(32),
    outputHash: bytes(32),
    finishedAtMs: u64,
  })
  .map((rest) => ({ ...rest, ...splitGross(rest.gross, rest.feeBps) }));

describe("the codec", () => {
  test("gives back what it was given, wherever the bytes lie in their buffer", () => {
    fc.assert(
      fc.property(anyReceipt, fc.nat(9), (receipt, offset) => {
        const encoded = encodeReceipt(receipt);
        expect(encoded.length).toBe(RECEIPT_BYTES);
        const within = new Uint8Array(RECEIPT_BYTES + offset);
        within.set(encoded, offset);
        expect(decodeReceipt(within.subarray(offset))).toEqual({ ok: true, value: receipt });
      }),
    );
  });

  test("takes any bytes without throwing, and writes what it accepts as it was", () => {
    fc.assert(
      fc.property(fc.oneof(bytes(RECEIPT_BYTES), fc.uint8Array({ maxLength: 800 })), (given) => {
        const receipt = decodeReceipt(given);
        if (receipt.ok) expect(encodeReceipt(receipt.value)).toEqual(given);
      }),
    );
  });

  test("throws on what does not fit", () => {
    const receipt = decoded(vectors.cases[0]!.bytes);
    for (const wrong of [
      { genesis: new Uint8Array(31) },
      { jobId: new Uint8Array(32) },
      { seq: 2n ** 64n },
      { gross: -1n },
      { feeBps: 65_536 },
      { promptTokens: 2 ** 32 },
      { completionTokens: 1.5 },
      { completionTokens: -1 },
    ]) {
      expect(() => encodeReceipt({ ...receipt, ...wrong })).toThrow(RangeError);
    }
  });

  test("gives out copies: what becomes of the bytes does not change the receipt", () => {
    const given = fromHex(vectors.cases[0]!.bytes);
    const receipt = decodeReceipt(given);
    given.fill(0);
    expect(receipt).toEqual({ ok: true, value: decoded(vectors.cases[0]!.bytes) });
  });
});

describe("amounts", () => {
  test("the split loses nothing, and the fee is never rounded up", () => {
    fc.assert(
      fc.property(u64, fc.integer({ min: 0, max: 10_000 }), (gross, feeBps) => {
        const { fee, nodeAmount } = splitGross(gross, feeBps);
        expect(fee + nodeAmount).toBe(gross);
        expect(fee * 10_000n <= gross * BigInt(feeBps)).toBe(true);
        expect((fee + 1n) * 10_000n > gross * BigInt(feeBps)).toBe(true);
      }),
    );
  });

  test("the gross is rounded up once, exactly", () => {
    expect(grossOf(0, 0, 5, 5)).toBe(0n);
    expect(grossOf(1, 0, 1, 0)).toBe(1n);
    expect(grossOf(1_000_000, 0, 1, 0)).toBe(1n);
    expect(grossOf(1_000_000, 1, 1, 1)).toBe(2n);
    expect(grossOf(500_000, 500_000, 1, 1)).toBe(1n);
    // Past what a double holds.
    expect(grossOf(2 ** 31, 3, Number.MAX_SAFE_INTEGER, 1)).toBe(19342813113834064648n);
    const price = fc.nat(Number.MAX_SAFE_INTEGER);
    fc.assert(
      fc.property(u32, u32, price, price, (input, output, priceInput, priceOutput) => {
        const exact = BigInt(input) * BigInt(priceInput) + BigInt(output) * BigInt(priceOutput);
        const gross = grossOf(input, output, priceInput, priceOutput);
        expect(gross * 1_000_000n >= exact && (gross - 1n) * 1_000_000n < exact).toBe(true);
      }),
    );
  });
});

describe("an output's hash", () => {
  const salt = new Uint8Array(32).fill(5);
  const hashOf = (deltas: readonly Delta[]): string => {
    const hasher = saltedHasher(salt);
    for (const delta of deltas) hashDelta(hasher, delta);
    return hasher.digest("hex");
  };
  const plain = (text: string) => toHex(sha256(Buffer.concat([salt, Buffer.from(text)])));

  test("of text alone is that of the text, however it was cut", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), (pieces) => {
        expect(hashOf(pieces.map((content) => ({ content })))).toBe(plain(pieces.join("")));
      }),
    );
  });

  test("takes everything of a delta that the client may have asked for, in one order", () => {
    const delta: Delta = {
      tool_calls: [
        { index: 0, id: "c1", type: "function", function: { name: "f", arguments: "{}" } },
        { index: 1, function: { arguments: "[1]" } },
        { index: 2 },
      ],
      refusal: "no",
      reasoning_content: "hm",
      content: "yes",
      logprobs: { content: [] },
      index: 3,
    };
    expect(hashOf([delta])).toBe(plain("yeshmnof{}[1]"));
    expect(
      hashOf([
        { embedding: "AAAA", index: 0 },
        { embedding: "BBBB", index: 1 },
      ]),
    ).toBe(plain("AAAABBBB"));
    expect(hashOf([])).toBe(plain(""));
  });
});
