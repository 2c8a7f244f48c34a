// Answer: what one request has brought so far. Every adapter reports what its server said; the answer normalises it:
// tool calls always with index and string arguments, finish reasons right even where the server's are wrong.
import type { FinishReason, ToolCallDelta, Usage } from "../protocol/generation.ts";
import type { Emit, GenerateEnd } from "./backend.ts";
import { DeltaQueue } from "./delta-queue.ts";
import { isRecord } from "./record.ts";

const MAX_CHOICES = 128;
const MAX_TOOL_CALLS = 128;
const MAX_TOKENS = 2 ** 31 - 1;

type Choice = { finish: string | null; toolIds: (string | null)[] };

/** Finish reasons as servers write them; what is not here is taken as "stop". */
const FINISH_REASONS: Record<string, FinishReason> = {
  stop: "stop",
  length: "length",
  max_tokens: "length",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  content_filter: "content_filter",
};

export class Answer {
  readonly queue: DeltaQueue;
  usage: Usage | null = null;
  private readonly choices: (Choice | undefined)[] = [];

  constructor(emit: Emit) {
    this.queue = new DeltaQueue(emit);
  }

  /** Marks that a choice exists. Throws RangeError for an index that no server should send. */
  choice(index: number): Choice {
    if (!Number.isInteger(index) || index < 0 || index >= MAX_CHOICES) throw new RangeError(`choice index ${index}`);
    let choice = this.choices[index];
    if (choice === undefined) {
      choice = { finish: null, toolIds: [] };
      this.choices[index] = choice;
    }
    return choice;
  }

  finish(index: number, reason: string): void {
    this.choice(index).finish = reason;
  }

  /** True once some choice has its reason. */
  get finished(): boolean {
    return this.choices.some((choice) => choice !== undefined && choice.finish !== null);
  }

  /** A list of tool calls as a server wrote it: with or without index, arguments as text or as an object. */
  toolCalls(index: number, calls: unknown[]): void {
    const { toolIds } = this.choice(index);
    const deltas: ToolCallDelta[] = [];
    for (const call of calls) if (isRecord(call)) deltas.push(toolCallDelta(call, toolIds));
    if (deltas.length > 0) this.queue.toolCalls(index, deltas);
  }

  /** OpenAI's `usage`, or what stands for it; ignored where it is no pair of counts. */
  setUsage(promptTokens: unknown, completionTokens: unknown): void {
    if (isCount(promptTokens) && isCount(completionTokens)) {
      this.usage = { prompt_tokens: promptTokens, completion_tokens: completionTokens };
    }
  }

  end(): GenerateEnd {
    const finish: GenerateEnd["finish"] = [];
    this.choices.forEach((choice, index) => {
      if (choice !== undefined) finish.push({ index, reason: finishReason(choice) });
    });
    if (finish.length === 0) finish.push({ index: 0, reason: "stop" });
    return { finish, usage: this.usage };
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_TOKENS;

function finishReason({ finish, toolIds }: Choice): FinishReason {
  const reason = finish === null ? "stop" : (FINISH_REASONS[finish] ?? "stop");
  if (toolIds.length > 0) return reason === "stop" ? "tool_calls" : reason;
  return reason === "tool_calls" ? "stop" : reason;
}

function toolCallDelta(call: Record<string, unknown>, toolIds: (string | null)[]): ToolCallDelta {
  const id = typeof call.id === "string" && call.id !== "" ? call.id.slice(0, 256) : null;
  const index = toolCallIndex(call.index, id, toolIds);
  const isNew = index >= toolIds.length;
  while (toolIds.length <= index) toolIds.push(null);
  if (id !== null) toolIds[index] = id;
  const delta: ToolCallDelta = { index };
  if (id !== null) delta.id = id;
  if (isNew || call.type === "function") delta.type = "function";
  const fn = isRecord(call.function) ? call.function : {};
  const parts: { name?: string; arguments?: string } = {};
  if (typeof fn.name === "string" && fn.name !== "") parts.name = fn.name.slice(0, 256);
  const args = fn.arguments;
  if (typeof args === "string") parts.arguments = args;
  else if (args !== undefined && args !== null) parts.arguments = JSON.stringify(args);
  if (parts.name !== undefined || parts.arguments !== undefined) delta.function = parts;
  return delta;
}

/** A call without an index is the one with its id, a new one where the id is new, else the last. */
function toolCallIndex(given: unknown, id: string | null, toolIds: (string | null)[]): number {
  const index =
    typeof given === "number"
      ? given
      : id === null
        ? Math.max(0, toolIds.length - 1)
        : toolIds.includes(id)
          ? toolIds.indexOf(id)
          : toolIds.length;
  if (!Number.isInteger(index) || index < 0 || index >= MAX_TOOL_CALLS)
    throw new RangeError(`tool call index ${index}`);
  return index;
}
