// Wallet proofs against their vectors: what is signed, by whom, for what and when.
import { describe, expect, test } from "bun:test";
import { verifyWalletProof, type WalletProof, walletProofText } from "./wallet-proof.ts";
import vectors from "./wallet-proof.vectors.json";

describe("the proof's signature", () => {
  for (const { name, valid, proof, signature, nowMs } of vectors.cases) {
    test(`${valid ? "good" : "bad"}: ${name}`, () => {
      expect(verifyWalletProof(proof as WalletProof, signature, nowMs)).toBe(valid);
    });
  }
});

test("the text says what it is for, line by line, and is no transaction", () => {
  const [first] = vectors.cases;
  expect(walletProofText(first?.proof as WalletProof)).toBe(vectors.text);
  expect(vectors.text.split("\n")[0]).toBe("infernet wallet proof v1");
});

test("any character that is changed makes it somebody else's", () => {
  const [first] = vectors.cases;
  if (!first) throw new Error("no vectors");
  const { signature, nowMs } = first;
  const proof = first.proof as WalletProof;
  for (const field of ["subject", "coordinator", "tokenAccount", "delegate"] as const) {
    const text = proof[field];
    const changed = `${text.slice(0, -1)}${text.endsWith("a") ? "b" : "a"}`;
    expect(verifyWalletProof({ ...proof, [field]: changed }, signature, nowMs)).toBe(false);
  }
});
