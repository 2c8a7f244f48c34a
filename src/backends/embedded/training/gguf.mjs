// Minimal GGUF v3 writer (llama architecture, SPM tokenizer). No dependencies.
import { writeFileSync } from "node:fs";
const T = { u32: 4, i32: 5, f32: 6, bool: 7, str: 8, arr: 9 };
export const GGML = { F32: 0, F16: 1, Q8_0: 8 };
class W {
  parts = [];
  len = 0;
  raw(b) {
    this.parts.push(b);
    this.len += b.length;
  }
  u32(v) {
    const b = Buffer.alloc(4);
    b.writeUInt32LE(v);
    this.raw(b);
  }
  i32(v) {
    const b = Buffer.alloc(4);
    b.writeInt32LE(v);
    this.raw(b);
  }
  f32(v) {
    const b = Buffer.alloc(4);
    b.writeFloatLE(v);
    this.raw(b);
  }
  u64(v) {
    const b = Buffer.alloc(8);
    b.writeBigUInt64LE(BigInt(v));
    this.raw(b);
  }
  str(s) {
    const b = Buffer.from(s, "utf8");
    this.u64(b.length);
    this.raw(b);
  }
  val(t, v) {
    if (t === "u32") this.u32(v);
    else if (t === "i32") this.i32(v);
    else if (t === "f32") this.f32(v);
    else if (t === "bool") this.raw(Buffer.from([v ? 1 : 0]));
    else if (t === "str") this.str(v);
    else throw t;
  }
  pad(a) {
    const p = (a - (this.len % a)) % a;
    if (p) this.raw(Buffer.alloc(p));
  }
}
export function f32to16(v) {
  const f = new Float32Array([v]),
    x = new Uint32Array(f.buffer)[0];
  const s = (x >>> 16) & 0x8000;
  let e = ((x >>> 23) & 0xff) - 112,
    m = x & 0x7fffff;
  if (e <= 0) {
    if (e < -10) return s;
    m |= 0x800000;
    const sh = 14 - e;
    return s | ((m + (1 << (sh - 1))) >>> sh);
  }
  if (e >= 31) return s | 0x7c00;
  m += 0x1000;
  if (m & 0x800000) {
    m = 0;
    e++;
  }
  return s | (e << 10) | (m >>> 13);
}
export function encode(type, d) {
  // d: Float32Array
  if (type === GGML.F32) return Buffer.from(d.buffer, d.byteOffset, d.byteLength);
  if (type === GGML.F16) {
    const o = new Uint16Array(d.length);
    for (let i = 0; i < d.length; i++) o[i] = f32to16(d[i]);
    return Buffer.from(o.buffer);
  }
  const nb = d.length / 32,
    out = Buffer.alloc(nb * 34); // Q8_0: f16 scale + 32 x i8
  for (let b = 0; b < nb; b++) {
    let amax = 0;
    for (let j = 0; j < 32; j++) amax = Math.max(amax, Math.abs(d[b * 32 + j]));
    const sc = amax / 127;
    out.writeUInt16LE(f32to16(sc), b * 34);
    for (let j = 0; j < 32; j++)
      out.writeInt8(sc ? Math.max(-127, Math.min(127, Math.round(d[b * 32 + j] / sc))) : 0, b * 34 + 2 + j);
  }
  return out;
}
export function writeGguf(path, kv, tensors) {
  // kv: [key,type,value|[elemType,array]]; tensors:{name,dims,type,data}
  const w = new W();
  w.raw(Buffer.from("GGUF"));
  w.u32(3);
  w.u64(tensors.length);
  w.u64(kv.length);
  for (const [k, t, v] of kv) {
    w.str(k);
    w.u32(T[t]);
    if (t === "arr") {
      w.u32(T[v[0]]);
      w.u64(v[1].length);
      for (const x of v[1]) w.val(v[0], x);
    } else w.val(t, v);
  }
  let off = 0;
  const bufs = tensors.map((t) => encode(t.type, t.data));
  tensors.forEach((t, i) => {
    w.str(t.name);
    w.u32(t.dims.length);
    for (const d of t.dims) w.u64(d);
    w.u32(t.type);
    w.u64(off);
    off += Math.ceil(bufs[i].length / 32) * 32;
  });
  w.pad(32);
  for (const b of bufs) {
    w.raw(b);
    w.pad(32);
  }
  const out = Buffer.concat(w.parts);
  writeFileSync(path, out);
  return out.length;
}
// vocabulary: <unk> <s> </s> <|im_start|> <|im_end|> + 256 byte tokens + extra pieces (SPM style, score = -rank)
export const SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"];
export function vocab(pieces = []) {
  const tokens = [...SPECIAL],
    types = [2, 3, 3, 3, 3],
    scores = [0, 0, 0, 0, 0];
  for (let i = 0; i < 256; i++) {
    tokens.push(`<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
    types.push(6);
    scores.push(0);
  }
  pieces.forEach((p, i) => {
    tokens.push(p.replaceAll(" ", "\u2581"));
    types.push(1);
    scores.push(-i - 1);
  });
  return { tokens, types, scores };
}
export const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant\n'}}{% endif %}";
export function llamaKv(name, h, v) {
  return [
    ["general.architecture", "str", "llama"],
    ["general.name", "str", name],
    ["general.alignment", "u32", 32],
    ["general.file_type", "u32", h.ftype ?? 1],
    ["llama.vocab_size", "u32", v.tokens.length],
    ["llama.context_length", "u32", h.ctx],
    ["llama.embedding_length", "u32", h.dim],
    ["llama.block_count", "u32", h.layers],
    ["llama.feed_forward_length", "u32", h.ff],
    ["llama.attention.head_count", "u32", h.heads],
    ["llama.attention.head_count_kv", "u32", h.kv ?? h.heads],
    ["llama.attention.layer_norm_rms_epsilon", "f32", 1e-5],
    ["llama.rope.dimension_count", "u32", h.dim / h.heads],
    ["llama.rope.freq_base", "f32", 10000],
    ["tokenizer.ggml.model", "str", "llama"],
    ["tokenizer.ggml.pre", "str", "default"],
    ["tokenizer.ggml.tokens", "arr", ["str", v.tokens]],
    ["tokenizer.ggml.scores", "arr", ["f32", v.scores]],
    ["tokenizer.ggml.token_type", "arr", ["i32", v.types]],
    ["tokenizer.ggml.unknown_token_id", "u32", 0],
    ["tokenizer.ggml.bos_token_id", "u32", 1],
    ["tokenizer.ggml.eos_token_id", "u32", 4],
    ["tokenizer.ggml.add_bos_token", "bool", true],
    ["tokenizer.ggml.add_eos_token", "bool", false],
    ["tokenizer.ggml.add_space_prefix", "bool", false],
    ["tokenizer.chat_template", "str", h.template ?? CHATML],
  ];
}
export function shapes(h, V) {
  // [name, ggml dims (fastest first)]
  const s = [["token_embd.weight", [h.dim, V]]],
    kvd = ((h.kv ?? h.heads) * h.dim) / h.heads;
  for (let i = 0; i < h.layers; i++)
    s.push(
      [`blk.${i}.attn_norm.weight`, [h.dim]],
      [`blk.${i}.attn_q.weight`, [h.dim, h.dim]],
      [`blk.${i}.attn_k.weight`, [h.dim, kvd]],
      [`blk.${i}.attn_v.weight`, [h.dim, kvd]],
      [`blk.${i}.attn_output.weight`, [h.dim, h.dim]],
      [`blk.${i}.ffn_norm.weight`, [h.dim]],
      [`blk.${i}.ffn_gate.weight`, [h.dim, h.ff]],
      [`blk.${i}.ffn_up.weight`, [h.dim, h.ff]],
      [`blk.${i}.ffn_down.weight`, [h.ff, h.dim]],
    );
  s.push(["output_norm.weight", [h.dim]]);
  return s; // output.weight omitted: llama.cpp ties it to token_embd
}
