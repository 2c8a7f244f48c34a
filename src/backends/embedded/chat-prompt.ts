// Chat prompt: turns messages into the text a model was trained on, by the model's own template (Jinja, in the GGUF's
// `tokenizer.chat_template`) or a plain form where it has none.
import { Template } from "@huggingface/jinja";
import { err, ok, type Result } from "../../lib/result.ts";
import { isRecord } from "../record.ts";
import { endsThinking, THOUGHTS_END } from "./think-text.ts";

export type ChatPrompt = {
  /** Renders messages, and the tools where the template knows any; the error is a sentence for the client. */
  render(messages: unknown[], options?: RenderOptions): Result<RenderedChat, string>;
  /** Strings that end a turn beside the model's own end tokens. */
  stops: string[];
};

export type RenderOptions = {
  tools?: unknown[] | null;
  /** Whether the model is to think first, where its template lets one choose (`enable_thinking`); null leaves it open. */
  thinking?: boolean | null;
};

export type RenderedChat = {
  text: string;
  /** The unfinished answer at the end of `text`; "" where a new one begins. */
  continued: string;
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
  const renderAll = (messages: Message[], { tools = null, thinking = null }: RenderOptions): string =>
    // The engine puts the beginning mark itself, where the model wants one.
    compiled.render({
      messages,
      ...(tools === null ? {} : { tools }),
      ...(thinking === null ? {} : { enable_thinking: thinking }),
      add_generation_prompt: true,
      bos_token: "",
      eos_token: tokens.eos,
    });
  return {
    stops,
    render(list, options = {}) {
      const messages = readMessages(list);
      if (!messages.ok) return messages;
      const last = messages.value.at(-1);
      const isBegun = last?.role === "assistant" && last.tool_calls === undefined;
      const turns = isBegun ? messages.value.slice(0, -1) : messages.value;
      // An assistant's message at the end is gone on with, to the last space: its turn is opened and not closed.
      const continued = isBegun ? last.content : "";
      try {
        const opened = renderAll(turns, options);
        // Thoughts come before an answer, and this one has begun.
        const between = endsThinking(opened) && (continued !== "" || options.thinking === false) ? THOUGHTS_END : "";
        return ok({ text: opened + between + continued, continued });
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
    const message: Message = { ...item, role: item.role === "developer" ? "system" : item.role, content };
    if (Array.isArray(item.tool_calls)) message.tool_calls = item.tool_calls.map(withArguments);
    messages.push(message);
  }
  return ok(messages);
}

/** Templates take a call's arguments as an object, OpenAI's are its JSON text. */
function withArguments(call: unknown): unknown {
  const fn = isRecord(call) ? call.function : null;
  if (!isRecord(call) || !isRecord(fn) || typeof fn.arguments !== "string") return call;
  try {
    return { ...call, function: { ...fn, arguments: JSON.parse(fn.arguments) } };
  } catch {
    return call; // A model wrote it, and models write broken JSON.
  }
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
