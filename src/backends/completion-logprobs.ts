// Completion logprobs: the older form that `/v1/completions` uses (OpenAI: `choices[].logprobs` with four lists), made
// from the newer one of chats.
import { isRecord } from "./record.ts";

/** One token as chats tell it (OpenAI: `choices[].logprobs.content[]`). */
export type TokenLogprob = {
  token: string;
  logprob: number;
  /** Its UTF-8 bytes; null where they are not known. */
  bytes: number[] | null;
  top_logprobs: Omit<TokenLogprob, "top_logprobs">[];
};

export type CompletionLogprobs = {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[];
  /** Where each token begins in the answer, in UTF-16 units. */
  text_offset: number[];
};

/** `offset`: where the first of them begins. What is no token is left out. */
export function completionLogprobs(content: readonly unknown[], offset: number): CompletionLogprobs {
  const lists: CompletionLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
  let at = offset;
  for (const entry of content) {
    if (!isRecord(entry) || typeof entry.token !== "string") continue;
    lists.tokens.push(entry.token);
    lists.token_logprobs.push(numberOrNull(entry.logprob));
    lists.top_logprobs.push(topOf(entry.top_logprobs));
    lists.text_offset.push(at);
    at += entry.token.length;
  }
  return lists;
}

const numberOrNull = (value: unknown): number | null => (typeof value === "number" ? value : null);

function topOf(list: unknown): Record<string, number> | null {
  if (!Array.isArray(list)) return null;
  const pairs = list
    .filter(isRecord)
    .flatMap(({ token, logprob }): [string, number][] =>
      typeof token === "string" && typeof logprob === "number" ? [[token, logprob]] : [],
    );
  return Object.fromEntries(pairs);
}
