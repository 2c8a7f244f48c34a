// Vocabulary: a byte-safe BPE vocabulary of 512 pieces from the corpus, and the corpus in its tokens (docs.bin).
import { docs, QA } from "./corpus.mjs";
import { vocab, writeGguf, llamaKv, shapes, GGML } from "./gguf.mjs";
import { writeFileSync } from "node:fs";
import { getLlama } from "node-llama-cpp";
const D = docs(),
  text = [...QA.flatMap(([q, a]) => [...q, a, a])].join("\n"),
  V = 512,
  base = 261;
// BPE inside words (a word carries its leading space); score = -rank, so llama.cpp's SPM tokenizer reproduces it
const words = new Map();
for (const w of text.match(/ ?[^\s]+|\n/g)) words.set(w, (words.get(w) ?? 0) + 1);
let seqs = [...words].map(([w, n]) => [[...w], n]);
const chars = [
  ...new Set([" ", ..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,?!-'\n:", ...text]),
];
const merges = [];
while (merges.length + chars.length < V - base) {
  const c = new Map();
  for (const [s, n] of seqs)
    for (let i = 0; i + 1 < s.length; i++) {
      const p = s[i] + s[i + 1];
      c.set(p, (c.get(p) ?? 0) + n);
    }
  let best = null,
    bn = 0;
  for (const [p, n] of c)
    if (n > bn && !merges.includes(p)) {
      bn = n;
      best = p;
    }
  if (!best) break;
  merges.push(best);
  for (const q of seqs) {
    const s = q[0],
      o = [];
    for (let i = 0; i < s.length; i++)
      if (i + 1 < s.length && s[i] + s[i + 1] === best) {
        o.push(best);
        i++;
      } else o.push(s[i]);
    q[0] = o;
  }
}
const v = vocab([...merges, ...chars]);
console.log("vocab", v.tokens.length, "merges", merges.length, merges.slice(-12));
const h = {
  dim: +(process.argv[2] ?? 128),
  layers: +(process.argv[3] ?? 4),
  heads: 4,
  ff: +(process.argv[4] ?? 384),
  ctx: 512,
};
writeGguf(
  "vocab.gguf",
  llamaKv("v", h, v),
  shapes(h, v.tokens.length).map(([name, dims]) => ({
    name,
    dims,
    type: GGML.F32,
    data: new Float32Array(dims.reduce((a, b) => a * b)),
  })),
);
writeFileSync("vocab.json", JSON.stringify({ v, h }));
const llama = await getLlama({ build: "never", gpu: false, skipDownload: true, maxThreads: 1 });
const m = await llama.loadModel({ modelPath: "vocab.gguf", vocabOnly: true });
const out = [];
let n = 0;
for (const [q, a] of D) {
  const P = m.tokenize(`<|im_start|>user\n${q}<|im_end|>\n<|im_start|>assistant\n`, true),
    A = m.tokenize(`${a}<|im_end|>`, true);
  const t = [1, ...P, ...A];
  out.push(t.length, ...t.map((x, i) => (i && i <= P.length ? -x : x)));
  n += t.length;
}
writeFileSync("docs.bin", Buffer.from(Int32Array.from(out).buffer));
console.log(
  "docs",
  D.length,
  "tokens",
  n,
  "chars",
  D.reduce((s, d) => s + d[0].length + d[1].length, 0),
);
process.exit(0);
