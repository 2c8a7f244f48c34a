// GGUF writer: makes model files of the llama architecture (GGUF v3, SentencePiece tokenizer). For tests, and the pair
// of training/gguf.mjs, which made the demo model.

export type TensorType = "F32" | "F16";
export type Tensor = { name: string; dims: number[]; type: TensorType; data: Float32Array };
export type Value =
  | { type: "u32" | "i32" | "f32"; value: number }
  | { type: "bool"; value: boolean }
  | { type: "str"; value: string }
  | { type: "strs"; value: string[] }
  | { type: "f32s" | "i32s"; value: number[] };

const VALUE_TYPES = { u32: 4, i32: 5, f32: 6, bool: 7, str: 8 } as const;
const LIST_TYPE = 9;
const TENSOR_TYPES: Record<TensorType, number> = { F32: 0, F16: 1 };
const ALIGNMENT = 32;

export type Shape = { dim: number; layers: number; heads: number; feedForward: number; contextLength: number };
export type Vocabulary = { tokens: string[]; types: number[]; scores: number[] };

/** Special tokens, all 256 bytes, then `pieces`; so any text can be written. */
export function byteVocabulary(pieces: string[]): Vocabulary {
  const tokens = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"];
  const types = [2, 3, 3, 3, 3];
  for (let byte = 0; byte < 256; byte++) {
    tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    types.push(6);
  }
  const scores = tokens.map(() => 0);
  for (const [i, piece] of pieces.entries()) {
    tokens.push(piece.replaceAll(" ", "\u2581"));
    types.push(1);
    scores.push(-i - 1);
  }
  return { tokens, types, scores };
}

/** Metadata of a llama model; `template` null leaves the chat template out. */
export function llamaMetadata(
  name: string,
  shape: Shape,
  vocabulary: Vocabulary,
  template: string | null,
): [string, Value][] {
  const u32 = (value: number): Value => ({ type: "u32", value });
  const f32 = (value: number): Value => ({ type: "f32", value });
  const str = (value: string): Value => ({ type: "str", value });
  const bool = (value: boolean): Value => ({ type: "bool", value });
  const all: [string, Value][] = [
    ["general.architecture", str("llama")],
    ["general.name", str(name)],
    ["general.alignment", u32(ALIGNMENT)],
    ["general.file_type", u32(1)],
    ["llama.vocab_size", u32(vocabulary.tokens.length)],
    ["llama.context_length", u32(shape.contextLength)],
    ["llama.embedding_length", u32(shape.dim)],
    ["llama.block_count", u32(shape.layers)],
    ["llama.feed_forward_length", u32(shape.feedForward)],
    ["llama.attention.head_count", u32(shape.heads)],
    ["llama.attention.head_count_kv", u32(shape.heads)],
    ["llama.attention.layer_norm_rms_epsilon", f32(1e-5)],
    ["llama.rope.dimension_count", u32(shape.dim / shape.heads)],
    ["llama.rope.freq_base", f32(10000)],
    ["tokenizer.ggml.model", str("llama")],
    ["tokenizer.ggml.pre", str("default")],
    ["tokenizer.ggml.tokens", { type: "strs", value: vocabulary.tokens }],
    ["tokenizer.ggml.scores", { type: "f32s", value: vocabulary.scores }],
    ["tokenizer.ggml.token_type", { type: "i32s", value: vocabulary.types }],
    ["tokenizer.ggml.unknown_token_id", u32(0)],
    ["tokenizer.ggml.bos_token_id", u32(1)],
    ["tokenizer.ggml.eos_token_id", u32(4)],
    ["tokenizer.ggml.add_bos_token", bool(true)],
    ["tokenizer.ggml.add_eos_token", bool(false)],
    ["tokenizer.ggml.add_space_prefix", bool(false)],
  ];
  if (template !== null) all.push(["tokenizer.chat_template", str(template)]);
  return all;
}

/** Names and dimensions (fastest first) of all tensors; the output layer is tied to the embedding. */
export function llamaTensors({ dim, layers, feedForward }: Shape, tokens: number): { name: string; dims: number[] }[] {
  const tensors = [{ name: "token_embd.weight", dims: [dim, tokens] }];
  for (let i = 0; i < layers; i++) {
    const add = (name: string, dims: number[]) => tensors.push({ name: `blk.${i}.${name}.weight`, dims });
    add("attn_norm", [dim]);
    for (const name of ["attn_q", "attn_k", "attn_v", "attn_output"]) add(name, [dim, dim]);
    add("ffn_norm", [dim]);
    add("ffn_gate", [dim, feedForward]);
    add("ffn_up", [dim, feedForward]);
    add("ffn_down", [feedForward, dim]);
  }
  tensors.push({ name: "output_norm.weight", dims: [dim] });
  return tensors;
}

/** The whole file. */
export function writeGguf(metadata: [string, Value][], tensors: Tensor[]): Uint8Array {
  const out = new Bytes();
  out.raw(Buffer.from("GGUF"));
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.length);
  for (const [key, value] of metadata) {
    out.text(key);
    out.value(value);
  }
  const data = tensors.map(encode);
  let offset = 0;
  for (const [i, tensor] of tensors.entries()) {
    out.text(tensor.name);
    out.u32(tensor.dims.length);
    for (const dim of tensor.dims) out.u64(dim);
    out.u32(TENSOR_TYPES[tensor.type]);
    out.u64(offset);
    offset += Math.ceil((data[i]?.length ?? 0) / ALIGNMENT) * ALIGNMENT;
  }
  out.pad();
  for (const bytes of data) {
    out.raw(bytes);
    out.pad();
  }
  return out.all();
}

class Bytes {
  private readonly parts: Uint8Array[] = [];
  private length = 0;

  raw(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.length += bytes.length;
  }
  u32(value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    this.raw(bytes);
  }
  i32(value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    this.raw(bytes);
  }
  f32(value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    this.raw(bytes);
  }
  u64(value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    this.raw(bytes);
  }
  text(text: string): void {
    const bytes = Buffer.from(text, "utf8");
    this.u64(bytes.length);
    this.raw(bytes);
  }
  value({ type, value }: Value): void {
    if (type === "strs") this.list("str", value, (item) => this.text(item));
    else if (type === "f32s") this.list("f32", value, (item) => this.f32(item));
    else if (type === "i32s") this.list("i32", value, (item) => this.i32(item));
    else {
      this.u32(VALUE_TYPES[type]);
      if (type === "str") this.text(value);
      else if (type === "bool") this.raw(Uint8Array.of(value ? 1 : 0));
      else if (type === "f32") this.f32(value);
      else if (type === "u32" || type === "i32") this.u32(value);
    }
  }
  private list<T>(type: keyof typeof VALUE_TYPES, items: T[], write: (item: T) => void): void {
    this.u32(LIST_TYPE);
    this.u32(VALUE_TYPES[type]);
    this.u64(items.length);
    for (const item of items) write(item);
  }
  pad(): void {
    const missing = (ALIGNMENT - (this.length % ALIGNMENT)) % ALIGNMENT;
    if (missing > 0) this.raw(new Uint8Array(missing));
  }
  all(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}

function encode({ type, data }: Tensor): Uint8Array {
  const floats = type === "F32" ? data : new Float16Array(data);
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
}
