// History: what this node did, for its own dashboard: attempts under way and lately ended, and sums of its days. Kept in
// one small file, written behind, so that a restart forgets at most the last seconds. Nothing of what was asked is in it.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { AttemptEnd, KeptAttempt } from "./kept-attempts.ts";

const FILE = "history.json";
const MAX_ENDED = 200;
const MAX_DAYS = 60;
const SAVE_EVERY_MS = 10_000;
const DAY_MS = 86_400_000;

const whole = z.int().min(0);
const endedSchema = z.object({
  attempt: z.string().max(64),
  model: z.string().max(256),
  /** The coordinator's address. */
  coordinator: z.string().max(256),
  started_ms: whole,
  ended_ms: whole,
  outcome: z.enum(["completed", "failed", "refused", "cancelled"]),
  prompt_tokens: whole.nullable(),
  completion_tokens: whole.nullable(),
  error: z.string().max(512).nullable(),
});
const daySchema = z.object({
  /** UTC days since the Unix epoch. */
  day: whole,
  online_s: whole,
  completed: whole,
  failed: whole,
  prompt_tokens: whole,
  completion_tokens: whole,
});
const fileSchema = z.object({ ended: z.array(endedSchema).max(MAX_ENDED), days: z.array(daySchema).max(MAX_DAYS) });

export type EndedAttempt = z.output<typeof endedSchema>;
export type HistoryDay = z.output<typeof daySchema>;
export type RunningAttempt = Pick<EndedAttempt, "attempt" | "model" | "coordinator" | "started_ms"> & {
  /** Pieces of the answer so far, about one a token. */
  pieces: number;
};

export type History = {
  started(attempt: KeptAttempt, model: string, coordinator: string): void;
  /** Of one that was not started, nothing is noted: it was refused unread. */
  ended(attempt: KeptAttempt, end: AttemptEnd): void;
  running(): RunningAttempt[];
  /** The newest first. */
  recent(): readonly EndedAttempt[];
  /** The oldest first; days of nothing left out. */
  days(): readonly HistoryDay[];
  /** Writes what is not written, and ends. */
  stop(): void;
};

export type HistoryDeps = {
  clock: Clock;
  log: Log;
  dataDirectory: string;
  /** Whether a coordinator is there. */
  isOnline(): boolean;
};

export function openHistory({ clock, log, dataDirectory, isOnline }: HistoryDeps): History {
  const file = join(dataDirectory, FILE);
  const { ended, days } = read(file, log);
  const under = new Map<KeptAttempt, Omit<RunningAttempt, "pieces">>();
  let changed = false;
  let failing = false;
  let lookedMs = clock.nowMs();

  const today = (): HistoryDay => {
    const day = Math.floor(clock.nowMs() / DAY_MS);
    const last = days.at(-1);
    if (last && last.day >= day) return last;
    const made = { day, online_s: 0, completed: 0, failed: 0, prompt_tokens: 0, completion_tokens: 0 };
    days.push(made);
    if (days.length > MAX_DAYS) days.shift();
    return made;
  };
  const save = () => {
    const nowMs = clock.nowMs();
    // A machine that slept was not there.
    const passedMs = Math.min(nowMs - lookedMs, 2 * SAVE_EVERY_MS);
    lookedMs = nowMs;
    if (isOnline() && passedMs > 0) {
      today().online_s += Math.round(passedMs / 1000);
      changed = true;
    }
    if (!changed) return;
    try {
      writeFileSync(`${file}.new`, JSON.stringify({ ended, days }), { mode: 0o600 });
      renameSync(`${file}.new`, file);
      changed = failing = false;
    } catch (error) {
      // Tried again with the next; what is half written is written over then.
      if (!failing) log.warn("the history of this node cannot be written; it is tried again", { file, err: error });
      failing = true;
    }
  };
  const stopSaving = clock.every(SAVE_EVERY_MS, save);

  return {
    started(attempt, model, coordinator) {
      under.set(attempt, {
        attempt: attempt.id,
        model: model.slice(0, 256),
        coordinator: coordinator.slice(0, 256),
        started_ms: clock.nowMs(),
      });
    },
    ended(attempt, { outcome, usage, error }) {
      const known = under.get(attempt);
      if (!known) return;
      under.delete(attempt);
      const { prompt_tokens = null, completion_tokens = null } = usage ?? {};
      const words = error === undefined ? null : `${error.code}: ${error.message}`.slice(0, 512);
      ended.unshift({ ...known, ended_ms: clock.nowMs(), outcome, prompt_tokens, completion_tokens, error: words });
      if (ended.length > MAX_ENDED) ended.pop();
      const day = today();
      if (outcome === "failed") day.failed++;
      else if (outcome !== "refused") day.completed++;
      day.prompt_tokens += prompt_tokens ?? 0;
      day.completion_tokens += completion_tokens ?? 0;
      changed = true;
    },
    running: () => [...under].map(([{ pieces }, known]) => ({ ...known, pieces })),
    recent: () => ended,
    days: () => days,
    stop() {
      stopSaving();
      save();
    },
  };
}

/** What an earlier process wrote; nothing where it cannot be read. */
function read(file: string, log: Log): z.output<typeof fileSchema> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // There is none yet.
    return { ended: [], days: [] };
  }
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch (error) {
    log.warn("the history of this node cannot be read and begins anew", { file, err: error });
    return { ended: [], days: [] };
  }
}
