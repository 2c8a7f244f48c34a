// Job spec: what a chat request asks of the jobs domain.
import type { JobSpec } from "../../jobs/job.ts";
import type { Strategy } from "../../scheduler/choose.ts";
import type { Caller } from "../client-auth.ts";
import { type ChatRequest, textLength } from "./chat-request.ts";

export type SpecDefaults = { maxTokens: number; strategy: Strategy };

/** No tokenizer packs more text into one token than this, so that nothing is refused that could fit. */
const MOST_CHARS_PER_TOKEN = 32;
/** A usual token, for sharing out the queue. */
const CHARS_PER_TOKEN = 4;
const MAX_COST = 1_000_000;

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
  return {
    kind,
    task: "chat",
    accountId: caller.accountId,
    keyId: caller.keyId,
    fairKey: caller.fairKey,
    model: request.model,
    stream: request.stream === true,
    bodyJson,
    maxTokens,
    defaultMaxTokens: asked === null,
    choices,
    strategy: defaults.strategy,
    minContext: Math.floor(chars / MOST_CHARS_PER_TOKEN) + 1,
    structured: request.response_format != null && request.response_format.type !== "text",
    repeatable: request.temperature === 0 || request.seed != null,
    ...(trail !== undefined && trail.hops > 0 ? { trail } : {}),
    cost: Math.min(MAX_COST, Math.ceil(chars / CHARS_PER_TOKEN) + maxTokens * choices),
  };
}
