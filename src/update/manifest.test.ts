// The manifest's signature: what is good, and every way in which it is not.
import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { encodeRelease, publicKeyHex, type Release, readRelease, releaseKey, signRelease } from "./manifest.ts";
import vectors from "./manifest.vectors.json";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const { privateKey } = generateKeyPairSync("ed25519");
const RELEASE: Release = {
  format: 1,
  product: "infernet",
  version: "1.2.3",
  commit: null,
  date: "2026-01-02T03:04:05Z",
  targets: { "linux-x64": { file: "infernet-linux-x64", bytes: 1, sha256: "ab".repeat(32), engine: true } },
};

describe("vectors", () => {
  for (const { reason, public_key, manifest, signature } of vectors.valid) {
    test(`good: ${reason}`, () => {
      const read = readRelease(bytesOf(manifest), signature, [public_key]);
      expect(read).toMatchObject({ ok: true, value: { version: JSON.parse(manifest).version } });
    });
  }
  for (const { reason, code, public_key, manifest, signature } of vectors.invalid) {
    test(`refused: ${reason}`, () => {
      expect(readRelease(bytesOf(manifest), signature, [public_key])).toMatchObject({ ok: false, error: { code } });
    });
  }
});

test("what is signed here reads as it was", () => {
  const bytes = encodeRelease(RELEASE);
  expect(readRelease(bytes, signRelease(bytes, privateKey), [publicKeyHex(privateKey)])).toEqual({
    ok: true,
    value: RELEASE,
  });
});

test("any of several keys may have signed", () => {
  const bytes = encodeRelease(RELEASE);
  const other = publicKeyHex(generateKeyPairSync("ed25519").publicKey);
  const signature = signRelease(bytes, privateKey);
  expect(readRelease(bytes, signature, [other, publicKeyHex(privateKey)]).ok).toBe(true);
  expect(readRelease(bytes, signature, [other])).toMatchObject({ ok: false, error: { code: "signature_wrong" } });
});

test("without a key nothing is believed, and the hint names the setting", () => {
  const bytes = encodeRelease(RELEASE);
  const read = readRelease(bytes, signRelease(bytes, privateKey), []);
  expect(read).toMatchObject({ ok: false, error: { code: "no_key", hint: expect.stringContaining("public_key") } });
});

test("no bit of manifest or signature can be changed", () => {
  const bytes = encodeRelease(RELEASE);
  const signature = signRelease(bytes, privateKey).trim();
  const keys = [publicKeyHex(privateKey)];
  fc.assert(
    fc.property(fc.nat(bytes.length + signature.length / 2 - 1), fc.nat(7), (at, bit) => {
      const changed = Buffer.concat([bytes, Buffer.from(signature, "hex")]);
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << bit), at);
      const read = readRelease(changed.subarray(0, bytes.length), changed.subarray(bytes.length).toString("hex"), keys);
      expect(read).toMatchObject({ ok: false, error: { code: "signature_wrong" } });
    }),
    { numRuns: 300 },
  );
});

test("a release that could not be read is not written", () => {
  expect(() => encodeRelease({ ...RELEASE, version: "latest" })).toThrow();
});

test("a key of another kind is no release key", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  expect(() => releaseKey(rsa.export({ type: "pkcs8", format: "pem" }) as string)).toThrow(/no ed25519 key/);
});
