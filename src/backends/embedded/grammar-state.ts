// Grammar state: where an answer stands in the grammar it is held to. An answer that is gone on with stands in its
// middle, so its text so far is walked through first; node-llama-cpp has that inside only, and where a version of it
// has not, going on is refused.
import {
  type Llama,
  type LlamaGrammar,
  LlamaGrammarEvaluationState,
  type LlamaModel,
  type Token,
} from "node-llama-cpp";
import { err, ok, type Result } from "../../lib/result.ts";
import { isRecord } from "../record.ts";

/** Compiles a grammar; the error is a sentence. */
export async function compileGrammar(llama: Llama, grammar: string): Promise<Result<LlamaGrammar, string>> {
  try {
    return ok(await llama.createGrammar({ grammar }));
  } catch (thrown) {
    return err(
      `the engine cannot follow this response_format: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    );
  }
}

/** The state behind `begun`. The error is a sentence. */
export function grammarState(
  model: LlamaModel,
  grammar: LlamaGrammar,
  begun: string,
): Result<LlamaGrammarEvaluationState, string> {
  const state = new LlamaGrammarEvaluationState({ model, grammar });
  if (begun === "") return ok(state);
  const sampler = samplerOf(model.llama);
  const inner: unknown = (state as unknown as Record<string, unknown>)._state;
  if (sampler === null) return err("this engine cannot go on with a text that is held to a response_format");
  for (const token of model.tokenize(begun, false, "trimLeadingSpace")) {
    if (!sampler.canBeNextTokenForGrammarEvaluationState(inner, token))
      return err("the answer to go on with does not fit the response_format");
    sampler.acceptGrammarEvaluationStateToken(inner, token);
  }
  return ok(state);
}

type Sampler = {
  canBeNextTokenForGrammarEvaluationState(state: unknown, token: Token): boolean;
  acceptGrammarEvaluationStateToken(state: unknown, token: Token): void;
};

function samplerOf(llama: Llama): Sampler | null {
  const bindings = (llama as unknown as Record<string, unknown>)._bindings;
  const sampler: unknown = isRecord(bindings) ? bindings.AddonSampler : null;
  const has = (name: string) => typeof (sampler as Record<string, unknown>)[name] === "function";
  if (typeof sampler !== "function") return null;
  return has("canBeNextTokenForGrammarEvaluationState") && has("acceptGrammarEvaluationStateToken")
    ? (sampler as unknown as Sampler)
    : null;
}
