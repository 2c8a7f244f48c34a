import { expect, test } from "bun:test";
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { fromHex, toHex } from "../lib/hex.ts";
import { merkleProver, merkleRoot, payoutMemo, verifyMerkleProof } from "./merkle.ts";

const cat = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
/** RFC 6962 §2.1, word for word. */
function rfcRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array());
  if (leaves.length === 1) return sha256(cat(Uint8Array.of(0), leaves[0]!));
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha256(cat(Uint8Array.of(1), rfcRoot(leaves.slice(0, k)), rfcRoot(leaves.slice(k))));
}
const digest = (n: number) => sha256(new TextEncoder().encode(String(n)));
const digests = (count: number) => Array.from({ length: count }, (_, i) => digest(i));

test("the roots are those of the reference implementation of Certificate Transparency", () => {
  // The inputs and roots of its merkle_tree_test: leaves of any length.
  const inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
  const leaves = inputs.map((hex) => fromHex(hex));
  const root = (count: number) => toHex(merkleRoot(leaves.slice(0, count)));
  expect(root(0)).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  expect(root(1)).toBe("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  expect(root(2)).toBe("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
  expect(root(3)).toBe("aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
  expect(root(8)).toBe("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
});

test("the root is the RFC's for every count", () => {
  for (let count = 0; count <= 70; count++) {
    expect(toHex(merkleRoot(digests(count)))).toBe(toHex(rfcRoot(digests(count))));
  }
});

test("every leaf has a proof, and it proves nothing else", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat(), (count, a, b) => {
      const leaves = digests(count);
      const root = merkleRoot(leaves);
      const index = a % count;
      const path = merkleProver(leaves)(index);
      const proof = { index, count, path };
      expect(verifyMerkleProof(root, digest(index), proof)).toBe(true);
      expect(verifyMerkleProof(root, digest(count + b), proof)).toBe(false);
      expect(verifyMerkleProof(digest(b), digest(index), proof)).toBe(false);
      const other = b % count;
      if (other !== index) {
        expect(verifyMerkleProof(root, digest(index), { ...proof, index: other })).toBe(false);
        expect(verifyMerkleProof(root, digest(other), proof)).toBe(false);
      }
      expect(verifyMerkleProof(root, digest(index), { ...proof, path: [...path, digest(b)] })).toBe(false);
      expect(verifyMerkleProof(root, digest(index), { ...proof, path: path.slice(1) })).toBe(path.length === 0);
      expect(verifyMerkleProof(root, digest(index), { ...proof, path: path.slice(0, -1) })).toBe(path.length === 0);
    }),
  );
});

test("numbers that are none of a leaf's are refused", () => {
  const root = merkleRoot(digests(3));
  const path = merkleProver(digests(3))(0);
  for (const [index, count] of [
    [-1, 3],
    [3, 3],
    [0.5, 3],
    [0, 0],
    [0, Number.NaN],
    [0, 2 ** 40],
  ] as const) {
    expect(verifyMerkleProof(root, digest(0), { index, count, path })).toBe(false);
  }
  expect(verifyMerkleProof(root, digest(0), { index: 0, count: 3, path: path.map((one) => one.slice(1)) })).toBe(false);
  expect(() => merkleProver(digests(3))(3)).toThrow(RangeError);
});

test("a payout's memo names it and its root", () => {
  expect(payoutMemo("p1", digest(0))).toBe(`infernet:1:p1:${toHex(digest(0))}`);
});
