// GGUF header: the few facts about a model file that a listing needs, read without the engine. GGUF v2 and v3:
// magic, version, counts, then key-value pairs (github.com/ggml-org/ggml, docs/gguf.md).
import { open } from "node:fs/promises";

/** The chat template stands behind the tokenizer's long lists: of the largest vocabularies some 10 MB. */
const MAX_HEADER_BYTES = 32 * 1024 * 1024;
/** No template is longer. */
const MAX_TEXT_BYTES = 1024 * 1024;
const MAX_KEYS = 65_536;

export type GgufHeader = {
  architecture: string;
  /** Tokens the model was trained for; null where the file does not say. */
  contextLength: number | null;
  /** e.g. "Q4_K_M"; null where unknown. */
  quantization: string | null;
  /** Jinja; null where the file has none. */
  chatTemplate: string | null;
  /** Made for vectors: its tokens look both ways, or it says how to pool them. */
  embedsOnly: boolean;
};

/** Architectures whose tokens look both ways, so that they cannot go on with a text. */
const ENCODERS = /bert|^t5encoder$|^gemma-embedding$/;

/** `general.file_type` (enum llama_ftype). */
const FILE_TYPES: Record<number, string> = {
  0: "F32",
  1: "F16",
  2: "Q4_0",
  3: "Q4_1",
  7: "Q8_0",
  8: "Q5_0",
  9: "Q5_1",
  10: "Q2_K",
  11: "Q3_K_S",
  12: "Q3_K_M",
  13: "Q3_K_L",
  14: "Q4_K_S",
  15: "Q4_K_M",
  16: "Q5_K_S",
  17: "Q5_K_M",
  18: "Q6_K",
  19: "IQ2_XXS",
  20: "IQ2_XS",
  21: "Q2_K_S",
  22: "IQ3_XS",
  23: "IQ3_XXS",
  24: "IQ1_S",
  25: "IQ4_NL",
  26: "IQ3_S",
  27: "IQ3_M",
  28: "IQ2_S",
  29: "IQ2_M",
  30: "IQ4_XS",
  31: "IQ1_M",
  32: "BF16",
};

/** Throws with a readable message where the file is missing or is no GGUF. */
export async function readGgufHeader(file: string): Promise<GgufHeader> {
  const handle = await open(file, "r");
  try {
    const length = Math.min((await handle.stat()).size, MAX_HEADER_BYTES);
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, 0);
    return parseGgufHeader(buffer.subarray(0, bytesRead), file);
  } finally {
    await handle.close();
  }
}

/** Reads the header from the file's first bytes; what lies beyond them is taken as not said. */
export function parseGgufHeader(bytes: Uint8Array, file: string): GgufHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = bytes.length >= 24 && view.getUint32(0, true) === 0x46554747;
  const version = magic ? view.getUint32(4, true) : 0;
  if (version !== 2 && version !== 3) throw new Error(`${file} is not a GGUF model (version 2 or 3)`);
  const found = new Map<string, unknown>();
  const count = Math.min(Number(view.getBigUint64(16, true)), MAX_KEYS);
  try {
    const reader = new Reader(view, 24);
    for (let i = 0; i < count; i++) {
      const key = reader.text();
      found.set(key, reader.value(reader.u32()));
    }
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    // The end of what was read: the rest is not said.
  }
  const architecture = found.get("general.architecture");
  if (typeof architecture !== "string") throw new Error(`${file}: the GGUF header names no architecture`);
  const context = found.get(`${architecture}.context_length`);
  const type = found.get("general.file_type");
  const template = found.get("tokenizer.chat_template");
  const pooling = found.get(`${architecture}.pooling_type`);
  return {
    architecture,
    contextLength: typeof context === "number" && context > 0 ? context : null,
    quantization: typeof type === "number" ? (FILE_TYPES[type] ?? null) : null,
    chatTemplate: typeof template === "string" ? template : null,
    embedsOnly: ENCODERS.test(architecture) || (typeof pooling === "number" && pooling > 0),
  };
}

/** Sizes of GGUF's fixed-width types (u8, i8, u16, i16, u32, i32, f32, bool, -, -, u64, i64, f64). */
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const STRING = 8;
const ARRAY = 9;

/** Reads one after another; RangeError at the end of the bytes. */
class Reader {
  private readonly view: DataView;
  private at: number;

  constructor(view: DataView, at: number) {
    this.view = view;
    this.at = at;
  }

  u32(): number {
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }

  text(): string {
    const length = this.length();
    if (length > MAX_TEXT_BYTES || this.at + length > this.view.byteLength) throw new RangeError("end of header");
    const bytes = new Uint8Array(this.view.buffer, this.view.byteOffset + this.at, length);
    this.at += length;
    return new TextDecoder().decode(bytes);
  }

  skipText(): void {
    const length = this.length();
    this.at += length;
    if (this.at > this.view.byteLength) throw new RangeError("end of header");
  }

  /** Numbers and text as they are; lists are passed over and give null. */
  value(type: number): unknown {
    if (type === STRING) return this.text();
    if (type === ARRAY) return this.skipList();
    const size = SIZES[type] ?? 0;
    if (size === 0) throw new RangeError(`GGUF type ${type}`);
    this.at += size;
    const at = this.at - size;
    if (type === 4) return this.view.getUint32(at, true);
    if (type === 5) return this.view.getInt32(at, true);
    if (type === 10) return Number(this.view.getBigUint64(at, true));
    if (this.at > this.view.byteLength) throw new RangeError("end of header");
    return null;
  }

  private length(): number {
    this.at += 8;
    return Number(this.view.getBigUint64(this.at - 8, true));
  }

  private skipList(): null {
    const type = this.u32();
    const count = this.length();
    const size = SIZES[type] ?? 0;
    if (size > 0) this.at += size * count;
    else if (type === STRING) for (let i = 0; i < count; i++) this.skipText();
    else throw new RangeError(`GGUF list of type ${type}`);
    return null;
  }
}
