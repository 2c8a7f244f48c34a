// Signing a Mach-O file: a small one made here, so that the test runs on every system.
import { describe, expect, test } from "bun:test";
import { checkSignature, signAdHoc } from "./macho-signature.ts";

const SEGMENT_BYTES = 72;
const CONTENT_BYTES = 3 * 4096 + 100;
const COMMANDS_AT = 32;
const SIGNATURE_COMMAND_AT = COMMANDS_AT + 2 * SEGMENT_BYTES;

/** A header, __TEXT with content, __LINKEDIT that ends in a place for a signature, as linkers leave it. */
function program(): Buffer {
  const file = Buffer.alloc(CONTENT_BYTES + 12 + 64, 0x5a);
  file.fill(0, 0, 256);
  const offset = CONTENT_BYTES + 12;
  for (const [i, word] of [0xfeed_facf, 0x0100_0007, 3, 2, 3, 2 * SEGMENT_BYTES + 16].entries())
    file.writeUInt32LE(word, i * 4);
  const segment = (at: number, name: string, from: number, bytes: number) => {
    file.writeUInt32LE(0x19, at);
    file.writeUInt32LE(SEGMENT_BYTES, at + 4);
    file.write(name, at + 8, "latin1");
    file.writeBigUInt64LE(BigInt(from), at + 40);
    file.writeBigUInt64LE(BigInt(bytes), at + 48);
  };
  segment(COMMANDS_AT, "__TEXT", 0, 8192);
  segment(COMMANDS_AT + SEGMENT_BYTES, "__LINKEDIT", 8192, file.length - 8192);
  for (const [i, word] of [0x1d, 16, offset, 64].entries()) file.writeUInt32LE(word, SIGNATURE_COMMAND_AT + i * 4);
  return file;
}

describe("an ad-hoc signature", () => {
  test("agrees with every page, the header among them", () => {
    const signed = signAdHoc(program(), "infernet");
    expect(checkSignature(signed)).toEqual({ pages: 4, wrong: 0, covered: true });
  });

  test("is the file's end, and the file says so", () => {
    const signed = signAdHoc(program(), "infernet");
    const [offset, bytes] = [8, 12].map((at) => signed.readUInt32LE(SIGNATURE_COMMAND_AT + at)) as [number, number];
    expect(offset + bytes).toBe(signed.length);
    expect(offset % 16).toBe(0);
    const linkEdit = COMMANDS_AT + SEGMENT_BYTES;
    expect(Number(signed.readBigUInt64LE(linkEdit + 48))).toBe(signed.length - 8192);
    expect(signed.subarray(256, offset).equals(program().subarray(256, offset))).toBe(true);
  });

  test("finds a page that was changed after it", () => {
    const signed = signAdHoc(program(), "infernet");
    for (const at of [28, 5000, CONTENT_BYTES]) {
      const changed = Buffer.from(signed);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(checkSignature(changed).wrong).toBe(1);
    }
  });

  test("takes the place of another one, of whatever size", () => {
    const once = signAdHoc(program(), "a-longer-name-than-the-next");
    const twice = signAdHoc(once, "infernet");
    expect(twice.equals(signAdHoc(program(), "infernet"))).toBe(true);
  });
});

test("what is no Mach-O file, or has no place for a signature, is refused", () => {
  expect(() => signAdHoc(Buffer.alloc(64), "x")).toThrow("not a 64-bit Mach-O file");
  const without = program();
  without.writeUInt32LE(0, SIGNATURE_COMMAND_AT);
  expect(() => signAdHoc(without, "x")).toThrow("without a place for a signature");
});
