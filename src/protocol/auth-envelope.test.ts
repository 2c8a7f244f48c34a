import { expect, test } from "bun:test";
import fc from "fast-check";
import { type AuthV2, encodeAuthHeader, MAX_AUTH_HEADER_CHARS, parseAuthHeader } from "./auth-envelope.ts";
import v1 from "./auth-v1.vectors.json";
import v2 from "./auth-v2.vectors.json";

const ENVELOPE_CODES = ["header_missing", "header_malformed", "version_unsupported"];

for (const { scheme, invalid } of [v1, v2]) {
  for (const { reason, code, header } of invalid) {
    if (!ENVELOPE_CODES.includes(code)) continue;
    test(`${scheme}: ${reason} is ${code}`, () => {
      const parsed = parseAuthHeader(header);
      expect(parsed.ok ? "accepted" : (parsed.error.code as string)).toBe(code);
    });
  }
}

test("no header at all is missing", () => {
  expect(parseAuthHeader(null)).toMatchObject({ ok: false, error: { code: "header_missing" } });
});

test("a message names the field and never the whole envelope", () => {
  const parsed = parseAuthHeader(encodeAuthHeader({ v: 2, pubkey: "zz" } as unknown as AuthV2));
  expect(parsed).toMatchObject({ ok: false, error: { message: expect.stringContaining("pubkey") } });
});

test("version 1 ignores fields it does not know, since they are not signed", () => {
  const envelope = JSON.parse(Buffer.from(v1.cases[0]!.header, "base64url").toString());
  const parsed = parseAuthHeader(encodeAuthHeader({ ...envelope, extra: true }));
  expect(parsed).toEqual({ ok: true, value: envelope });
});

test("bytes that are not UTF-8 are refused even where they would be ignored", () => {
  const json = JSON.stringify({ ...JSON.parse(Buffer.from(v1.cases[0]!.header, "base64url").toString()), x: "?" });
  const bytes = Buffer.from(json);
  bytes[json.lastIndexOf("?")] = 0xff;
  expect(parseAuthHeader(Buffer.from(json).toString("base64url")).ok).toBe(true);
  expect(parseAuthHeader(bytes.toString("base64url")).ok).toBe(false);
});

const hex = (digits: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: digits, maxLength: digits });
const nonce = fc.string({ minLength: 1, maxLength: 128 }).filter((text) => /^[\x21-\x7e]+$/.test(text));
const envelopes = fc.record({
  v: fc.constant(2 as const),
  pubkey: hex(64),
  created_at: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  nonce,
  aud: hex(64),
  sig: hex(128),
});

test("every envelope reads back as it was written, within the bound", () => {
  fc.assert(
    fc.property(envelopes, (envelope) => {
      const header = encodeAuthHeader(envelope as AuthV2);
      expect(header.length).toBeLessThanOrEqual(MAX_AUTH_HEADER_CHARS);
      expect(parseAuthHeader(header)).toEqual({ ok: true, value: envelope as AuthV2 });
    }),
  );
});

test("no header makes the parser throw", () => {
  const json = fc.json().map((text) => Buffer.from(text).toString("base64url"));
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 2000 }), json), (header) => {
      expect(parseAuthHeader(header).ok).toBe(false);
    }),
  );
});
