// Story: what happened to a job, in words and in order: when it came, each try and why it went there, how that ended,
// what was carried over, and the end.

import type { Tone } from "../../../web/parts/parts.tsx";
import { dollars, duration, number, plural } from "../../../web/parts/text.tsx";
import type { AttemptRecord, JobError, JobErrorCode } from "../../jobs/job.ts";
import type { JobShown } from "./shown.ts";

/** A node, to be shown by its name and linked to its page. */
export type NodeRef = { node: string; name: string };
/** A text with nodes in it, and what backends said, which is quoted. */
export type Words = readonly (string | NodeRef | { quote: string })[];
export type Step = {
  /** Since the job was made. */
  ms: number;
  tone: Tone;
  icon: string;
  title: Words;
  words: Words;
  /** Of an error. */
  code?: string;
};

type Told = Pick<
  JobShown,
  | "model"
  | "state"
  | "live"
  | "nowMs"
  | "createdMs"
  | "endedMs"
  | "firstDeltaMs"
  | "attempts"
  | "error"
  | "finishReason"
  | "outputTokens"
  | "held"
  | "billing"
  | "receipts"
  | "waitsFor"
  | "key"
  | "kind"
>;

/** A wait shorter than this is none to speak of. */
const WAIT_MS = 100;

export function story(job: Told): Step[] {
  const since = (ms: number) => Math.max(0, ms - job.createdMs);
  const steps: Step[] = [beginning(job)];
  job.attempts.forEach((attempt, i) => {
    const before = job.attempts[i - 1];
    const gap = before?.ended_ms ? attempt.dispatched_ms - before.ended_ms : 0;
    if (before?.ended_ms && gap > WAIT_MS) {
      const words = [`For ${duration(gap)}, until a node could take it.`];
      steps.push({ ms: since(before.ended_ms), tone: "wait", icon: "wait", title: ["Waited for the next try"], words });
    }
    steps.push(trying(attempt, before, since));
    if (attempt.first_delta_ms !== null && attempt.took_over === null) {
      const ms = attempt.first_delta_ms - attempt.dispatched_ms;
      const words = [`${duration(ms)} after the try began.`];
      steps.push({ ms: since(attempt.first_delta_ms), tone: "live", icon: "live", title: ["First token"], words });
    }
    const ending = failing(attempt, job.attempts[i + 1], job);
    if (ending && attempt.ended_ms !== null) steps.push({ ms: since(attempt.ended_ms), ...ending });
  });
  steps.push(...ending(job, since));
  return steps;
}

const refOf = ({ node, node_name: name }: AttemptRecord): NodeRef => ({ node, name });

function beginning({ createdMs, attempts, held, key, kind, model }: Told): Step {
  const from = key === null ? [] : ["By the key “", { quote: key.name }, "”. "];
  const holds = held === null || held === 0n ? "" : `${dollars(held)} held. `;
  const [first] = attempts;
  const waitMs = first ? first.dispatched_ms - createdMs : null;
  const waited: Words =
    waitMs === null
      ? []
      : waitMs > WAIT_MS
        ? [`Waited ${duration(waitMs)} for a node with `, { quote: model }, "."]
        : ["A node had room at once."];
  const title = waitMs !== null && waitMs <= WAIT_MS ? "Asked for" : "Queued";
  const what = kind === "async" ? "An asynchronous job. " : "";
  return { ms: 0, tone: "wait", icon: "wait", title: [title], words: [...from, what + holds, ...waited] };
}

function trying(attempt: AttemptRecord, before: AttemptRecord | undefined, since: (ms: number) => number): Step {
  const takesOver = attempt.took_over !== null;
  return {
    ms: since(attempt.dispatched_ms),
    tone: takesOver ? "live" : "off",
    icon: takesOver ? "live" : "next",
    title: [`Try ${attempt.n} on `, refOf(attempt)],
    words: [takesOver ? `${carriedOver(attempt, before)} ` : "", reason(attempt)],
  };
}

function carriedOver(attempt: AttemptRecord, before: AttemptRecord | undefined): string {
  const pauseMs = before?.ended_ms && attempt.first_delta_ms ? attempt.first_delta_ms - before.ended_ms : null;
  const pause = pauseMs === null ? "" : `; the client saw a pause of ${duration(Math.max(0, pauseMs))}`;
  return attempt.took_over === "continue"
    ? `Continues the text${pause}.`
    : `Answers from the start; what the client has already is held back${pause}.`;
}

/** Why a try went there, in a sentence. */
export function reason({ n, why, through }: AttemptRecord): string {
  const said: string[] = [];
  if (why.affinity === "session" || why.affinity === "prefix")
    said.push("It has the beginning of this conversation in its cache");
  else if (why.last_resort) said.push("Only nodes that had failed lately, or had this job already, were left");
  else if (why.eligible === 1) said.push(n > 1 ? "The only node left with room" : "The only node with room");
  else if (why.best > 1) said.push(drawn(why));
  else said.push(`${BEST[why.strategy]} of ${number(why.eligible)} nodes with room`);
  if (why.affinity === "passed_over") said.push("the node that knows this conversation was busy or could not take it");
  if (why.probe) said.push("the model had failed there, and this try found out whether it is well again");
  if (through !== undefined && through.length > 0) said.push("another coordinator passes it on");
  return `${said.join("; ")}.`;
}

/** Power of two choices: of all that are nearly as good as the best, two are drawn. */
function drawn({ eligible, best, load, other }: AttemptRecord["why"]): string {
  const all =
    best === eligible
      ? `${number(best)} nodes with room were nearly as good`
      : `Of ${number(eligible)} nodes with room ${number(best)} were nearly as good as the best`;
  const lighter = other !== undefined && load < other.load ? "it was the less loaded" : "both were as loaded";
  return `${all}; of two drawn ${lighter}`;
}

