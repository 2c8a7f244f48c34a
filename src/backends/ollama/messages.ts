// Messages: OpenAI's messages in the words of Ollama's `/api/chat`.
import { err, ok, type Result } from "../../lib/result.ts";
import { isRecord } from "../record.ts";

export type Message = Record<string, unknown> & { role: string; content: string };

/** The error is a sentence for the client. `sees`: the model takes pictures; without, Ollama drops them silently. */
export function readMessages(list: unknown, sees: boolean): Result<Message[], string> {
  if (!Array.isArray(list) || list.length === 0) return err("messages must not be empty");
  const messages: Message[] = [];
  /** Tool results name their call by id at OpenAI's, by the function's name at Ollama's. */
  const toolNames = new Map<string, string>();
  for (const [i, item] of list.entries()) {
    if (!isRecord(item) || typeof item.role !== "string") return err(`messages[${i}] has no role`);
    const content = readContent(item.content);
    if (typeof content === "string") return err(`messages[${i}]: ${content}`);
    if (content.images.length > 0 && !sees) return err(`messages[${i}]: this model does not take pictures`);
    const message: Message = {
      role: item.role === "developer" ? "system" : item.role,
      content: content.text,
    };
    if (content.images.length > 0) message.images = content.images;
    if (Array.isArray(item.tool_calls)) message.tool_calls = readToolCalls(item.tool_calls, toolNames);
    const name = typeof item.tool_call_id === "string" ? toolNames.get(item.tool_call_id) : undefined;
    if (name !== undefined) message.tool_name = name;
    if (typeof item.reasoning_content === "string") message.thinking = item.reasoning_content;
    messages.push(message);
  }
  return ok(messages);
}

/** Text and pictures of a message; a sentence where a part cannot be carried. */
function readContent(content: unknown): { text: string; images: string[] } | string {
  if (content === undefined || content === null) return { text: "", images: [] };
  if (typeof content === "string") return { text: content, images: [] };
  if (!Array.isArray(content)) return "content must be text or a list of parts";
  const texts: string[] = [];
  const images: string[] = [];
  for (const part of content) {
    if (!isRecord(part)) return "a part of content is not an object";
    if (typeof part.text === "string") texts.push(part.text);
    else {
      const url = isRecord(part.image_url) ? part.image_url.url : part.image_url;
      const data = typeof url === "string" ? /^data:[^,]*;base64,(.+)$/s.exec(url)?.[1] : undefined;
      if (data === undefined) return `Ollama takes text and pictures as data: URLs only, not ${partName(part, url)}`;
      images.push(data);
    }
  }
  return { text: texts.join("\n"), images };
}

function partName(part: Record<string, unknown>, url: unknown): string {
  if (typeof url === "string") return "a picture's address";
  return `a part of type ${JSON.stringify(part.type ?? null).slice(0, 64)}`;
}

/** Earlier calls of the assistant: arguments are an object at Ollama's. */
function readToolCalls(calls: unknown[], names: Map<string, string>): unknown[] {
  const made: unknown[] = [];
  for (const call of calls) {
    const fn = isRecord(call) && isRecord(call.function) ? call.function : null;
    if (!isRecord(call) || fn === null || typeof fn.name !== "string") continue;
    if (typeof call.id === "string") names.set(call.id, fn.name);
    made.push({ function: { name: fn.name, arguments: parseArguments(fn.arguments) } });
  }
  return made;
}

function parseArguments(text: unknown): unknown {
  if (typeof text !== "string") return text ?? {};
  try {
    const parsed: unknown = JSON.parse(text);
    return isRecord(parsed) ? parsed : { raw: text };
  } catch {
    return { raw: text }; // A model wrote it, and models write broken JSON.
  }
}

/** The text that is to be gone on with: the last message's, where it is the assistant's and calls no tool. */
export function unfinishedAnswer(messages: readonly Message[]): string | null {
  const last = messages.at(-1);
  return last?.role === "assistant" && last.tool_calls === undefined ? last.content : null;
}
