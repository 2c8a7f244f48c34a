import { expect, test } from "bun:test";
import { inspect } from "node:util";
import fc from "fast-check";
import {
  decodeJoinToken,
  encodeJoinToken,
  hashJoinSecret,
  hideJoinTokens,
  JoinSecret,
  MAX_JOIN_URL_BYTES,
  newJoinSecret,
} from "./join-token.ts";
import vectors from "./join-token.vectors.json";
import { pubkeySchema } from "./primitives.ts";

const coordinator = pubkeySchema.parse("f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9");
const secret = new JoinSecret("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
const url = "https://coordinator.example:46337";

function token(over: { url?: string } = {}): string {
  const encoded = encodeJoinToken({ url, coordinator, secret, ...over });
  if (!encoded.ok) throw new Error(encoded.error.message);
  return encoded.value;
}

for (const vector of vectors.cases) {
  test(`${vector.name}: writes and reads as the vector says`, () => {
    const fields = {
      url: vector.url,
      coordinator: pubkeySchema.parse(vector.coordinator),
      secret: new JoinSecret(vector.secret),
    };
    expect(encodeJoinToken(fields)).toEqual({ ok: true, value: vector.token });
    const decoded = decodeJoinToken(vector.token);
    if (!decoded.ok) throw new Error(decoded.error.message);
    expect(decoded.value.url).toBe(vector.url);
    expect(decoded.value.coordinator as string).toBe(vector.coordinator);
    expect(decoded.value.secret.reveal()).toBe(vector.secret);
    expect(hashJoinSecret(decoded.value.secret)).toBe(vector.secret_hash);
  });
}

for (const { reason, message, token: bad } of vectors.invalid) {
  test(`refused: ${reason}`, () => {
    const decoded = decodeJoinToken(bad);
    expect(decoded).toMatchObject({ ok: false, error: { code: "join_token_invalid" } });
    if (decoded.ok) return;
    expect(decoded.error.message).toContain(message);
    if (bad.length > 8) expect(decoded.error.message).not.toContain(bad.slice(8, 40));
  });
}

test("white space around a pasted token does no harm", () => {
  expect(decodeJoinToken(`  ${token()}\r\n`).ok).toBe(true);
});

test("a token is one line that fits into ready's join_token, whatever the address", () => {
  const long = `https://${"a".repeat(MAX_JOIN_URL_BYTES - 8)}`;
  expect(token({ url: long })).toMatch(/^infjoin_[A-Za-z0-9_-]+$/);
  expect(token({ url: long }).length).toBeLessThanOrEqual(512);
  expect(encodeJoinToken({ url: `${long}a`, coordinator, secret }).ok).toBe(false);
});

test("the address is kept in one spelling, with its path", () => {
  const decoded = decodeJoinToken(token({ url: "HTTPS://Coordinator.Example:443/infernet/" }));
  expect(decoded).toMatchObject({ ok: true, value: { url: "https://coordinator.example/infernet" } });
});

test("an address with a password, a query, a fragment or another scheme makes no token", () => {
  for (const bad of ["https://u:p@h", "https://h?x=1", "https://h#x", "ftp://h", "wss://h", "h:1", ""]) {
    expect(encodeJoinToken({ url: bad, coordinator, secret }).ok).toBe(false);
  }
});

test("any single changed, missing or added character is noticed", () => {
  const whole = token();
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  fc.assert(
    fc.property(fc.nat({ max: whole.length - 1 }), fc.constantFrom(...alphabet), (at, char) => {
      const rest = whole.slice(at + 1);
      if (whole[at] !== char) expect(decodeJoinToken(whole.slice(0, at) + char + rest).ok).toBe(false);
      expect(decodeJoinToken(whole.slice(0, at) + rest).ok).toBe(false);
      expect(decodeJoinToken(whole.slice(0, at) + char + whole.slice(at)).ok).toBe(false);
    }),
  );
});

test("no text makes the decoder throw", () => {
  fc.assert(fc.property(fc.string({ maxLength: 600 }), (text) => void decodeJoinToken(`infjoin_${text}`)));
});

test("a secret does not show itself when logged, printed or serialised", () => {
  const decoded = decodeJoinToken(token());
  for (const text of [JSON.stringify(decoded), inspect(decoded), `${secret}`, String(secret), Bun.inspect(decoded)]) {
    expect(text).not.toContain(secret.reveal());
  }
});

test("tokens quoted in a text are hidden", () => {
  expect(hideJoinTokens(`--join ${token()} --name x`)).toBe("--join infjoin_… --name x");
});

test("new secrets have 32 bytes of the given randomness, and their hash is not them", () => {
  const made = newJoinSecret((bytes) => new Uint8Array(bytes).fill(7));
  expect(made.reveal()).toBe("07".repeat(32));
  expect(hashJoinSecret(made)).toMatch(/^[0-9a-f]{64}$/);
  expect(hashJoinSecret(made)).not.toBe(hashJoinSecret(secret));
});
