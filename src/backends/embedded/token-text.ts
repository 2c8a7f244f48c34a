// Token text: turns tokens into text as they come, whole characters only. A character may be spread over several
// tokens; until it is complete they wait.
import type { LlamaModel, Token } from "node-llama-cpp";

/** Tokens that may wait for the rest of a character (at most 4 bytes, one each, and some slack). */
const MAX_WAITING = 8;
/** Tokens before the new ones that tell the tokenizer whether a space belongs between. */
const CONTEXT_TOKENS = 4;

export class TokenText {
  private readonly model: LlamaModel;
  private before: Token[];
  private waiting: Token[] = [];

  /** `before`: the last tokens of the prompt. */
  constructor(model: LlamaModel, before: readonly Token[]) {
    this.model = model;
    this.before = before.slice(-CONTEXT_TOKENS);
  }

  /** The text that became whole with this token; often "". */
  push(token: Token): string {
    this.waiting.push(token);
    const text = this.model.detokenize(this.waiting, false, this.before);
    if (text.endsWith("\ufffd") && this.waiting.length < MAX_WAITING) return "";
    this.before = [...this.before, ...this.waiting].slice(-CONTEXT_TOKENS);
    this.waiting = [];
    return text;
  }

  /** No more tokens come: of what waits, the whole characters are given; a character cut in two is no text. */
  end(): string {
    const text = this.waiting.length === 0 ? "" : this.model.detokenize(this.waiting, false, this.before);
    this.waiting = [];
    return text.replace(/\ufffd+$/, "");
  }
}
