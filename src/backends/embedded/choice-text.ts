// Choice text: the way from a choice's text to deltas: thoughts and tool calls are taken out of it, logprobs put beside it.
import { randomHex } from "../../lib/hex.ts";
import type { FinishReason } from "../../protocol/generation.ts";
import { completionLogprobs, type TokenLogprob } from "../completion-logprobs.ts";
import type { DeltaQueue } from "../delta-queue.ts";
import { ThinkText } from "./think-text.ts";
import { type ReadCall, ToolCallText } from "./tool-calls.ts";

export type ChoiceTextOptions = {
  index: number;
  /** Calls are looked for in the text. */
  tools: boolean;
  /** Thoughts are looked for at its beginning; `opened`: the prompt ends inside them. */
  thoughts: { opened: boolean } | null;
  /** `/v1/completions` has a form of logprobs of its own. */
  completion: boolean;
};

export class ChoiceText {
  private readonly queue: DeltaQueue;
  private readonly index: number;
  private readonly completion: boolean;
  private readonly calls: ToolCallText | null;
  private readonly thoughts: ThinkText | null;
  private callCount = 0;
  /** Of tokens whose text is still held back. */
  private pending: TokenLogprob[] = [];
  private chars = 0;

  constructor(queue: DeltaQueue, { index, tools, thoughts, completion }: ChoiceTextOptions) {
    this.queue = queue;
    this.index = index;
    this.completion = completion;
    this.calls = tools ? new ToolCallText() : null;
    this.thoughts = thoughts === null ? null : new ThinkText(thoughts.opened);
  }

  /** Told before the token's text. */
  logprob(logprob: TokenLogprob): void {
    this.pending.push(logprob);
  }

  text(text: string): void {
    if (text === "") return;
    if (this.thoughts === null) this.answer(text);
    else this.parted(this.thoughts.push(text));
    void this.queue.flush();
  }

  /** The text is over, cut off by its limit or not. Returns why it ended, where that is not for the caller to say. */
  end(isCut: boolean): FinishReason | null {
    if (this.thoughts !== null) this.parted(this.thoughts.end());
    if (this.calls !== null) this.take(this.calls.end());
    if (this.pending.length > 0) this.content("");
    void this.queue.flush();
    return this.callCount > 0 && !isCut ? "tool_calls" : null;
  }

  private parted({ reasoning, content }: { reasoning: string; content: string }): void {
    if (reasoning !== "") {
      // Logprobs are told of what is answered.
      this.pending = [];
      this.queue.text(this.index, "reasoning_content", reasoning);
    }
    if (content !== "") this.answer(content);
  }

  private answer(text: string): void {
    if (this.calls === null) this.content(text);
    else this.take(this.calls.push(text));
  }

  private take({ content, calls }: { content: string; calls: ReadCall[] }): void {
    if (content !== "") this.content(content);
    if (calls.length === 0) return;
    this.queue.toolCalls(
      this.index,
      calls.map(({ name, arguments: args }) => ({
        index: this.callCount++,
        id: `call_${randomHex(12)}`,
        type: "function" as const,
        function: { name, arguments: args },
      })),
    );
  }

  private content(text: string): void {
    if (this.pending.length === 0) this.queue.text(this.index, "content", text);
    else {
      const list = this.pending;
      this.pending = [];
      const logprobs = this.completion ? completionLogprobs(list, this.chars) : { content: list };
      this.queue.withLogprobs(this.index, text, logprobs);
    }
    this.chars += text.length;
  }
}