const BEST = {
  balanced: "The best for price and speed",
  cheapest: "The cheapest",
  fastest: "The fastest",
  latency: "The quickest to begin",
} as const;

const ENDED = { failed: " failed", refused: " handed it back", timed_out: " took too long" } as const;

function failing(attempt: AttemptRecord, next: AttemptRecord | undefined, job: Told): Omit<Step, "ms"> | undefined {
  const { outcome, error, pieces } = attempt;
  if (outcome === null || outcome === "completed" || outcome === "cancelled") return undefined;
  const node = refOf(attempt);
  const delivered: Words =
    pieces === 0
      ? [`Nothing was delivered${job.billing ? ", nothing is charged" : ""}.`]
      : [`${plural(pieces, "token was", "tokens were")} delivered.`, ...(next ? onwards(next) : [])];
  const goesOn = next?.took_over != null;
  return {
    tone: goesOn ? "warn" : "bad",
    icon: goesOn ? "swap" : "bad",
    title: outcome === "lost" ? ["Link to ", node, " lost"] : [node, ENDED[outcome]],
    words: [...complaint(error), " ", ...delivered],
    ...(error ? { code: error.code } : {}),
  };
}

const onwards = (next: AttemptRecord): Words => {
  if (next.took_over === "continue") return [" ", refOf(next), " goes on from there."];
  if (next.took_over === "replay") return [" ", refOf(next), " finds the place again."];
  return [" They do not count: ", refOf(next), " starts over."];
};

function complaint(error: JobError | null): Words {
  if (!error) return [];
  const words = CAUSES[error.code];
  if (error.message === "") return [words === undefined ? "" : `${words}.`];
  return words === undefined ? [{ quote: sentence(error.message) }] : [`${words}: “`, { quote: error.message }, "”."];
}

/** What went wrong, of what nodes and backends say in words of their own. */
const CAUSES: Partial<Record<JobErrorCode, string>> = {
  backend_unreachable: "Its engine did not answer",
  backend_busy: "Its engine was full",
  backend_failed: "Its engine failed",
  model_not_found: "It does not have the model any more",
  context_length_exceeded: "The prompt is longer than the model takes there",
  invalid_request: "Its engine did not take the request",
  output_too_large: "The answer was too large",
};

/** What to do about it. */
const MENDS: Partial<Record<JobErrorCode, string>> = {
  queue_full: "Send it again in a moment, or as an asynchronous job.",
  queue_timeout: "Send it again when there is more room, or name models to fall back to.",
  no_nodes_online: "Ask for another model, or name models to fall back to.",
  no_matching_node: "Wish for less: no node is all of what was asked for.",
  context_length_exceeded: "Send a shorter prompt, or ask for a model with a longer context.",
  invalid_request: "Mend the request; it fails at every node.",
  node_lost: "Send it again.",
  first_token_timeout: "Send it again, or ask for a smaller model.",
  stream_timeout: "Send it again.",
  reader_stalled: "Read the answer faster, or send it as an asynchronous job.",
  coordinator_restarted: "Send it again.",
  draining: "Send it again in a moment.",
  insufficient_credit: "Add credit, then send it again.",
  spend_limit: "Raise the key's limit, or wait until tomorrow.",
};

function ending(job: Told, since: (ms: number) => number): Step[] {
  const { state, live, nowMs, endedMs, error, outputTokens, waitsFor, model } = job;
  if (live) return [now(job, since(nowMs), model, waitsFor)];
  const ms = since(endedMs ?? nowMs);
  if (state === "completed") {
    const told = [
      outputTokens === null ? "" : plural(outputTokens, "token"),
      job.finishReason === null ? "" : (STOPS[job.finishReason] ?? ""),
    ].filter((text) => text !== "");
    const receipts = job.receipts.length === 0 ? "" : ` ${plural(job.receipts.length, "receipt")}.`;
    return [{ ms, tone: "ok", icon: "ok", title: ["Done"], words: [`${told.join(", ")}.${receipts}`] }];
  }
  const isBad = state === "failed" || state === "expired";
  const mend = error === null ? "" : (MENDS[error.code] ?? "");
  const cause: Words = error === null || error.message === "" ? complaint(error) : [{ quote: sentence(error.message) }];
  return [
    {
      ms,
      tone: isBad ? "bad" : "off",
      icon: isBad ? "bad" : "off",
      title: [state === "cancelled" ? "Cancelled" : state === "expired" ? "Expired" : "Failed"],
      words: [...cause, isBad && mend !== "" ? ` ${mend}` : ""],
      ...(error && isBad ? { code: error.code } : {}),
    },
  ];
}

const sentence = (text: string): string => {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
};

/** OpenAI's `finish_reason`. */
const STOPS: Record<string, string> = {
  stop: "ended by itself",
  length: "cut at the most it may have",
  tool_calls: "ended with a tool call",
  content_filter: "cut by the engine's filter",
};

function now({ attempts, outputTokens }: Told, ms: number, model: string, waitsFor: Told["waitsFor"]): Step {
  const last = attempts.at(-1);
  if (last && last.ended_ms === null) {
    const begun = (outputTokens ?? 0) > 0;
    const words = begun ? [`${plural(outputTokens ?? 0, "token")} so far.`] : ["Reading the prompt."];
    return { ms, tone: "live", icon: "live", title: [refOf(last), begun ? " answers" : " has it"], words };
  }
  const [before, after] =
    waitsFor === "node" ? ["No node that may serve ", " is online."] : ["No node with ", " has room."];
  return { ms, tone: "wait", icon: "wait", title: ["Waiting"], words: [before, { quote: model }, after] };
}
