// Choice: one answer of a loaded model, from the tokens of its prompt to its end.
import {
  type LlamaContextSequence,
  type LlamaGrammarEvaluationState,
  type LlamaModel,
  type Token,
  TokenBias,
} from "node-llama-cpp";
import type { FinishReason } from "../../protocol/generation.ts";
import type { ChoiceText } from "./choice-text.ts";
import type { Sampling } from "./sampling.ts";
import { StopStrings } from "./stop-strings.ts";
import { tokenLogprob } from "./token-logprob.ts";
import { TokenText } from "./token-text.ts";

/** Prompt tokens evaluated between two looks at the signal. */
const PROMPT_SLICE = 128;

/** What a running answer looks at between two tokens. */
export type Pace = {
  signal: AbortSignal;
  /** Resolves when the reader wants more; undefined when it does already. */
  ready(): Promise<void> | undefined;
};

export type ChoicePlan = {
  input: Token[];
  /** Tokens there is room for behind the input. */
  room: number;
  sampling: Sampling;
  /** Added to the seed. */
  index: number;
  stops: readonly string[];
  grammar: LlamaGrammarEvaluationState | null;
};

/** Runs one choice to its end; null when aborted. The sequence must be empty. */
export async function runChoice(
  model: LlamaModel,
  sequence: LlamaContextSequence,
  plan: ChoicePlan,
  out: ChoiceText,
  pace: Pace,
): Promise<{ reason: FinishReason; tokens: number } | null> {
  const { input, sampling, room } = plan;
  if (!(await prefill(sequence, input, pace.signal))) return null;
  const limit = Math.min(sampling.maxTokens ?? room, room);
  const text = new TokenText(model, input);
  const stops = new StopStrings(plan.stops);
  let reason: FinishReason = "length";
  const made: Token[] = [];
  // Asked for only where they are told on: they cost a look at the whole vocabulary for each token.
  const metadata = { probabilities: sampling.topLogprobs !== null } as { readonly probabilities: true };
  const options = evaluateOptions(model, plan, made);
  for await (const step of sequence.evaluateWithMetadata(input.slice(-1), metadata, options)) {
    if (pace.signal.aborted) return null;
    const { token } = step;
    if (model.isEogToken(token)) {
      reason = "stop";
      break;
    }
    made.push(token);
    if (sampling.topLogprobs !== null)
      out.logprob(tokenLogprob(model, token, step.probabilities, sampling.topLogprobs));
    const { give, stopped } = stops.push(text.push(token));
    out.text(give);
    if (stopped) return { reason: out.end(false) ?? "stop", tokens: made.length };
    if (made.length >= limit) break;
    const ready = pace.ready();
    if (ready !== undefined) await ready;
    if (pace.signal.aborted) return null;
  }
  const last = stops.push(text.end());
  out.text(last.give + stops.end());
  const isCut = reason === "length" && !last.stopped;
  return { reason: out.end(isCut) ?? (last.stopped ? "stop" : reason), tokens: made.length };
}

/** `made` is the list of tokens made so far, which grows. */
function evaluateOptions(
  model: LlamaModel,
  { sampling, index, grammar }: ChoicePlan,
  made: Token[],
): NonNullable<Parameters<LlamaContextSequence["evaluate"]>[1]> {
  const { temperature, topP, topK, minP, frequencyPenalty, presencePenalty, logitBias } = sampling;
  const bias = new TokenBias(model.tokenizer);
  for (const [id, value] of logitBias) bias.set(id as Token, value <= -100 ? "never" : { logit: value });
  const seed = sampling.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  return {
    temperature,
    topP,
    topK,
    minP,
    seed: (seed + index) >>> 0,
    yieldEogToken: true,
    ...(logitBias.length > 0 ? { tokenBias: bias } : {}),
    ...(grammar === null ? {} : { grammarEvaluationState: grammar }),
    ...(frequencyPenalty !== 0 || presencePenalty !== 0
      ? { repeatPenalty: { punishTokens: () => made, penalty: 1, frequencyPenalty, presencePenalty } }
      : {}),
  };
}

/** Evaluates all but the last token of the prompt; false when aborted. */
async function prefill(sequence: LlamaContextSequence, input: Token[], signal: AbortSignal): Promise<boolean> {
  for (let at = 0; at < input.length - 1; at += PROMPT_SLICE) {
    if (signal.aborted) return false;
    await sequence.evaluateWithoutGeneratingNewTokens(input.slice(at, Math.min(at + PROMPT_SLICE, input.length - 1)));
  }
  return !signal.aborted;
}
