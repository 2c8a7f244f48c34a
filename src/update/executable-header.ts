// Executable header: which system and processor a file is made for, by its first bytes.
import { closeSync, openSync, readSync } from "node:fs";

/** So many bytes are enough. */
const HEADER_BYTES = 4096;

const ELF_MACHINES: Record<number, string> = { 62: "x64", 183: "arm64" };
const MACH_O_CPUS: Record<number, string> = { 16777223: "x64", 16777228: "arm64" };
const PE_MACHINES: Record<number, string> = { 34404: "x64", 43620: "arm64" };

/**
 * "linux-x64", "darwin-arm64", "windows-x64", …; null for anything that is no 64-bit executable of these systems and
 * processors. ELF (gABI, e_machine at 18), Mach-O 64 (cputype at 4), PE32+ (Microsoft PE format, machine after "PE\0\0").
 */
export function executableTarget(head: Uint8Array): string | null {
  if (head.byteLength < 64) return null;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const magic = view.getUint32(0, false);
  // 64-bit (2), little-endian (1)
  if (magic === 0x7f45_4c46 && head[4] === 2 && head[5] === 1)
    return named("linux", ELF_MACHINES[view.getUint16(18, true)]);
  if (magic === 0xcffa_edfe) return named("darwin", MACH_O_CPUS[view.getUint32(4, true)]);
  if (magic >>> 16 === 0x4d5a) return peTarget(view);
  return null;
}

/** The same of the file at `path`. */
export function targetOfFile(path: string): string | null {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(HEADER_BYTES);
    return executableTarget(head.subarray(0, readSync(fd, head, 0, HEADER_BYTES, 0)));
  } finally {
    closeSync(fd);
  }
}

function peTarget(view: DataView): string | null {
  const at = view.getUint32(0x3c, true);
  if (at > view.byteLength - 26 || view.getUint32(at, false) !== 0x5045_0000) return null;
  const plus = view.getUint16(at + 24, true) === 0x020b;
  return plus ? named("windows", PE_MACHINES[view.getUint16(at + 4, true)]) : null;
}

const named = (os: string, arch: string | undefined): string | null => (arch === undefined ? null : `${os}-${arch}`);
