// Job spec: what a chat request asks of the jobs domain.
import { type AffinityKeys, affinityKeys, MIN_PREFIX_CHARS, type Said } from "../../jobs/affinity.ts";
import type { JobSpec } from "../../jobs/job.ts";
import type { Strategy } from "../../scheduler/choose.ts";
import { featureBits } from "../../scheduler/wishes.ts";
import type { Caller } from "../client-auth.ts";
import { type ChatRequest, textLength } from "./chat-request.ts";
import { isImage, needsOf, sessionOf, wishesOf } from "./wishes.ts";

export type SpecDefaults = {
  maxTokens: number;
  strategy: Strategy;
  /** Most tokens of an image. */
  tokensPerImage: number;
};

/** No tokenizer packs more text into one token than this, so that nothing is refused that could fit. */
const MOST_CHARS_PER_TOKEN = 32;
/** A usual token, for sharing out the queue and for choosing a node with room. */
const CHARS_PER_TOKEN = 4;
/** What a chat template adds to a message, and what an image takes, by estimate. */
const TOKENS_PER_MESSAGE = 8;
/** And at the most. */
const MAX_TOKENS_PER_MESSAGE = 64;
const TOKENS_PER_IMAGE = 1_000;
const MAX_COST = 1_000_000;

const VISION = featureBits(["vision"]);

export function jobSpec(
  kind: JobSpec["kind"],
  request: ChatRequest,
  bodyJson: string,
  caller: Caller,
  defaults: SpecDefaults,
): JobSpec {
  const chars = textLength(request.messages);
  const asked = request.max_completion_tokens ?? request.max_tokens ?? null;
  const maxTokens = asked ?? defaults.maxTokens;
  const choices = request.n ?? 1;
  const { trail } = caller;
  const needs = needsOf(request);
  const images = (needs & VISION) === 0 ? 0 : countImages(request.messages);
  const prompt = chars / CHARS_PER_TOKEN + TOKENS_PER_MESSAGE * request.messages.length + TOKENS_PER_IMAGE * images;
  return {
    kind,
    task: "chat",
    accountId: caller.accountId,
    keyId: caller.keyId,
    fairKey: caller.fairKey,
    model: request.model,
    fallbacks: request.models ?? [],
    allowed: caller.models ?? null,
    stream: request.stream === true,
    bodyJson,
    maxTokens,
    defaultMaxTokens: asked === null,
    promptGuess: Math.ceil(images === 0 ? bodyJson.length / CHARS_PER_TOKEN : prompt + toolTokens(request)),
    promptExtra: MAX_TOKENS_PER_MESSAGE * request.messages.length + defaults.tokensPerImage * images,
    budgets: caller.budgets ?? NO_BUDGETS,
    choices,
    wishes: wishesOf(request, needs, caller, defaults.strategy),
    minContext: Math.floor(chars / MOST_CHARS_PER_TOKEN) + 1,
    wantContext: Math.ceil(prompt) + maxTokens,
    affinity: affinityOf(request, caller, chars),
    structured: request.response_format != null && request.response_format.type !== "text",
    repeatable: request.temperature === 0 || request.seed != null,
    ...(trail !== undefined && trail.hops > 0 ? { trail } : {}),
    cost: Math.min(MAX_COST, Math.ceil(chars / CHARS_PER_TOKEN) + maxTokens * choices),
    reserved: null,
  };
}

/** What the descriptions of its tools take, by estimate. */
const toolTokens = ({ tools }: ChatRequest): number => (tools ? JSON.stringify(tools).length / CHARS_PER_TOKEN : 0);

const NO_BUDGETS: JobSpec["budgets"] = [];

function countImages(messages: ChatRequest["messages"]): number {
  let count = 0;
  for (const { content } of messages) if (Array.isArray(content)) count += content.filter(isPicture).length;
  return count;
}
const isPicture = ({ type }: { type: string }): boolean => isImage(type);

/** Neither a session nor a beginning worth finding again: nothing to look for. */
function affinityOf(request: ChatRequest, caller: Caller, chars: number): AffinityKeys | null {
  const session = sessionOf(request, caller);
  if (session === null && chars < MIN_PREFIX_CHARS) return null;
  const keys = affinityKeys(caller.accountId, session, said(request.messages));
  return session === null && keys.prefixes.length === 0 ? null : keys;
}

function* said(messages: ChatRequest["messages"]): Generator<Said> {
  for (const { role, content } of messages) yield { role, texts: textsOf(content) };
}

function textsOf(content: ChatRequest["messages"][number]["content"]): string[] {
  if (typeof content === "string") return [content];
  return (content ?? []).flatMap(({ text }) => (typeof text === "string" ? [text] : []));
}
