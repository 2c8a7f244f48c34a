// Asked text: what a chat or a completion asks of a model: the text to go on with, how, and what holds the answer.
import { err, ok, type Result } from "../../lib/result.ts";
import type { ChatBody, CompletionBody, GenerateRequest } from "../backend.ts";
import type { ChatPrompt } from "./chat-prompt.ts";
import { callGrammar, JSON_OBJECT_GRAMMAR, schemaGrammar } from "./json-grammar.ts";
import { type Format, readSampling, type Sampling } from "./sampling.ts";
import { endsThinking } from "./think-text.ts";
import { CALL_CLOSE, CALL_OPEN, readTools } from "./tool-calls.ts";

export type AskedText = {
  text: string;
  sampling: Sampling;
  stops: string[];
  /** GBNF that the answer must follow; null for free text. */
  grammar: string | null;
  /** The answer so far, at the end of `text`, where one is gone on with. */
  begun: string;
  /** Tool calls are looked for in the answer. */
  tools: boolean;
  /** Thoughts are looked for at its beginning; `opened`: the text ends inside them. */
  thoughts: { opened: boolean } | null;
  completion: boolean;
};

export type AskedDeps = { prompt: ChatPrompt; hasTools: boolean; thinks: boolean; defaultTemperature: number };

/** The error is a sentence for the client. */
export function readAsked(
  request: Exclude<GenerateRequest, { task: "embedding" }>,
  deps: AskedDeps,
): Result<AskedText, string> {
  const sampling = readSampling(request.body, deps.defaultTemperature);
  if (!sampling.ok) return sampling;
  return request.task === "chat"
    ? readChat(request.body, sampling.value, deps)
    : readCompletion(request.body, sampling.value);
}

function readChat(
  body: ChatBody,
  sampling: Sampling,
  { prompt, hasTools, thinks }: AskedDeps,
): Result<AskedText, string> {
  const tools = readTools(body, hasTools);
  if (!tools.ok) return tools;
  const forced = tools.value?.forced ?? null;
  if (forced !== null && sampling.format.type === "json")
    return err("response_format and a tool that must be called do not go together");
  // What must keep to a form has no room for thoughts.
  const isHeld = forced !== null || sampling.format.type === "json";
  const rendered = prompt.render(body.messages, {
    tools: tools.value?.tools ?? null,
    thinking: isHeld || body.reasoning_effort === "none" ? false : null,
  });
  if (!rendered.ok) return rendered;
  const grammar =
    forced === null ? grammarOf(sampling.format) : callGrammar(forced, `${CALL_OPEN}\n`, `\n${CALL_CLOSE}`);
  if (!grammar.ok) return err(`response_format or tools: ${grammar.error}`);
  return ok({
    text: rendered.value.text,
    sampling,
    stops: [...sampling.stops, ...prompt.stops],
    grammar: grammar.value,
    begun: rendered.value.continued,
    tools: tools.value !== null,
    thoughts:
      thinks && !isHeld && rendered.value.continued === "" ? { opened: endsThinking(rendered.value.text) } : null,
    completion: false,
  });
}

/** The prompt as it is: no template, no turns. */
function readCompletion(body: CompletionBody, sampling: Sampling): Result<AskedText, string> {
  const { suffix, echo, best_of: best, prompt } = body;
  if (prompt === "") return err("prompt must not be empty");
  if (typeof suffix === "string" && suffix !== "") return err("the embedded engine cannot fill in before a suffix");
  if (echo === true) return err("the embedded engine does not echo the prompt: echo must be false");
  if (typeof best === "number" && best > 1) return err("the embedded engine has no best_of");
  if (sampling.format.type === "json") return err("completions have no response_format here: ask by chat");
  const { stops } = sampling;
  return ok({
    text: prompt,
    sampling,
    stops,
    grammar: null,
    begun: "",
    tools: false,
    thoughts: null,
    completion: true,
  });
}

function grammarOf(format: Format): Result<string | null, string> {
  if (format.type === "text") return ok(null);
  return format.schema === null ? ok(JSON_OBJECT_GRAMMAR) : schemaGrammar(format.schema);
}
