// Model action: one command about one model at one backend, from its beginning to its end, within the disk it may take.
import type { Backend, ModelAction } from "../../backends/backend.ts";
import type { Clock } from "../../lib/clock.ts";
import type { CommandEnd, CommandProgress, ModelCommand } from "../../protocol/commands.ts";
import type { Journal } from "./journal.ts";
import type { ModelDisk } from "./model-disk.ts";

export type ModelActionDeps = {
  clock: Clock;
  journal: Journal;
  disk: ModelDisk;
  report(progress: CommandProgress): void;
};
export type Doing = { command: ModelCommand; model: string; backend: Backend; action: ModelAction };

/** The disk is looked at this often while it fills. */
const LOOK_MS = 1_000;

/** Throws what the action throws. */
export async function runModelAction(deps: ModelActionDeps, cancelled: AbortSignal, doing: Doing): Promise<CommandEnd> {
  const { command, model, action } = doing;
  const watched = command === "model_install" ? await watchDisk(deps, doing) : UNWATCHED;
  if (typeof watched === "string") return { outcome: "refused", error: watched };
  const done = await action(
    model,
    (progress) => {
      deps.report(progress);
      watched.look(progress);
    },
    AbortSignal.any([cancelled, watched.full.signal]),
  );
  const over = watched.reason();
  if (!done.ok && over !== null) return { outcome: "failed", error: over };
  if (!done.ok && cancelled.aborted) return { outcome: "cancelled", error: "cancelled on request" };
  if (!done.ok) return { outcome: "failed", error: done.error.message };
  const bytes = command === "model_install" ? watched.size() : 0;
  const counts = command === "model_remove" || bytes > 0;
  // Forgotten by a full disk, it counts for as long as this process lives.
  if (counts) await deps.journal.note({ t: "installed", model, bytes }).catch(() => {});
  return { outcome: "completed", error: null };
}

type Watched = {
  full: AbortController;
  look(progress: CommandProgress): void;
  reason(): string | null;
  size(): number;
};
const UNWATCHED: Watched = { full: new AbortController(), look() {}, reason: () => null, size: () => 0 };

/** Looks at the disk before the install and while it goes on; a text says why it is not begun. */
async function watchDisk({ clock, disk }: ModelActionDeps, { backend, model }: Doing): Promise<Watched | string> {
  const refusal = await disk.refusal(backend, model, 0, 0);
  if (refusal !== null) return refusal;
  const full = new AbortController();
  let size = 0;
  let over: string | null = null;
  let lookedMs = Number.NEGATIVE_INFINITY;
  return {
    full,
    reason: () => over,
    size: () => size,
    look({ completed, total }) {
      if (total === null) return;
      const grown = total > size;
      size = Math.max(size, total);
      if (!grown && clock.nowMs() - lookedMs < LOOK_MS) return;
      lookedMs = clock.nowMs();
      void disk.refusal(backend, model, size, Math.max(0, total - (completed ?? 0))).then(
        (reason) => {
          if (reason === null) return;
          over ??= reason;
          full.abort();
        },
        // A disk that cannot be looked at is not known to be full.
        () => undefined,
      );
    },
  };
}
