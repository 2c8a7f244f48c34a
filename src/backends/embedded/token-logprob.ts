// Token logprob: how likely a token was, and which others were (OpenAI: `choices[].logprobs.content[]`). At temperature
// 0 these are the model's own probabilities; else those it was drawn from, after temperature and filters.
import type { LlamaModel, Token } from "node-llama-cpp";
import type { TokenLogprob } from "../completion-logprobs.ts";

/** For a token that was filtered out: JSON knows no -Infinity. */
const LEAST_LOGPROB = -9999;

/** `probabilities`: of all tokens, the likeliest first. */
export function tokenLogprob(
  model: LlamaModel,
  token: Token,
  probabilities: ReadonlyMap<Token, number>,
  top: number,
): TokenLogprob {
  const likeliest: TokenLogprob["top_logprobs"] = [];
  for (const [other, probability] of probabilities) {
    if (likeliest.length >= top) break;
    likeliest.push({ ...tokenBytes(model, other), logprob: logOf(probability) });
  }
  return { ...tokenBytes(model, token), logprob: logOf(probabilities.get(token) ?? 0), top_logprobs: likeliest };
}

const logOf = (probability: number): number => (probability > 0 ? Math.log(probability) : LEAST_LOGPROB);

function tokenBytes(model: LlamaModel, token: Token): { token: string; bytes: number[] | null } {
  const text = model.detokenize([token], true);
  // A piece of a character: its bytes are not told.
  return { token: text, bytes: text.includes("\ufffd") ? null : [...Buffer.from(text)] };
}
