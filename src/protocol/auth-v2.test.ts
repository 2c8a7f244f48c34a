import { expect, test } from "bun:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { fromHex, toHex } from "../lib/hex.ts";
import { parseAuthHeader } from "./auth-envelope.ts";
import { canonicalV2, signV2, verifyV2 } from "./auth-v2.ts";
import vectors from "./auth-v2.vectors.json";
import { type Pubkey, pubkeySchema } from "./primitives.ts";
import { pubkeyOf } from "./schnorr.ts";

const bodySha256 = (body: string) => toHex(sha256(utf8ToBytes(body)));

for (const vector of vectors.cases) {
  const { method, path, nonce } = vector;
  const request = {
    method,
    path,
    nonce,
    createdAtS: vector.created_at,
    bodySha256: bodySha256(vector.body),
    aud: pubkeySchema.parse(vector.aud),
  };

  test(`${vector.name}: canonical text, digest, signature and header are the vector's`, () => {
    expect(request.bodySha256).toBe(vector.body_sha256);
    expect(canonicalV2(request)).toBe(vector.canonical);
    expect(bodySha256(vector.canonical)).toBe(vector.digest);
    expect(pubkeyOf(fromHex(vector.secret_key)) as string).toBe(vector.pubkey);
    expect(signV2(fromHex(vector.secret_key), request, fromHex(vector.aux_rand))).toBe(vector.header);
  });

  test(`${vector.name}: the vector's header verifies`, () => {
    const parsed = parseAuthHeader(vector.header);
    if (!parsed.ok || parsed.value.v !== 2) throw new Error("not a version 2 envelope");
    expect(parsed.value.sig).toBe(vector.sig);
    expect(verifyV2(parsed.value, request)).toBe(true);
    expect(verifyV2({ ...parsed.value, pubkey: "0".repeat(64) as Pubkey }, request)).toBe(false);
  });

  test(`${vector.name}: a signature with fresh randomness verifies too, and differs`, () => {
    const header = signV2(fromHex(vector.secret_key), request);
    expect(header).not.toBe(vector.header);
    const parsed = parseAuthHeader(header);
    if (!parsed.ok || parsed.value.v !== 2) throw new Error("not a version 2 envelope");
    expect(verifyV2(parsed.value, request)).toBe(true);
  });
}

for (const { reason, code, header, method, path, body } of vectors.invalid) {
  if (code !== "bad_signature") continue;
  test(`${reason} is a bad signature`, () => {
    const parsed = parseAuthHeader(header);
    if (!parsed.ok) throw new Error(parsed.error.message);
    expect(parsed.value.v === 2 && verifyV2(parsed.value, { method, path, bodySha256: bodySha256(body) })).toBe(false);
  });
}
