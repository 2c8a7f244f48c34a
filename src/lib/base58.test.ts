import { expect, test } from "bun:test";
import fc from "fast-check";
import { fromBase58, toBase58 } from "./base58.ts";
import { fromHex, toHex } from "./hex.ts";

// Of draft-msporny-base58-03 §5 and Bitcoin Core's base58_encode_decode.json.
const VECTORS = [
  ["", ""],
  ["61", "2g"],
  ["626262", "a3gV"],
  ["73696d706c792061206c6f6e6720737472696e67", "2cFupjhnEsSn59qHXstmK2ffpLv2"],
  ["00eb15231dfceb60925886b67d065299925915aeb172c06647", "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L"],
  ["516b6fcd0f", "ABnLTmg"],
  ["572e4794", "3EFU7m"],
  ["00000000000000000000", "1111111111"],
  ["0000287fb4cd", "11233QC4"],
] as const;

test.each(VECTORS)("%s is %s", (hex, text) => {
  expect(toBase58(fromHex(hex))).toBe(text);
  expect(toHex(fromBase58(text) ?? new Uint8Array([255]))).toBe(hex);
});

test("what is written is read back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(fromBase58(toBase58(bytes))).toEqual(bytes);
    }),
  );
});

test.each(["0", "O", "I", "l", " 2g", "2g\n", "2g=", "é", "1".repeat(129)])("%j is not base58", (text) => {
  expect(fromBase58(text)).toBeNull();
});
