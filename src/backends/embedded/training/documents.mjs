// Documents: the second docs.bin. The same answers; questions lower-cased and noised (words dropped and added, typos),
// so that wordings never seen fall onto the nearest known answer.
import { QA } from "./corpus.mjs";
import { readFileSync, writeFileSync } from "node:fs";
import { getLlama } from "node-llama-cpp";
const { v, h } = JSON.parse(readFileSync("vocab.json", "utf8"));
let s = 12345;
const R = () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return (s >>> 0) / 4294967296;
  },
  pick = (a) => a[Math.floor(R() * a.length)];
const pre = [
    "please",
    "can you tell me",
    "i wonder",
    "ok",
    "so",
    "and",
    "tell me",
    "explain",
    "what about",
    "hey",
    "i want to know",
    "could you say",
    "well",
  ],
  post = [
    "please",
    "?",
    "exactly",
    "to me",
    "here",
    "with infernet",
    "in infernet",
    "again",
    "for my machines",
    "thanks",
    "and why",
    "halfway",
    "now",
  ],
  mid = ["the", "a", "really", "just", "my", "some", "it", "this", "actually", "also"];
const syn = {
  infernet: ["infernet", "it", "this", "this project", "this thing"],
  machine: ["machine", "computer", "server", "box"],
  gpu: ["gpu", "graphics card", "video card"],
  engines: ["engines", "backends", "runtimes"],
  request: ["request", "answer", "generation"],
  private: ["private", "safe", "secure"],
  stop: ["stop", "cancel", "abort"],
  model: ["model", "llm"],
  add: ["add", "join", "connect"],
  bigger: ["bigger", "larger", "better", "stronger"],
};
const noise = (q) => {
  let w = q
    .toLowerCase()
    .replace(/[?!.,]/g, "")
    .split(/\s+/)
    .map((x) => (syn[x] && R() < 0.5 ? pick(syn[x]) : x));
  w = w.filter(() => R() > 0.12);
  if (!w.length) w = q.toLowerCase().split(" ");
  if (R() < 0.3) w.splice(Math.floor(R() * w.length), 0, pick(mid));
  if (R() < 0.35) w.unshift(pick(pre));
  if (R() < 0.3) w.push(pick(post));
  let t = w.join(" ");
  if (R() < 0.15) {
    const i = Math.floor(R() * t.length);
    t = t.slice(0, i) + t.slice(i + 1);
  }
  return t + (R() < 0.5 ? "?" : "");
};
const llama = await getLlama({ build: "never", gpu: false, skipDownload: true, maxThreads: 1 }),
  m = await llama.loadModel({ modelPath: "vocab.gguf", vocabOnly: true });
const out = [];
let n = 0,
  d = 0;
for (const [qs, a] of QA)
  for (let i = 0; i < 240; i++) {
    const q = i < qs.length ? qs[i].toLowerCase() : noise(pick(qs));
    const P = m.tokenize(`<|im_start|>user\n${q}<|im_end|>\n<|im_start|>assistant\n`, true),
      A = m.tokenize(`${a}<|im_end|>`, true),
      t = [1, ...P, ...A];
    out.push(t.length, ...t.map((x, j) => (j && j <= P.length ? -x : x)));
    n += t.length;
    d++;
  }
writeFileSync("docs.bin", Buffer.from(Int32Array.from(out).buffer));
console.log("docs", d, "tokens", n);
// template: only the last user turn, lower-cased (this model knows single questions only)
h.template =
  "{% set ns = namespace(q='') %}{% for m in messages %}{% if m['role'] == 'user' %}{% set ns.q = m['content'] %}{% endif %}{% endfor %}<|im_start|>user\n{{ ns.q | lower }}<|im_end|>\n{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
writeFileSync("vocab.json", JSON.stringify({ v, h }));
process.exit(0);
