// Command: what nodes are asked to do, in words.
import type { CommandRow } from "../../src/admin/operations.ts";
import type { Tone } from "./parts.tsx";
import { duration, number, size } from "./text.tsx";

type Of = Pick<CommandRow, "command" | "state" | "cancelling" | "online">;

const DOING: Readonly<Record<CommandRow["command"], string>> = {
  model_install: "Installing",
  model_remove: "Removing",
  model_load: "Loading",
  model_unload: "Unloading",
  drain: "Draining",
  resume: "Resuming",
  restart: "Restarting",
  refresh: "Looking at its backends",
  configure: "Changing its terms",
};
const ASKED: Readonly<Record<CommandRow["command"], string>> = {
  model_install: "Install",
  model_remove: "Remove",
  model_load: "Load",
  model_unload: "Unload",
  drain: "Drain",
  resume: "Resume",
  restart: "Restart",
  refresh: "Look at its backends",
  configure: "Set",
};
const NOT_DONE: Readonly<Record<CommandRow["command"], string>> = {
  model_install: "Not installed",
  model_remove: "Not removed",
  model_load: "Not loaded",
  model_unload: "Not unloaded",
  drain: "Not drained",
  resume: "Not resumed",
  restart: "Not restarted",
  refresh: "Not looked at",
  configure: "Terms not changed",
};

/** What was asked for, as a verb. */
export const commandVerb = (command: CommandRow["command"]): string => ASKED[command];

/** `price_input`: price input. */
export const termWord = (term: string): string => term.replaceAll("_", " ");

/** Where it stands, in a few words and a tone. */
export function commandState({ command, state, cancelling, online }: Of): readonly [Tone, string] {
  switch (state) {
    case "queued":
      return ["wait", online ? "Waits for its turn" : "Waits for the node"];
    case "running":
      return ["live", cancelling ? "Stopping" : online ? DOING[command] : "Waits for the node"];
    case "completed":
      return ["ok", "Done"];
    case "cancelled":
      return ["off", "Cancelled"];
    case "expired":
      return ["bad", "Not done in time"];
    case "failed":
      return ["bad", NOT_DONE[command]];
    case "refused":
      return ["bad", "Refused by the node"];
  }
}

export type Progress = {
  /** 0 to 100; null where nothing is counted. */
  percent: number | null;
  /** `10.9 of 17.4 GB · 1 min 17 s left`; else what is being done, in the node's words. */
  words: string;
};

/** How far it is; null where the node has not said. */
export function progressOf(row: CommandRow, nowMs: number): Progress | null {
  if (row.state !== "running" || row.progress === null) return null;
  const { phase, completed, total } = row.progress;
  if (completed === null || total === null || total === 0) return { percent: null, words: phase };
  const percent = Math.min(100, Math.floor((completed / total) * 100));
  const sinceMs = nowMs - (row.delivered_ms ?? row.created_ms);
  const leftMs = completed > 0 && sinceMs > 2_000 ? (sinceMs * (total - completed)) / completed : null;
  const left = leftMs === null || completed >= total ? "" : ` · ${duration(Math.max(1_000, leftMs))} left`;
  return { percent, words: `${amount(completed, total)}${left}` };
}

/** Both in the unit of the whole, where it is the same. */
function amount(completed: number, total: number): string {
  const [done, whole] = [size(completed), size(total)];
  const unit = whole.slice(whole.lastIndexOf(" "));
  return `${done.endsWith(unit) && completed > 0 ? done.slice(0, -unit.length) : completed === 0 ? number(0) : done} of ${whole}`;
}
