// Chat prompt: turns messages into the text a model was trained on, by the model's own template (Jinja, in the GGUF's
// `tokenizer.chat_template`) or a plain form where it has none.
import { Template } from "@huggingface/jinja";
import { err, ok, type Result } from "../../lib/result.ts";
import { isRecord } from "../record.ts";

export type ChatPrompt = {
  /** Renders messages; the error is a sentence for the client. */
  render(messages: unknown[]): Result<string, string>;
  /** Strings that end a turn beside the model's own end tokens. */
  stops: string[];
};

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant\n'}}{% endif %}";
const PLAIN =
  "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

/** What the template can ask of the model's vocabulary. */
export type PromptTokens = { eos: string; knowsChatMl: boolean };

/** `template` null: ChatML where the vocabulary has its marks, else `role: text` lines. Throws on a bad template. */
export function chatPrompt(template: string | null, tokens: PromptTokens): ChatPrompt {
  const source = template ?? (tokens.knowsChatMl ? CHATML : PLAIN);
  const compiled = new Template(source);
  const stops = source === PLAIN ? ["\nuser:", "\nsystem:"] : [];
  const renderAll = (messages: Message[]): string =>
    // The engine puts the beginning mark itself, where the model wants one.
    compiled.render({ messages, add_generation_prompt: true, bos_token: "", eos_token: tokens.eos });
  return {
    stops,
    render(list) {
      const messages = readMessages(list);
      if (!messages.ok) return messages;
      const last = messages.value.at(-1);
      const continued = last?.role === "assistant" ? last.content : null;
      const turns = continued === null ? messages.value : messages.value.slice(0, -1);
      try {
        // An assistant's message at the end is gone on with: its turn is opened and not closed.
        return ok(renderAll(turns) + (continued ?? ""));
      } catch (thrown) {
        return err(
          `the model's chat template refuses these messages: ${thrown instanceof Error ? thrown.message : thrown}`,
        );
      }
    },
  };
}

type Message = Record<string, unknown> & { role: string; content: string };

function readMessages(list: unknown[]): Result<Message[], string> {
  if (list.length === 0) return err("messages must not be empty");
  const messages: Message[] = [];
  for (const [i, item] of list.entries()) {
    if (!isRecord(item) || typeof item.role !== "string") return err(`messages[${i}] has no role`);
    const content = readContent(item.content);
    if (content === null) return err(`messages[${i}]: this model reads text only`);
    messages.push({ ...item, role: item.role === "developer" ? "system" : item.role, content });
  }
  return ok(messages);
}

/** OpenAI's content: text, null, or a list of parts of which only text can be read here. */
function readContent(content: unknown): string | null {
  if (content === undefined || content === null) return "";
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return null;
  const parts: string[] = [];
  for (const part of content) {
    if (!isRecord(part) || typeof part.text !== "string") return null;
    parts.push(part.text);
  }
  return parts.join("");
}
