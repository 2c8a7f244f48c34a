// Headers of executables: the real one that runs this test, and the first bytes of others.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { executableTarget, targetOfFile } from "./executable-header.ts";

/** `size` zeros with bytes written at offsets. */
function head(size: number, parts: [at: number, bytes: string][]): Uint8Array {
  const bytes = Buffer.alloc(size);
  for (const [at, hex] of parts) bytes.write(hex, at, "hex");
  return bytes;
}
const ELF = "7f454c46020101";
const PE_AT_80: [number, string][] = [
  [0, "4d5a"],
  [0x3c, "80000000"],
  [0x80, "50450000"],
];

test("the runtime of this test is made for this machine", () => {
  const os = process.platform === "win32" ? "windows" : process.platform;
  expect(targetOfFile(process.execPath)).toBe(`${os}-${process.arch}`);
});

test.each([
  [
    "linux-x64",
    head(64, [
      [0, ELF],
      [18, "3e00"],
    ]),
  ],
  [
    "linux-arm64",
    head(64, [
      [0, ELF],
      [18, "b700"],
    ]),
  ],
  ["darwin-arm64", head(64, [[0, "cffaedfe0c000001"]])],
  ["darwin-x64", head(64, [[0, "cffaedfe07000001"]])],
  ["windows-x64", head(256, [...PE_AT_80, [0x84, "6486"], [0x98, "0b02"]])],
  ["windows-arm64", head(256, [...PE_AT_80, [0x84, "64aa"], [0x98, "0b02"]])],
] as [string, Uint8Array][])("%s is told by its first bytes", (target, bytes) => {
  expect(executableTarget(bytes)).toBe(target);
});

test.each([
  ["nothing", new Uint8Array()],
  ["a script", Buffer.from(`#!/bin/sh\n${" ".repeat(100)}`)],
  [
    "an ELF file of 32 bits",
    head(64, [
      [0, "7f454c46010101"],
      [18, "0300"],
    ]),
  ],
  [
    "an ELF file of another processor",
    head(64, [
      [0, ELF],
      [18, "f300"],
    ]),
  ],
  ["an ELF file cut short", head(16, [[0, ELF]])],
  ["a Mach-O file of several processors", head(64, [[0, "cafebabe"]])],
  ["a PE file without a 64-bit header", head(256, [...PE_AT_80, [0x84, "6486"], [0x98, "0b01"]])],
  ["a PE file of 32 bits", head(256, [...PE_AT_80, [0x84, "4c01"], [0x98, "0b01"]])],
  [
    "a PE file whose header lies behind its end",
    head(256, [
      [0, "4d5a"],
      [0x3c, "ffffff7f"],
    ]),
  ],
] as [string, Uint8Array][])("%s is none", (_, bytes) => {
  expect(executableTarget(bytes)).toBeNull();
});

test("no bytes make it fail", () => {
  const magics = fc.constantFrom(ELF, "cffaedfe", "4d5a", "");
  fc.assert(
    fc.property(magics, fc.uint8Array({ maxLength: 300 }), (magic, rest) => {
      const target = executableTarget(Buffer.concat([Buffer.from(magic, "hex"), rest]));
      expect(target === null || /^(linux|darwin|windows)-(x64|arm64)$/.test(target)).toBe(true);
    }),
  );
});
