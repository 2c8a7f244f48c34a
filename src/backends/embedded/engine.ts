// Engine: one loaded llama.cpp model and how it answers chat requests. Runs in the engine process only, because it
// imports node-llama-cpp.
import {
  type Llama,
  type LlamaContext,
  type LlamaContextSequence,
  type LlamaModel,
  type Token,
  TokenBias,
} from "node-llama-cpp";
import { err, ok, type Result } from "../../lib/result.ts";
import type { FinishReason } from "../../protocol/generation.ts";
import type { BackendError, ChatBody, GenerateEnd } from "../backend.ts";
import { isRecord } from "../record.ts";
import { type ChatPrompt, chatPrompt } from "./chat-prompt.ts";
import { readSampling, type Sampling } from "./sampling.ts";
import { StopStrings } from "./stop-strings.ts";
import { TokenText } from "./token-text.ts";

/** Prompt tokens evaluated between two looks at the signal. */
const PROMPT_SLICE = 128;

export type EngineOptions = { contextLength: number; threads: number; slots: number; defaultTemperature: number };

/** What a running answer looks at between two tokens. */
export type Run = {
  signal: AbortSignal;
  /** Resolves when the reader wants more; undefined when it does already. */
  ready(): Promise<void> | undefined;
  emit(text: string, choice: number): void;
};

export class Engine {
  private readonly model: LlamaModel;
  private readonly context: LlamaContext;
  private readonly prompt: ChatPrompt;
  private readonly options: EngineOptions;
  private readonly free: LlamaContextSequence[];
  private readonly waiting: ((sequence: LlamaContextSequence) => void)[] = [];

  private constructor(model: LlamaModel, context: LlamaContext, options: EngineOptions) {
    this.model = model;
    this.context = context;
    this.options = options;
    this.free = Array.from({ length: options.slots }, () => this.context.getSequence());
    const tokenizer: unknown = model.fileInfo.metadata.tokenizer;
    const template = isRecord(tokenizer) ? tokenizer.chat_template : null;
    this.prompt = chatPrompt(typeof template === "string" ? template : null, {
      eos: model.tokens.eosString ?? "",
      knowsChatMl: model.tokenize("<|im_start|>", true).length === 1,
    });
  }

  /** Throws where the file cannot be loaded. */
  static async load(llama: Llama, modelPath: string, options: EngineOptions): Promise<Engine> {
    const model = await llama.loadModel({ modelPath });
    const { contextLength: contextSize, slots: sequences, threads } = options;
    const context = await model.createContext({ contextSize, sequences, threads });
    return new Engine(model, context, options);
  }

  async generate(body: ChatBody, run: Run): Promise<Result<GenerateEnd, BackendError>> {
    const sampling = readSampling(body, this.options.defaultTemperature);
    const text = sampling.ok ? this.prompt.render(body.messages) : sampling;
    if (!sampling.ok) return err({ code: "invalid_request", message: sampling.error });
    if (!text.ok) return err({ code: "invalid_request", message: text.error });
    const input = this.tokens(text.value);
    const { contextLength } = this.options;
    if (input.length >= contextLength) {
      const message = `This model's maximum context length is ${contextLength} tokens. However, your messages resulted in ${input.length} tokens.`;
      return err({ code: "context_length_exceeded", message });
    }
    const finish: GenerateEnd["finish"] = [];
    let completionTokens = 0;
    const sequence = await this.take(run.signal);
    if (sequence === null) return ABORTED;
    try {
      for (let index = 0; index < sampling.value.choices; index++) {
        const choice = await this.choice(sequence, input, sampling.value, index, run);
        if (choice === null) return ABORTED;
        completionTokens += choice.tokens;
        finish.push({ index, reason: choice.reason });
      }
    } finally {
      await this.give(sequence);
    }
    return ok({ finish, usage: { prompt_tokens: input.length, completion_tokens: completionTokens } });
  }

  private tokens(text: string): Token[] {
    const { bos, shouldPrependBosToken } = this.model.tokens;
    const tokens = this.model.tokenize(text, true);
    return shouldPrependBosToken && bos !== null && tokens[0] !== bos ? [bos, ...tokens] : tokens;
  }

  /** Runs one choice to its end; null when aborted. */
  private async choice(
    sequence: LlamaContextSequence,
    input: Token[],
    sampling: Sampling,
    index: number,
    run: Run,
  ): Promise<{ reason: FinishReason; tokens: number } | null> {
    await sequence.clearHistory();
    if (!(await prefill(sequence, input, run.signal))) return null;
    const room = this.options.contextLength - input.length;
    const limit = Math.min(sampling.maxTokens ?? room, room);
    const text = new TokenText(this.model, input);
    const stops = new StopStrings([...sampling.stops, ...this.prompt.stops]);
    let reason: FinishReason = "length";
    const made: Token[] = [];
    for await (const token of sequence.evaluate(input.slice(-1), this.evaluateOptions(sampling, index, made))) {
      if (run.signal.aborted) return null;
      if (this.model.isEogToken(token)) {
        reason = "stop";
        break;
      }
      made.push(token);
      const { give, stopped } = stops.push(text.push(token));
      if (give !== "") run.emit(give, index);
      if (stopped) return { reason: "stop", tokens: made.length };
      if (made.length >= limit) break;
      const ready = run.ready();
      if (ready !== undefined) await ready;
      if (run.signal.aborted) return null;
    }
    const last = stops.push(text.end());
    const rest = last.give + stops.end();
    if (rest !== "") run.emit(rest, index);
    return { reason: last.stopped ? "stop" : reason, tokens: made.length };
  }

  /** `made` is the list of tokens made so far, which grows. */
  private evaluateOptions(
    sampling: Sampling,
    index: number,
    made: Token[],
  ): Parameters<LlamaContextSequence["evaluate"]>[1] {
    const { temperature, topP, topK, minP, frequencyPenalty, presencePenalty, logitBias } = sampling;
    const bias = new TokenBias(this.model.tokenizer);
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
      ...(frequencyPenalty !== 0 || presencePenalty !== 0
        ? { repeatPenalty: { punishTokens: () => made, penalty: 1, frequencyPenalty, presencePenalty } }
        : {}),
    };
  }

  /** A free slot, or null when aborted first. */
  private async take(signal: AbortSignal): Promise<LlamaContextSequence | null> {
    const free = this.free.pop();
    if (free !== undefined) return free;
    const slot = Promise.withResolvers<LlamaContextSequence | null>();
    const onAbort = () => {
      const at = this.waiting.indexOf(slot.resolve);
      if (at >= 0) this.waiting.splice(at, 1);
      slot.resolve(null);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.waiting.push(slot.resolve);
    const sequence = await slot.promise;
    signal.removeEventListener("abort", onAbort);
    return sequence;
  }

  private async give(sequence: LlamaContextSequence): Promise<void> {
    await sequence.clearHistory();
    const next = this.waiting.shift();
    if (next !== undefined) next(sequence);
    else this.free.push(sequence);
  }
}

const ABORTED: Result<GenerateEnd, BackendError> = err({ code: "aborted", message: "aborted" });

/** Evaluates all but the last token of the prompt; false when aborted. */
async function prefill(sequence: LlamaContextSequence, input: Token[], signal: AbortSignal): Promise<boolean> {
  for (let at = 0; at < input.length - 1; at += PROMPT_SLICE) {
    if (signal.aborted) return false;
    await sequence.evaluateWithoutGeneratingNewTokens(input.slice(at, Math.min(at + PROMPT_SLICE, input.length - 1)));
  }
  return !signal.aborted;
}
