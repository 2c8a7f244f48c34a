// Form: what the playground's form says, as the requests that an API client would have written. All of a conversation is
// in the form, so that nothing of it is kept here.
import { z } from "zod";
import type { ErrorCode } from "../../http/errors.ts";
import { bodyFields } from "../../http/human/answers.ts";
import { type ChatRequest, chatRequestSchema, check, parsePlainJson } from "../../http/openai/chat-request.ts";
import type { HumanCall } from "../../http/routes.ts";
import { err, ok, type Result } from "../../lib/result.ts";

export type Side = 0 | 1;
export type Message = { role: "user" | "assistant"; content: string };

/** Longest message and system prompt, in UTF-16 units. */
export const MAX_TEXT = 32 * 1024;
/** Of one conversation, in UTF-16 units: what is older is not sent any more. */
export const MAX_HISTORY = 96 * 1024;
/** Two conversations, each unit of them as many bytes as a form makes of it on average, and the rest. */
export const MAX_FORM_BYTES = 1024 * 1024;

/** What is left out of a request, since it is so anyway. */
export const DEFAULTS = { temperature: 0.7, top_p: 1, max_tokens: 1024 } as const;

const numberText = z
  .string()
  .max(32)
  .transform((text) => (text.trim() === "" ? undefined : Number(text)))
  .pipe(z.number("must be a number").optional())
  .optional();
const shortText = z
  .string()
  .trim()
  .max(256)
  .transform((text) => (text === "" ? undefined : text))
  .optional();
const message = z.object({ role: z.enum(["user", "assistant"]), content: z.string() });
const history = z
  .string()
  .max(MAX_HISTORY * 2)
  .transform((text, context) => {
    const json = parsePlainJson(text === "" ? "[]" : text);
    const messages = json.ok ? z.array(message).max(1_000).safeParse(json.value) : undefined;
    if (messages?.success) return messages.data;
    context.addIssue({ code: "custom", message: "the conversation cannot be read: clear it" });
    return z.NEVER;
  })
  .default([]);
const turnId = z.union([z.uuid(), z.literal("")]).optional();

const formSchema = z.object({
  model0: z.string().trim().min(1, "choose a model").max(256),
  model1: z.string().trim().max(256).optional(),
  history0: history,
  history1: history,
  last0: turnId,
  last1: turnId,
  message: z.string().max(MAX_TEXT, `may have ${MAX_TEXT} characters`).default(""),
  system: z.string().max(MAX_TEXT, `may have ${MAX_TEXT} characters`).default(""),
  strategy: shortText,
  pool: shortText,
  temperature: numberText,
  top_p: numberText,
  max_tokens: numberText,
  seed: numberText,
  stop: z.string().max(4_096).default(""),
  json: z.string().max(8).optional(),
  /** Asks for the last answer anew. */
  again: z.string().max(8).optional(),
});
export type Form = z.infer<typeof formSchema>;

/** What one model is asked. */
export type Asking = {
  side: Side;
  /** What it is asked now. */
  message: string;
  /** What was said before. */
  before: readonly Message[];
  /** The turn that this one takes the place of; null where it follows it. */
  instead: string | null;
  request: ChatRequest;
  bodyJson: string;
};
export type FormFault = { code: ErrorCode; message: string };

/** The requests that the form asks for, one for each model. */
export function readForm(call: HumanCall, strategy: string): Result<{ form: Form; asking: Asking[] }, FormFault> {
  const form = check(formSchema, bodyFields(call));
  if (!form.ok) return err(form.error);
  const { model0, model1, last0, last1, history0, history1, again } = form.value;
  const sides = [
    { side: 0, model: model0, said: history0, last: last0 },
    ...(model1 ? [{ side: 1, model: model1, said: history1, last: last1 } as const] : []),
  ] as const;
  const asking: Asking[] = [];
  for (const { side, model, said, last } of sides) {
    const anew = again === undefined ? undefined : (lastQuestion(said) ?? lastQuestion(history0));
    const asked = again === undefined ? form.value.message.trim() : (anew ?? "");
    if (asked === "") return err({ code: "invalid_value", message: "write a message first" });
    const before = answered(said, again !== undefined);
    const body = bodyOf(form.value, model, [...before, { role: "user", content: asked }], strategy);
    const request = check(chatRequestSchema, body);
    if (!request.ok) return err(request.error);
    const instead = again !== undefined && last ? last : null;
    asking.push({ side, message: asked, before, instead, request: request.value, bodyJson: JSON.stringify(body) });
  }
  return ok({ form: form.value, asking });
}

const lastQuestion = (said: readonly Message[]): string | undefined =>
  said.findLast(({ role }) => role === "user")?.content;

/** The conversation as far as it was answered; with `less`, without its last turn. A question without an answer is none. */
function answered(said: readonly Message[], less: boolean): Message[] {
  const end = said.findLastIndex(({ role }) => role === "assistant") + 1;
  if (!less || end < said.length) return said.slice(0, end);
  return said.slice(
    0,
    Math.max(
      0,
      said.findLastIndex(({ role }) => role === "user"),
    ),
  );
}

/** OpenAI's request. `web/assets/playground.js` writes the same, to show it. */
function bodyOf(form: Form, model: string, said: readonly Message[], strategy: string): Record<string, unknown> {
  const { system, temperature, top_p, max_tokens, seed, json, pool } = form;
  const stops = form.stop.split(/\r?\n/).filter((stop) => stop !== "");
  const wished = { strategy: form.strategy === strategy ? undefined : form.strategy, pool };
  return {
    model,
    messages: [...(system.trim() === "" ? [] : [{ role: "system", content: system }]), ...said],
    stream: true,
    ...(max_tokens === undefined ? {} : { max_tokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(top_p === undefined || top_p === DEFAULTS.top_p ? {} : { top_p }),
    ...(seed === undefined ? {} : { seed }),
    ...(stops.length === 0 ? {} : { stop: stops }),
    ...(json === undefined ? {} : { response_format: { type: "json_object" } }),
    ...((wished.strategy ?? pool) ? { infernet: wished } : {}),
  };
}

/** The newest of a conversation that fit into a form; a whole turn or none. */
export function bounded(messages: readonly Message[]): Message[] {
  let left = MAX_HISTORY;
  let from = messages.length;
  for (let i = messages.length - 1; i >= 0; i--) {
    const { role, content } = messages[i] ?? { role: "user", content: "" };
    left -= content.length;
    if (left < 0) break;
    if (role === "user") from = i;
  }
  return messages.slice(from);
}
