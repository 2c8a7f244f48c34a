// Random GGUF: a language model of a few hundred kilobytes with random weights. It says nonsense, fast, for as long as
// it is asked to, over all bytes: what a test of an engine needs.
import { byteVocabulary, llamaMetadata, llamaTensors, type Shape, writeGguf } from "./gguf-writer.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant\n'}}{% endif %}";

export type RandomGgufOptions = { seed?: number; shape?: Partial<Shape>; template?: string | null };

/** The file's bytes; the same options give the same bytes. */
export function randomGguf({ seed = 1, shape = {}, template = CHATML }: RandomGgufOptions = {}): Uint8Array {
  const full: Shape = { dim: 64, layers: 2, heads: 2, feedForward: 160, contextLength: 512, ...shape };
  const vocabulary = byteVocabulary([" "]);
  const normal = normals(seed);
  const tensors = llamaTensors(full, vocabulary.tokens.length).map(({ name, dims }) => {
    const isNorm = dims.length === 1;
    const scale = name.startsWith("token") ? 1 : 1.5 / Math.sqrt(dims[0] ?? 1);
    const data = new Float32Array(dims.reduce((a, b) => a * b)).map(() => (isNorm ? 1 : normal() * scale));
    return { name, dims, type: isNorm ? ("F32" as const) : ("F16" as const), data };
  });
  return writeGguf(llamaMetadata("tiny-random", full, vocabulary, template), tensors);
}

/** Normally distributed numbers (xorshift32, Box–Muller). */
function normals(seed: number): () => number {
  let state = seed >>> 0 || 1;
  const uniform = () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform() + 1e-12)) * Math.cos(2 * Math.PI * uniform());
}
