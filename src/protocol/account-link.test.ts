import { expect, test } from "bun:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { fromHex, toHex } from "../lib/hex.ts";
import {
  accountLinkMessage,
  decodeLinkCode,
  encodeLinkCode,
  type LinkChallenge,
  signAccountLink,
  verifyAccountLink,
} from "./account-link.ts";
import vectors from "./account-link.vectors.json";
import { pubkeySchema } from "./primitives.ts";
import { pubkeyOf, signText } from "./schnorr.ts";

type Fields = { coordinator: string; account: string; nonce: string; expires: number };
const challengeOf = ({ coordinator, account, nonce, expires }: Fields): LinkChallenge => ({
  coordinator: pubkeySchema.parse(coordinator),
  account,
  nonce,
  expires,
});

for (const vector of vectors.cases) {
  test(`${vector.name}: code, message and signature are the vector's`, () => {
    const challenge = challengeOf(vector);
    const node = pubkeyOf(fromHex(vector.node_secret));
    expect(node as string).toBe(vector.node);
    expect(encodeLinkCode(challenge)).toBe(vector.code);
    expect(decodeLinkCode(` ${vector.code}\n`)).toEqual({ ok: true, value: challenge });
    expect(accountLinkMessage(node, challenge)).toBe(vector.message);
    expect(toHex(sha256(utf8ToBytes(vector.message)))).toBe(vector.digest);
    expect(signAccountLink(fromHex(vector.node_secret), node, challenge, fromHex(vector.aux_rand))).toBe(vector.sig);
    expect(verifyAccountLink(vector.sig, node, challenge)).toBe(true);
  });

  test(`${vector.name}: without its label the signature is worth nothing`, () => {
    const node = pubkeySchema.parse(vector.node);
    const other = vector.message.replace("infernet-account-link-v1", "infernet-link-v1");
    const sig = signText(fromHex(vector.node_secret), other, fromHex(vector.aux_rand));
    expect(verifyAccountLink(sig, node, challengeOf(vector))).toBe(false);
  });
}

for (const { reason, sig, node, ...fields } of vectors.invalid) {
  test(`refused: ${reason}`, () => {
    expect(verifyAccountLink(sig, pubkeySchema.parse(node), challengeOf(fields))).toBe(false);
  });
}

for (const { reason, code } of vectors.invalid_codes) {
  test(`no code: ${reason}`, () => {
    expect(decodeLinkCode(code)).toEqual({ ok: false, error: "link_code_invalid" });
  });
}
