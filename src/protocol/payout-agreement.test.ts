import { expect, test } from "bun:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { fromHex, toHex } from "../lib/hex.ts";
import { agreementMessage, type PayoutAgreement, signAgreement, verifyAgreement } from "./payout-agreement.ts";
import vectors from "./payout-agreement.vectors.json";
import { pubkeySchema } from "./primitives.ts";
import { pubkeyOf } from "./schnorr.ts";

type Fields = Omit<(typeof vectors.invalid)[number], "reason" | "sig">;
const agreement = (fields: Fields): PayoutAgreement => ({
  coordinator: pubkeySchema.parse(fields.coordinator),
  node: pubkeySchema.parse(fields.node),
  payoutId: fields.payout_id,
  root: fields.root,
  wallet: fields.wallet,
  nodeAmount: BigInt(fields.node_amount),
});

for (const vector of vectors.cases) {
  test(`${vector.name}: message and signature are the vector's, and verify`, () => {
    const agreed = agreement(vector);
    expect(pubkeyOf(fromHex(vector.node_secret))).toBe(agreed.node);
    expect(agreementMessage(agreed)).toBe(vector.message);
    expect(toHex(sha256(utf8ToBytes(vector.message)))).toBe(vector.digest);
    expect(signAgreement(fromHex(vector.node_secret), agreed, fromHex(vector.aux_rand))).toBe(vector.sig);
    expect(verifyAgreement(vector.sig, agreed)).toBe(true);
  });
}

for (const { reason, sig, ...fields } of vectors.invalid) {
  test(`no agreement: ${reason}`, () => {
    expect(verifyAgreement(sig, agreement(fields))).toBe(false);
  });
}
