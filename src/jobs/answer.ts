// Answer: folds the pieces of a stream into the whole message that a client gets who did not ask for a stream.
import type { Delta, FinishReason } from "../protocol/generation.ts";

/** OpenAI's `choices[].message.tool_calls[]`. */
export type ToolCall = { id: string; type: "function"; function: { name: string; arguments: string } };

export type Choice = {
  index: number;
  message: {
    role: "assistant";
    content: string | null;
    refusal: string | null;
    reasoning_content?: string;
    tool_calls?: ToolCall[];
  };
  logprobs: unknown;
  finish_reason: FinishReason;
};

type Part = {
  content: string[];
  reasoning: string[];
  refusal: string[];
  tools: Map<number, { id: string; name: string; arguments: string[] }> | null;
  logprobs: Map<string, unknown[]> | null;
};

export type Answer = {
  add(deltas: readonly Delta[]): void;
  /** All choices, by index. A choice that never ended counts as stopped. */
  choices(finish: readonly { index: number; reason: FinishReason }[]): Choice[];
  clear(): void;
};

export function answer(): Answer {
  /** By choice index; most answers have one. */
  let parts: (Part | undefined)[] = [];
  const partOf = (index: number): Part => {
    const known = parts[index];
    if (known) return known;
    const part: Part = { content: [], reasoning: [], refusal: [], tools: null, logprobs: null };
    parts[index] = part;
    return part;
  };
  return {
    add(deltas) {
      for (const delta of deltas) addTo(partOf(delta.index ?? 0), delta);
    },
    choices(finish) {
      for (const end of finish) partOf(end.index);
      if (parts.length === 0) partOf(0);
      return parts.flatMap((part, index) =>
        part ? choice(index, part, finish.find((end) => end.index === index)?.reason ?? "stop") : [],
      );
    },
    clear() {
      parts = [];
    },
  };
}

function addTo(part: Part, delta: Delta): void {
  if (delta.content !== undefined) part.content.push(delta.content);
  if (delta.reasoning_content !== undefined) part.reasoning.push(delta.reasoning_content);
  if (delta.refusal !== undefined) part.refusal.push(delta.refusal);
  for (const call of delta.tool_calls ?? []) {
    part.tools ??= new Map();
    const tool = part.tools.get(call.index) ?? { id: "", name: "", arguments: [] };
    part.tools.set(call.index, tool);
    tool.id ||= call.id ?? "";
    tool.name ||= call.function?.name ?? "";
    if (call.function?.arguments) tool.arguments.push(call.function.arguments);
  }
  // OpenAI's logprobs object holds lists ("content", "refusal"), one entry a token: they are strung together.
  if (typeof delta.logprobs === "object" && delta.logprobs !== null) {
    for (const [key, list] of Object.entries(delta.logprobs)) {
      part.logprobs ??= new Map();
      if (Array.isArray(list)) part.logprobs.set(key, (part.logprobs.get(key) ?? []).concat(list));
    }
  }
}

function choice(index: number, part: Part, reason: FinishReason): Choice {
  const tools = [...(part.tools ?? [])]
    .sort(([a], [b]) => a - b)
    .map(
      ([, tool]): ToolCall => ({
        id: tool.id,
        type: "function",
        function: { name: tool.name, arguments: tool.arguments.join("") },
      }),
    );
  const content = part.content.join("");
  const reasoning = part.reasoning.join("");
  return {
    index,
    message: {
      role: "assistant",
      content: content === "" && tools.length > 0 ? null : content,
      refusal: part.refusal.join("") || null,
      ...(reasoning ? { reasoning_content: reasoning } : {}),
      ...(tools.length > 0 ? { tool_calls: tools } : {}),
    },
    logprobs: part.logprobs && part.logprobs.size > 0 ? Object.fromEntries(part.logprobs) : null,
    finish_reason: reason,
  };
}
