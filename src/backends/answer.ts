// Answer: what one request has brought so far. Every adapter reports what its server said; the answer normalises it:
// tool calls always with index and string arguments, finish reasons right even where the server's are wrong.
import { randomHex } from "../lib/hex.ts";
import type { FinishReason, ToolCallDelta, Usage } from "../protocol/generation.ts";
import type { Emit, GenerateEnd } from "./backend.ts";
import { DeltaQueue } from "./delta-queue.ts";
import { isRecord } from "./record.ts";

const MAX_CHOICES = 128;
const MAX_TOOL_CALLS = 128;
const MAX_TOKENS = 2 ** 31 - 1;

type Choice = { finish: string | null; calls: (Call | undefined)[] };
/** What is known of one tool call. `id`: as it was given out. */
type Call = { id: string; named: boolean };

/** Finish reasons as servers write them; what is not here is taken as "stop". */
const FINISH_REASONS: Record<string, FinishReason> = {
  stop: "stop",
  length: "length",
  max_tokens: "length",
  max_length: "length",
  model_length: "length",
  model_context_window_exceeded: "length",
  tool_calls: "tool_calls",
  tool_use: "tool_calls",
  function_call: "tool_calls",
  content_filter: "content_filter",
};

export type AnswerOptions = {
  /** An id for a tool call whose server gave it none. */
  newCallId?: () => string;
  /** The server counts each choice for itself: completion tokens are added up. */
  usageByChoice?: boolean;
};

export class Answer {
  readonly queue: DeltaQueue;
  usage: Usage | null = null;
  private readonly choices: (Choice | undefined)[] = [];
  private readonly newCallId: () => string;
  private readonly usageByChoice: boolean;

  constructor(emit: Emit, { newCallId = randomCallId, usageByChoice = false }: AnswerOptions = {}) {
    this.queue = new DeltaQueue(emit);
    this.newCallId = newCallId;
    this.usageByChoice = usageByChoice;
  }

  /** Marks that a choice exists. Throws RangeError for an index that no server should send. */
  choice(index: number): Choice {
    if (!Number.isInteger(index) || index < 0 || index >= MAX_CHOICES) throw new RangeError(`choice index ${index}`);
    let choice = this.choices[index];
    if (choice === undefined) {
      choice = { finish: null, calls: [] };
      this.choices[index] = choice;
    }
    return choice;
  }

  finish(index: number, reason: string): void {
    this.choice(index).finish = reason;
  }

  /** Choices that have their reason. */
  get finished(): number {
    return this.choices.reduce((count, choice) => count + (choice !== undefined && choice.finish !== null ? 1 : 0), 0);
  }

  /** Choices that have begun. */
  get begun(): number {
    return this.choices.reduce((count) => count + 1, 0);
  }

  /** A list of tool calls as a server wrote it: with or without index, arguments as text or as an object. */
  toolCalls(index: number, calls: unknown[]): void {
    const known = this.choice(index).calls;
    const deltas: ToolCallDelta[] = [];
    for (const call of calls) if (isRecord(call)) deltas.push(toolCallDelta(call, known, this.newCallId));
    if (deltas.length > 0) this.queue.toolCalls(index, deltas);
  }

  /** OpenAI's `usage`, or what stands for it; ignored where it is no pair of counts. */
  setUsage(promptTokens: unknown, completionTokens: unknown): void {
    if (!isCount(promptTokens) || !isCount(completionTokens)) return;
    const before = this.usageByChoice ? this.usage : null;
    this.usage = {
      prompt_tokens: Math.max(promptTokens, before?.prompt_tokens ?? 0),
      completion_tokens: Math.min(MAX_TOKENS, completionTokens + (before?.completion_tokens ?? 0)),
    };
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

const randomCallId = (): string => `call_${randomHex(12)}`;

function finishReason({ finish, calls }: Choice): FinishReason {
  const reason = finish === null ? "stop" : (FINISH_REASONS[finish] ?? "stop");
  if (calls.length > 0) return reason === "stop" ? "tool_calls" : reason;
  return reason === "tool_calls" ? "stop" : reason;
}

/** One fragment in OpenAI's form: the first one of a call has id and type, the others have neither. */
function toolCallDelta(
  call: Record<string, unknown>,
  known: (Call | undefined)[],
  newCallId: () => string,
): ToolCallDelta {
  const given = typeof call.id === "string" && call.id !== "" ? call.id.slice(0, 256) : null;
  const fn = isRecord(call.function) ? call.function : {};
  const name = typeof fn.name === "string" && fn.name !== "" ? fn.name.slice(0, 256) : null;
  const index = toolCallIndex(call.index, given, name, known);
  const delta: ToolCallDelta = { index };
  let entry = known[index];
  if (entry === undefined) {
    entry = { id: given ?? newCallId(), named: false };
    known[index] = entry;
    delta.id = entry.id;
    delta.type = "function";
  }
  const parts: { name?: string; arguments?: string } = {};
  if (name !== null && !entry.named) {
    parts.name = name;
    entry.named = true;
  }
  const args = fn.arguments;
  if (typeof args === "string") parts.arguments = args;
  else if (args !== undefined && args !== null) parts.arguments = JSON.stringify(args);
  if (parts.name !== undefined || parts.arguments !== undefined) delta.function = parts;
  return delta;
}

/**
 * A call without an index is the one with its id, a new one where the id or, without an id, the name is new, else the
 * last. Servers that give every call the same index are told by a name that comes with another id.
 */
function toolCallIndex(
  given: unknown,
  id: string | null,
  name: string | null,
  known: readonly (Call | undefined)[],
): number {
  const there = typeof given === "number" ? known[given] : undefined;
  const isAnother = there?.named === true && id !== null && name !== null && there.id !== id;
  const index = typeof given === "number" && !isAnother ? given : unnumberedIndex(id, name, known);
  if (!Number.isInteger(index) || index < 0 || index >= MAX_TOOL_CALLS)
    throw new RangeError(`tool call index ${index}`);
  return index;
}

function unnumberedIndex(id: string | null, name: string | null, known: readonly (Call | undefined)[]): number {
  const last = Math.max(0, known.length - 1);
  if (id === null) return name !== null && known[last]?.named === true ? known.length : last;
  const same = known.findIndex((call) => call?.id === id);
  return same >= 0 ? same : known.length;
}
