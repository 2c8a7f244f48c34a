// Engine: one loaded llama.cpp model and how it answers requests. Runs in the engine process only, because it imports
// node-llama-cpp.
import type { Llama, LlamaContext, LlamaContextSequence, LlamaGrammar, LlamaModel, Token } from "node-llama-cpp";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Delta, Task } from "../../protocol/generation.ts";
import type { BackendError, GenerateEnd, GenerateRequest } from "../backend.ts";
import { DeltaQueue } from "../delta-queue.ts";
import { isRecord } from "../record.ts";
import { type AskedText, readAsked } from "./asked-text.ts";
import { type ChatPrompt, chatPrompt } from "./chat-prompt.ts";
import { type ChoicePlan, type Pace, runChoice } from "./choice.ts";
import { ChoiceText } from "./choice-text.ts";
import { Embedder, tooLong } from "./embedder.ts";
import { compileGrammar, grammarState } from "./grammar-state.ts";
import { templateThinks } from "./think-text.ts";
import { templateHasTools } from "./tool-calls.ts";

export type EngineOptions = {
  contextLength: number;
  threads: number;
  slots: number;
  defaultTemperature: number;
  tasks: readonly Task[];
};

/** A running request. */
export type Run = Pace & { emit(delta: Delta): void };

type Outcome = Result<GenerateEnd, BackendError>;

export class Engine {
  private readonly model: LlamaModel;
  private readonly prompt: ChatPrompt;
  private readonly hasTools: boolean;
  private readonly thinks: boolean;
  private readonly options: EngineOptions;
  private readonly embedder: Embedder;
  private readonly free: LlamaContextSequence[] = [];
  private readonly waiting: ((sequence: LlamaContextSequence) => void)[] = [];

  private constructor(model: LlamaModel, context: LlamaContext | null, options: EngineOptions) {
    this.model = model;
    this.options = options;
    this.embedder = new Embedder(model, options.contextLength, options.threads);
    if (context !== null) for (let i = 0; i < options.slots; i++) this.free.push(context.getSequence());
    const tokenizer: unknown = model.fileInfo.metadata.tokenizer;
    const found = isRecord(tokenizer) ? tokenizer.chat_template : null;
    const template = typeof found === "string" ? found : null;
    this.hasTools = templateHasTools(template);
    this.thinks = templateThinks(template);
    this.prompt = chatPrompt(template, {
      eos: model.tokens.eosString ?? "",
      knowsChatMl: model.tokenize("<|im_start|>", true).length === 1,
    });
  }

  /** Throws where the file cannot be loaded. */
  static async load(llama: Llama, modelPath: string, options: EngineOptions): Promise<Engine> {
    const model = await llama.loadModel({ modelPath });
    const { contextLength: contextSize, slots: sequences, threads, tasks } = options;
    // A model that only embeds needs no place for answers.
    const answers = tasks.includes("chat") || tasks.includes("completion");
    const context = answers ? await model.createContext({ contextSize, sequences, threads }) : null;
    return new Engine(model, context, options);
  }

  /** Gives the memory back. Nothing may be running. */
  async dispose(): Promise<void> {
    await this.model.dispose();
  }

  async generate(request: GenerateRequest, run: Run): Promise<Outcome> {
    const { task } = request;
    if (!this.options.tasks.includes(task)) return err(invalid(`this model does not do ${task} requests`));
    if (request.task === "embedding") {
      const emit = (index: number, embedding: string) => run.emit({ ...(index === 0 ? {} : { index }), embedding });
      return await this.embedder.run(request.body, emit, run);
    }
    const { prompt, hasTools, thinks, options } = this;
    const { defaultTemperature } = options;
    const asked = readAsked(request, { prompt, hasTools, thinks, defaultTemperature });
    if (!asked.ok) return err(invalid(asked.error));
    const input = this.tokens(asked.value.text);
    if (input.length >= options.contextLength) return err(tooLong(options.contextLength, input.length));
    const { grammar: source } = asked.value;
    const grammar = source === null ? ok(null) : await compileGrammar(this.model.llama, source);
    if (!grammar.ok) return err(invalid(grammar.error));
    return await this.answer(asked.value, input, grammar.value, run);
  }

  private async answer(asked: AskedText, input: Token[], grammar: LlamaGrammar | null, run: Run): Promise<Outcome> {
    const { sampling, completion, tools, thoughts, stops, begun } = asked;
    const queue = new DeltaQueue((delta) => {
      run.emit(delta);
      return undefined;
    });
    const finish: GenerateEnd["finish"] = [];
    let completionTokens = 0;
    const sequence = await this.take(run.signal);
    if (sequence === null) return ABORTED;
    try {
      for (let index = 0; index < sampling.choices; index++) {
        await sequence.clearHistory();
        const state = grammar === null ? ok(null) : grammarState(this.model, grammar, begun);
        if (!state.ok) return err({ code: "backend_failed", message: state.error });
        const room = this.options.contextLength - input.length;
        const plan: ChoicePlan = { input, room, sampling, index, stops, grammar: state.value };
        const text = new ChoiceText(queue, { index, tools, thoughts, completion });
        const choice = await runChoice(this.model, sequence, plan, text, run);
        if (choice === null) return ABORTED;
        completionTokens += choice.tokens;
        finish.push({ index, reason: choice.reason });
      }
      void queue.flush(true);
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

const ABORTED: Outcome = err({ code: "aborted", message: "aborted" });

const invalid = (message: string): BackendError => ({ code: "invalid_request", message });
