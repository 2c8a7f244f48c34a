// Embedder: vectors of a loaded model. Its context is made at the first use, beside the one that answers.
import type { LlamaEmbeddingContext, LlamaModel, Token } from "node-llama-cpp";
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendError, EmbeddingBody, GenerateEnd } from "../backend.ts";
import { embeddingText } from "../embedding-text.ts";
import type { Pace } from "./choice.ts";

export class Embedder {
  private readonly model: LlamaModel;
  private readonly contextLength: number;
  private readonly threads: number;
  private context: Promise<LlamaEmbeddingContext> | null = null;
  private vocabularySize: number | null = null;

  constructor(model: LlamaModel, contextLength: number, threads: number) {
    this.model = model;
    this.contextLength = contextLength;
    this.threads = threads;
  }

  /** One vector of length 1 for each input, in order. */
  async run(
    body: EmbeddingBody,
    emit: (index: number, embedding: string) => void,
    pace: Pace,
  ): Promise<Result<GenerateEnd, BackendError>> {
    const inputs = this.inputs(body.input);
    if (!inputs.ok) return err({ code: "invalid_request", message: inputs.error } as const);
    const dimensions = readDimensions(body.dimensions);
    if (dimensions === undefined) return err(invalid("dimensions must be a whole number above 0"));
    this.context ??= this.model.createEmbeddingContext({
      contextSize: this.contextLength,
      // Models that look both ways need all of a text in one batch.
      batchSize: this.contextLength,
      threads: this.threads,
    });
    const context = await this.context;
    const lengths = inputs.value.map((input) => context.calculateInputLength(input));
    const longest = Math.max(...lengths);
    if (longest >= this.contextLength) return err(tooLong(this.contextLength, longest));
    for (const [index, input] of inputs.value.entries()) {
      await pace.ready();
      if (pace.signal.aborted) return err({ code: "aborted", message: "aborted" } as const);
      const { vector } = await context.getEmbeddingFor(input);
      if (dimensions !== null && dimensions > vector.length)
        return err(invalid(`this model's vectors have ${vector.length} dimensions`));
      const text = embeddingText(normalized(vector.slice(0, dimensions ?? vector.length)));
      if (text === null) return err({ code: "backend_failed", message: "the model's vector is no vector" } as const);
      emit(index, text);
    }
    const promptTokens = lengths.reduce((sum, length) => sum + length, 0);
    return ok({
      finish: [{ index: 0, reason: "stop" }],
      usage: { prompt_tokens: promptTokens, completion_tokens: 0 },
    });
  }

  /** Texts, or texts as tokens of this model. Each list is a new one, since the library adds to it. */
  private inputs(input: EmbeddingBody["input"]): Result<Token[][], string> {
    const list: unknown[] = typeof input === "string" || typeof input[0] === "number" ? [input] : input;
    if (list.length === 0) return err("input must not be empty");
    const inputs: Token[][] = [];
    for (const [i, item] of list.entries()) {
      if (typeof item === "string") inputs.push(this.model.tokenize(item));
      else if (Array.isArray(item) && item.every((token) => this.isToken(token))) inputs.push([...item]);
      else return err(`input[${i}] is neither text nor a list of this model's tokens`);
      if (inputs.at(-1)?.length === 0) return err(`input[${i}] must not be empty`);
    }
    return ok(inputs);
  }

  /** llama.cpp ends the process over a token that is none. */
  private isToken(token: unknown): boolean {
    this.vocabularySize ??= countOf(this.model.iterateAllTokens());
    return typeof token === "number" && Number.isInteger(token) && token >= 0 && token < this.vocabularySize;
  }
}

function countOf(all: Iterable<unknown>): number {
  let count = 0;
  for (const _ of all) count++;
  return count;
}

const invalid = (message: string): BackendError => ({ code: "invalid_request", message });

export const tooLong = (contextLength: number, tokens: number): BackendError => ({
  code: "context_length_exceeded",
  message: `This model's maximum context length is ${contextLength} tokens. However, your messages resulted in ${tokens} tokens.`,
  contextLength,
});

/** Null where all are wanted, undefined for nonsense. */
function readDimensions(value: unknown): number | null | undefined {
  if (value === undefined || value === null) return null;
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : undefined;
}

function normalized(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return length > 0 ? vector.map((value) => value / length) : [...vector];
}
