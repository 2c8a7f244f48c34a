import { expect, test } from "bun:test";
import { address } from "@solana/web3.js";
import fc from "fast-check";
import { addressBytes, addressOf, addressSchema, parseAddress } from "./address.ts";

test("32 bytes are an address, as the chain's client writes it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const text = addressOf(bytes);
      expect(address(text)).toBe(text);
      expect(parseAddress(text)).toEqual({ ok: true, value: text });
      expect(addressBytes(text)).toEqual(bytes);
    }),
  );
});

test.each([
  "",
  "not an address",
  "So1111111111111111111111111111111111111111",
  "So111111111111111111111111111111111111111122",
  "0x52908400098527886E0F7030069857D2E4169EE7",
  "1".repeat(31),
  "1".repeat(33),
  "z".repeat(44),
])("%j is none", (text) => {
  expect(parseAddress(text)).toEqual({ ok: false, error: "not_an_address" });
  expect(addressSchema.safeParse(text).success).toBe(false);
});
