// Export: writes the trained weights (w.bin) as GGUF, in F16 and Q8_0.
import { readFileSync } from "node:fs";
import { writeGguf, llamaKv, shapes, GGML } from "./gguf.mjs";
const { v, h } = JSON.parse(readFileSync("vocab.json", "utf8")),
  b = readFileSync("w.bin"),
  w = new Float32Array(b.buffer, b.byteOffset, b.length / 4);
for (const [fmt, T, ft] of [
  ["f16", GGML.F16, 1],
  ["q8_0", GGML.Q8_0, 7],
]) {
  let p = 0;
  const t = shapes(h, v.tokens.length).map(([name, dims]) => {
    const n = dims.reduce((a, b) => a * b);
    const data = w.slice(p, p + n);
    p += n;
    return { name, dims, type: dims.length === 1 ? GGML.F32 : T, data };
  });
  if (p !== w.length) throw new Error(`${p} != ${w.length}`);
  console.log(fmt, writeGguf(`demo-${fmt}.gguf`, llamaKv("infernet-demo", { ...h, ftype: ft }, v), t));
}
