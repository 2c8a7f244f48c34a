// Continuation: how an answer that a reader has begun to see goes on at another node, without a gap and without
// repetition. Pure: it keeps account of what was shown and joins what comes next to it.
import { MAX_COORDINATOR_MESSAGE_BYTES } from "../protocol/frames.ts";
import { type Delta, isPlain } from "../protocol/generation.ts";
import type { JobSpec } from "./job.ts";

/**
 * `continue`: the node is given the text so far and writes on from its end. `replay`: it answers anew, and what is known
 * already is held back; this only works where the same request gives the same answer.
 */
export type TakeOver = "continue" | "replay";

/** What readers have of an answer's only choice. */
export type Shown = {
  /** Pieces that nodes gave to make it, about one a token. */
  pieces: number;
  text: string;
  reasoning: string;
  /** OpenAI's `tool_calls`, by index. */
  calls: Map<number, { name: string; arguments: string }>;
  /** Something beside these: it cannot be told what a repetition would be. */
  other: boolean;
};

export const nothingShown = (): Shown => ({ pieces: 0, text: "", reasoning: "", calls: new Map(), other: false });

/** The answer has begun, but with nothing in it yet: as good as not begun. */
export const isNothing = ({ text, reasoning, calls, other }: Shown): boolean =>
  text === "" && reasoning === "" && calls.size === 0 && !other;

/** No context takes more than this, in UTF-16 units: an answer so long is not kept for another node. */
const MAX_SHOWN_CHARS = 4 * 1024 * 1024;

/** Adds what is being shown. */
export function noteShown(shown: Shown, deltas: readonly Delta[]): void {
  if (shown.other) return;
  for (const delta of deltas) {
    if (isPlain(delta)) shown.text += delta.content;
    else noteRich(shown, delta);
  }
  if (shown.other || shown.text.length + shown.reasoning.length > MAX_SHOWN_CHARS) {
    Object.assign(shown, { ...nothingShown(), pieces: shown.pieces, other: true });
  }
}

function noteRich(shown: Shown, delta: Delta): void {
  if ((delta.index ?? 0) !== 0 || delta.refusal || delta.embedding !== undefined) shown.other = true;
  shown.text += delta.content ?? "";
  shown.reasoning += delta.reasoning_content ?? "";
  for (const { index, function: called } of delta.tool_calls ?? []) {
    const call = shown.calls.get(index) ?? { name: "", arguments: "" };
    call.name += called?.name ?? "";
    call.arguments += called?.arguments ?? "";
    shown.calls.set(index, call);
  }
}

/** A dispatch that no node's end of a link takes would cost the node its link. A character is six at most, as JSON. */
const MOST_SENT_CHARS = MAX_COORDINATOR_MESSAGE_BYTES - 64 * 1024;
const CHARS_WRITTEN = 6;

/** The ways in which this answer can be taken over, best first; or why there is none. */
export function waysToTakeOver(
  spec: Pick<JobSpec, "task" | "choices" | "structured" | "repeatable" | "bodyJson">,
  shown: Shown,
): readonly TakeOver[] | string {
  if (spec.task === "embedding") return "embeddings are not continued";
  if (isNothing(shown)) return ["replay"];
  if (spec.choices > 1) return "several choices at once cannot be continued";
  if (shown.other) return "it holds more than text and tool calls, or is too long";
  const replay: TakeOver[] = spec.repeatable ? ["replay"] : [];
  // A grammar would begin anew in the middle of the document.
  if (spec.structured)
    return spec.repeatable ? replay : "an answer in a fixed format can only be repeated at temperature 0";
  const fits = spec.bodyJson.length + CHARS_WRITTEN * shown.text.length <= MOST_SENT_CHARS;
  if (!fits) return spec.repeatable ? replay : "it and its request are longer than a link carries";
  if (shown.text !== "" || shown.calls.size > 0) return ["continue", ...replay];
  return spec.repeatable ? replay : "only its reasoning had begun, which no backend continues";
}

/** The text a node is given to continue, and the rest of what was shown, which it will begin with if it agrees. */
export type Cut = { answered: string; rest: string };

/**
 * Cuts before trailing white space, since chat templates trim it and models write it at the head of the next token, and
 * never inside a character.
 */
export function cut(text: string): Cut {
  const end = text.trimEnd().length;
  const whole = end > 0 && isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end;
  return { answered: text.slice(0, whole), rest: text.slice(whole) };
}

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff;

