// Mach-O signature: macOS compares each page of a signed program with its hash and kills the program where one differs.
// Bun signs its arm64 executables ad hoc, but leaves the runtime's own signature in its x64 ones, whose pages no longer
// agree; this file finds that out, and signs ad hoc in its place. Structures: <mach-o/loader.h>, <kern/cs_blobs.h>.
import { createHash } from "node:crypto";

const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;
const SUPER_BLOB = 0xfade_0cc0;
const CODE_DIRECTORY = 0xfade_0c02;
const HEADER_BYTES = 32;
/** CodeDirectory version 0x20400: what the kernel needs, with the executable segment. */
const DIRECTORY_BYTES = 88;
const SUPER_BLOB_BYTES = 20;
const HASH_BYTES = 32;
const PAGE_BITS = 12;
const AD_HOC_LINKER_SIGNED = 0x2_0002;

type Segment = { at: number; fileOffset: number; fileBytes: number };
type Layout = { signatureAt: number; offset: number; bytes: number; text: Segment; linkEdit: Segment };

/** Where a signed 64-bit Mach-O file keeps what signing needs. Throws where it is something else. */
function layoutOf(file: Buffer): Layout {
  if (file.readUInt32LE(0) !== 0xfeed_facf) throw new Error("not a 64-bit Mach-O file");
  const segments = new Map<string, Segment>();
  let signatureAt = 0;
  let at = HEADER_BYTES;
  for (let left = file.readUInt32LE(16); left > 0; left--) {
    const command = file.readUInt32LE(at);
    if (command === LC_CODE_SIGNATURE) signatureAt = at;
    if (command === LC_SEGMENT_64) {
      const name = file.toString("latin1", at + 8, at + 24).replace(/\0.*$/s, "");
      const fileOffset = Number(file.readBigUInt64LE(at + 40));
      segments.set(name, { at, fileOffset, fileBytes: Number(file.readBigUInt64LE(at + 48)) });
    }
    at += file.readUInt32LE(at + 4);
  }
  const text = segments.get("__TEXT");
  const linkEdit = segments.get("__LINKEDIT");
  if (signatureAt === 0 || !text || !linkEdit) throw new Error("a Mach-O file without a place for a signature");
  const [offset, bytes] = [file.readUInt32LE(signatureAt + 8), file.readUInt32LE(signatureAt + 12)];
  return { signatureAt, offset, bytes, text, linkEdit };
}

/** How many pages do not agree with the signature, of how many; `covered` is false where it ends before itself. */
export function checkSignature(file: Buffer): { pages: number; wrong: number; covered: boolean } {
  const { offset } = layoutOf(file);
  if (file.readUInt32BE(offset) !== SUPER_BLOB) throw new Error("no signature where one is announced");
  const directory = directoryAt(file, offset);
  const [hashAt, pages, limit] = [16, 28, 32].map((field) => file.readUInt32BE(directory + field)) as [
    number,
    number,
    number,
  ];
  const pageBytes = 1 << file.readUInt8(directory + 39);
  let wrong = 0;
  for (let page = 0; page < pages; page++) {
    const hash = sha256(file.subarray(page * pageBytes, Math.min((page + 1) * pageBytes, limit)));
    const expected = directory + hashAt + page * HASH_BYTES;
    if (!hash.equals(file.subarray(expected, expected + HASH_BYTES))) wrong++;
  }
  return { pages, wrong, covered: limit === offset };
}

function directoryAt(file: Buffer, superBlob: number): number {
  for (let i = 0; i < file.readUInt32BE(superBlob + 8); i++) {
    const at = superBlob + file.readUInt32BE(superBlob + 16 + i * 8);
    if (file.readUInt32BE(at) === CODE_DIRECTORY) return at;
  }
  throw new Error("a signature without a code directory");
}

/** The same program with an ad-hoc signature in place of the one it has. Ad hoc names nobody: it only makes it run. */
export function signAdHoc(file: Buffer, identifier: string): Buffer {
  const { signatureAt, offset, text, linkEdit } = layoutOf(file);
  const pages = Math.ceil(offset / (1 << PAGE_BITS));
  const name = Buffer.from(`${identifier}\0`);
  const directoryBytes = DIRECTORY_BYTES + name.length + pages * HASH_BYTES;
  const bytes = Math.ceil((SUPER_BLOB_BYTES + directoryBytes) / 16) * 16;
  const signed = Buffer.concat([file.subarray(0, offset), Buffer.alloc(bytes)]);

  // The header is under the signature too, so it is changed first.
  signed.writeUInt32LE(bytes, signatureAt + 12);
  const linkEditBytes = offset + bytes - linkEdit.fileOffset;
  signed.writeBigUInt64LE(BigInt(linkEditBytes), linkEdit.at + 48);
  signed.writeBigUInt64LE(BigInt(Math.ceil(linkEditBytes / 0x4000) * 0x4000), linkEdit.at + 32);

  const blob = signed.subarray(offset);
  for (const [i, word] of [SUPER_BLOB, SUPER_BLOB_BYTES + directoryBytes, 1, 0, SUPER_BLOB_BYTES].entries())
    blob.writeUInt32BE(word, i * 4);
  const directory = blob.subarray(SUPER_BLOB_BYTES);
  const words = [CODE_DIRECTORY, directoryBytes, 0x2_0400, AD_HOC_LINKER_SIGNED, DIRECTORY_BYTES + name.length];
  for (const [i, word] of [...words, DIRECTORY_BYTES, 0, pages, offset].entries()) directory.writeUInt32BE(word, i * 4);
  // Hash size, SHA-256, no platform, page size; then no scatter, no team, no 64-bit limit.
  directory.set([HASH_BYTES, 2, 0, PAGE_BITS], 36);
  directory.writeBigUInt64BE(BigInt(text.fileOffset), 64);
  directory.writeBigUInt64BE(BigInt(text.fileBytes), 72);
  directory.writeBigUInt64BE(1n, 80);
  directory.set(name, DIRECTORY_BYTES);
  for (let page = 0; page < pages; page++) {
    const end = Math.min((page + 1) << PAGE_BITS, offset);
    directory.set(sha256(signed.subarray(page << PAGE_BITS, end)), DIRECTORY_BYTES + name.length + page * HASH_BYTES);
  }
  return signed;
}

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
