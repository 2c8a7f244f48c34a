// Turn: one question to one model, and its answer as it comes: a job like that of any chat, whose output is fragments.
import type { TurnView } from "../../../web/pages/playground.tsx";
import { cancelWithClient, startedOrDue } from "../../http/openai/chat-completions.ts";
import { jobSpec } from "../../http/openai/job-spec.ts";
import { answer } from "../../jobs/answer.ts";
import type { AttemptRecord, Job, Output } from "../../jobs/job.ts";
import type { SubmitError } from "../../jobs/jobs.ts";
import type { Delta } from "../../protocol/generation.ts";
import type { JobId, Pubkey } from "../../protocol/primitives.ts";
import type { DashboardDeps } from "../deps.ts";
import { sentence } from "../words.ts";
import type { Asker } from "./asker.ts";
import { type Asking, bounded, type Message } from "./form.ts";

type Deps = Pick<DashboardDeps, "chat" | "clock" | "registry">;
type Templates = typeof import("../../../web/pages/playground.tsx");

/** Where a turn's fragments go. */
export type Sink = { send(fragment: string): void; behind(): Promise<void> | undefined };
export type Turn = {
  readonly id: JobId;
  view(): TurnView;
  history(): readonly Message[];
  readonly over: Promise<void>;
};

/** Pieces that come within this time go out together. */
const GATHER_MS = 40;
/** How often the job's way is looked at. */
const LOOK_MS = 300;

/** Asks, and gives everything that changes to `sink` until the answer is over. */
export function startTurn(
  deps: Deps,
  { Opening, Pieces, WayPart, ClosingParts }: Templates,
  asker: Asker,
  asking: Asking,
  signal: AbortSignal,
  sink: Sink,
): Turn {
  const { chat, clock } = deps;
  const { side, message, before, instead, request, bodyJson } = asking;
  const id = chat.jobs.newId();
  const folded = answer();
  const over = Promise.withResolvers<void>();
  const fresh = { text: "", thinking: "", calls: false };
  let job: Job | undefined;
  let refused: SubmitError | undefined;
  let shownWay = "";
  let stopGathering: (() => void) | undefined;

  const view = (): TurnView => viewOf(deps, { id, side, message, model: request.model, job, refused, folded });
  const history = (): readonly Message[] => {
    const content = job ? (folded.choices(job.finish)[0]?.message.content ?? "") : "";
    const said: Message[] = content === "" ? [] : [{ role: "assistant", content }];
    return bounded([...before, { role: "user", content: message }, ...said]);
  };
  const flush = () => {
    const { text, thinking, calls } = fresh;
    Object.assign(fresh, { text: "", thinking: "", calls: false });
    if (text === "" && thinking === "" && !calls) return;
    sink.send(String(Pieces({ id, text, thinking, calls: calls ? view().calls : null })));
  };
  /** At once where nothing went out a moment ago. */
  const soon = () => {
    if (stopGathering) return;
    flush();
    stopGathering = clock.after(GATHER_MS, () => {
      stopGathering = undefined;
      if (fresh.text !== "" || fresh.thinking !== "" || fresh.calls) soon();
    });
  };
  const look = () => {
    const { way } = view();
    const now = JSON.stringify(way);
    if (now === shownWay) return;
    shownWay = now;
    sink.send(String(WayPart({ id, way })));
  };
  const stopLooking = clock.every(LOOK_MS, look);
  const finish = () => {
    stopLooking();
    stopGathering?.();
    flush();
    sink.send(String(ClosingParts({ turn: view(), history: JSON.stringify(history()) })));
    over.resolve();
  };
  const output: Output = {
    deltas(_attempt, _offset, deltas) {
      folded.add(deltas);
      for (const delta of deltas) note(fresh, delta);
      soon();
      return sink.behind();
    },
    canRestart: () => false,
    restart() {
      throw new Error("what was shown cannot be taken back");
    },
    end(ended) {
      job = ended;
      finish();
    },
  };
  const spec = jobSpec("chat", request, bodyJson, asker, chat.defaults);
  const begin = async (): Promise<void> => {
    const taken = await chat.jobs.take(spec, output, id);
    if (!taken.ok) {
      refused = taken.error;
      return finish();
    }
    const begun = taken.value;
    job = begun;
    cancelWithClient(chat, { request: { signal } }, begun);
    look();
    await startedOrDue(clock, begun);
    begun.displaceable = false;
  };
  sink.send(String(Opening({ turn: view(), history: JSON.stringify(history()), instead })));
  shownWay = JSON.stringify(view().way);
  begin().catch((error: unknown) => {
    stopLooking();
    over.reject(error);
  });
  return { id, view, history, over: over.promise };
}

function note(fresh: { text: string; thinking: string; calls: boolean }, delta: Delta): void {
  fresh.text += (delta.content ?? "") + (delta.refusal ?? "");
  fresh.thinking += delta.reasoning_content ?? "";
  if (delta.tool_calls) fresh.calls = true;
}

type Known = Pick<TurnView, "id" | "side" | "message" | "model"> & {
  job: Job | undefined;
  refused: SubmitError | undefined;
  folded: ReturnType<typeof answer>;
};

function viewOf({ registry }: Deps, { job, refused, folded, ...known }: Known): TurnView {
  const said = folded.choices(job?.finish ?? [])[0]?.message;
  const gpuOf = (pubkey: string) => registry.nodes.get(pubkey as Pubkey)?.device?.gpus[0]?.name ?? null;
  return {
    ...known,
    model: job?.model ?? known.model,
    text: (said?.content ?? "") + (said?.refusal ?? ""),
    thinking: said?.reasoning_content ?? "",
    calls: (said?.tool_calls ?? []).map(({ function: called }) => called),
    way: {
      waits: job?.state === "queued",
      tries: (job?.attempts ?? []).map((attempt) => tryOf(attempt, gpuOf(attempt.node))),
    },
    end: refused
      ? { state: "refused", error: { code: refused.code, message: sentence(refused.message) }, figures: null }
      : job?.endedMs
        ? endOf(job)
        : null,
  };
}

const tryOf = ({ node, node_name: name, outcome, took_over }: AttemptRecord, gpu: string | null) => ({
  ...{ node, name, gpu },
  failed: outcome === "completed" || outcome === "cancelled" ? null : outcome,
  wentOn: took_over !== null,
});

/** Tokens per second of what came after the first. */
function endOf(job: Job): NonNullable<TurnView["end"]> {
  const { createdMs, firstDeltaMs, endedMs, usage, charged, error, finish } = job;
  const tokens = usage?.completion_tokens ?? null;
  const ms = firstDeltaMs === null || endedMs === null ? 0 : endedMs - firstDeltaMs;
  return {
    state: job.state === "completed" ? "completed" : job.state === "cancelled" ? "stopped" : "failed",
    error: error && { code: error.code, message: sentence(error.message) },
    figures: {
      firstMs: firstDeltaMs === null ? null : firstDeltaMs - createdMs,
      perS: tokens !== null && ms > 0 ? (tokens * 1_000) / ms : null,
      tokens,
      charged: charged === null ? null : Number(charged),
      cut: finish[0]?.reason === "length",
    },
  };
}