/** Joins an attempt's output to what was shown before it. */
export type Seam = {
  /** The same deltas, in number and order, without what was shown already; or why they do not belong to it. */
  join(deltas: readonly Delta[]): Delta[] | string;
  /** Why the attempt may not end here, if so: it has not come as far as what was shown. */
  ends(): string | undefined;
};

const NOTHING: Delta = { content: "" };

export function seam(how: TakeOver, shown: Shown): Seam {
  const isReplay = how === "replay";
  let text = isReplay ? shown.text : cut(shown.text).rest;
  let reasoning = isReplay ? shown.reasoning : "";
  const calls = new Map([...shown.calls].map(([index, call]) => [index, { ...call }]));
  const hasText = shown.text !== "";
  const different = "the other node answered differently";

  const joinText = (content: string): string | null => {
    const length = Math.min(text.length, content.length);
    if (text.slice(0, length) === content.slice(0, length)) {
      text = text.slice(length);
      return content.slice(length);
    }
    if (isReplay) return null;
    // White space that it does without, or does otherwise: readers have theirs.
    let same = 0;
    while (text[same] === content[same]) same++;
    text = "";
    return content.slice(same);
  };
  const joinReasoning = (content: string): string | null => {
    // A continued answer is past its reasoning.
    if (!isReplay) return hasText || calls.size > 0 ? "" : content;
    const length = Math.min(reasoning.length, content.length);
    if (reasoning.slice(0, length) !== content.slice(0, length)) return null;
    reasoning = reasoning.slice(length);
    return content.slice(length);
  };
  const joinRich = (delta: Delta): Delta | null => {
    const { content, reasoning_content, tool_calls, logprobs, ...rest } = delta;
    const joined: Delta = { ...rest };
    if (content !== undefined) {
      const left = joinText(content);
      if (left === null) return null;
      if (left !== "") joined.content = left;
    }
    if (reasoning_content !== undefined) {
      const left = joinReasoning(reasoning_content);
      if (left === null) return null;
      if (left !== "") joined.reasoning_content = left;
    }
    if (tool_calls !== undefined) {
      const left = tool_calls.map((call) => joinCall(calls, call));
      if (left.includes(null)) return null;
      const news = left.filter((call) => call !== null && call !== undefined);
      if (news.length > 0) joined.tool_calls = news;
    }
    const isKnown = Object.keys(joined).every((key) => key === "index");
    // The probabilities of what was shown already were shown with it.
    if (logprobs !== undefined && !isKnown) joined.logprobs = logprobs;
    return isKnown ? NOTHING : joined;
  };

  return {
    join(deltas) {
      const joined: Delta[] = [];
      for (const delta of deltas) {
        const next = text === "" && isPlain(delta) ? delta : joinRich(delta);
        if (next === null) return different;
        joined.push(next);
      }
      return joined;
    },
    ends() {
      const isBehind = (isReplay && (text !== "" || reasoning !== "")) || [...calls.values()].some(isLeft);
      return isBehind ? different : undefined;
    },
  };
}

type CallDelta = NonNullable<Delta["tool_calls"]>[number];
type Left = { name: string; arguments: string };
const isLeft = (call: Left): boolean => call.name !== "" || call.arguments !== "";

/** What is new in a fragment of a tool call; undefined where nothing is, null where it is another call. */
function joinCall(calls: Map<number, Left>, call: CallDelta): CallDelta | null | undefined {
  const known = calls.get(call.index);
  if (known === undefined) return call;
  const { name = "", arguments: given = "" } = call.function ?? {};
  const left = { name: dropKnown(known, "name", name), arguments: dropKnown(known, "arguments", given) };
  if (left.name === null || left.arguments === null) return null;
  if (left.name === "" && left.arguments === "") return undefined;
  // Its id was shown, and is another one now.
  return {
    index: call.index,
    function: {
      ...(left.name === "" ? {} : { name: left.name }),
      ...(left.arguments === "" ? {} : { arguments: left.arguments }),
    },
  };
}

function dropKnown(known: Left, field: keyof Left, given: string): string | null {
  const length = Math.min(known[field].length, given.length);
  if (known[field].slice(0, length) !== given.slice(0, length)) return null;
  known[field] = known[field].slice(length);
  return given.slice(length);
}
