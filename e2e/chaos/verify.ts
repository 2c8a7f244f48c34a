// Verify: what each answer should have been. At temperature 0 the engine's answer to a text is always the same, so an
// answer that several nodes gave is made again: each part from the text that its node was told to go on from.
import type { Client, JobView } from "../harness/client.ts";
import { fieldsOf, type Seen } from "./load.ts";

type Part = {
  outcome: string | null;
  took_over: "continue" | "replay" | null;
  pieces: number;
  bytes: number;
};
export type Verdict = { ok: true; takeOvers: number } | { ok: false; why: string };

type Run = { text: string; finishReason: string };

export function verifier(api: Client) {
  const runs = new Map<string, Promise<Run>>();
  /** The undisturbed answer; after `answered`, where something was answered already. */
  const run = (seen: Seen, answered: string, maxTokens: number): Promise<Run> => {
    const key = JSON.stringify([seen.prompt, answered, maxTokens]);
    const known = runs.get(key) ?? runUndisturbed(api, seen, answered, maxTokens);
    runs.set(key, known);
    return known;
  };

  return async (seen: Seen, job: JobView): Promise<Verdict> => {
    const attempts = job.attempts as (JobView["attempts"][number] & Part)[];
    const parts = attempts.slice(attempts.findLastIndex(({ took_over }) => took_over === null));
    let text = "";
    let pieces = 0;
    let finishReason = "length";
    for (const part of parts) {
      const isContinued = part.took_over === "continue";
      const answered = isContinued ? text.trimEnd() : "";
      const whole = await run(seen, answered, seen.maxTokens - (isContinued ? pieces : 0));
      const isWhole = part.outcome === "completed";
      const given = isWhole ? whole.text : firstBytes(whole.text, part.bytes);
      if (given === null) return { ok: false, why: `part ${JSON.stringify(part)} ends inside a character` };
      text = isContinued ? text + withoutHead(given, text.slice(answered.length)) : longer(text, given);
      pieces = isContinued ? pieces + part.pieces : Math.max(pieces, part.pieces);
      if (isWhole) finishReason = whole.finishReason;
    }
    if (text !== seen.text) {
      return {
        ok: false,
        why: `expected ${JSON.stringify(text)}, got ${JSON.stringify(seen.text)} ${JSON.stringify(parts)}`,
      };
    }
    if (seen.finishReason !== null && seen.finishReason !== finishReason) {
      return { ok: false, why: `finish_reason ${seen.finishReason} instead of ${finishReason}` };
    }
    return { ok: true, takeOvers: parts.filter(({ bytes }) => bytes > 0).length - 1 };
  };
}

async function runUndisturbed(api: Client, seen: Seen, answered: string, maxTokens: number): Promise<Run> {
  const fields = fieldsOf({ ...seen, maxTokens });
  const begun = answered === "" ? [] : [{ role: "assistant", content: answered }];
  const response = await api.chat({ ...fields, messages: [...fields.messages, ...begun] });
  if (response.status !== 200) throw new Error(`the undisturbed run failed: ${await response.text()}`);
  const { choices } = (await response.json()) as { choices: { message: { content: string }; finish_reason: string }[] };
  return { text: choices[0]?.message.content ?? "", finishReason: choices[0]?.finish_reason ?? "" };
}

/** Null where that is no whole character. */
function firstBytes(text: string, bytes: number): string | null {
  const head = Buffer.from(text).subarray(0, bytes).toString();
  return text.startsWith(head) ? head : null;
}

/** White space that is there already is not given again. */
function withoutHead(text: string, head: string): string {
  let same = 0;
  while (same < head.length && text[same] === head[same]) same++;
  return text.slice(same);
}

const longer = (a: string, b: string): string => (b.length > a.length ? b : a);
