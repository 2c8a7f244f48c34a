// Command stage: the node's end of commands over real files, with a backend whose actions end when a test says so.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Backend, BackendError, ModelAction } from "../../../backends/backend.ts";
import { type ManualClock, manualClock } from "../../../lib/clock.ts";
import { type Log, silentLog } from "../../../lib/log.ts";
import { err, ok, type Result } from "../../../lib/result.ts";
import type { Command, CommandProgress } from "../../../protocol/commands.ts";
import type { CommandEndFrame, CommandProgressFrame } from "../../../protocol/frames.ts";
import type { TermsChange } from "../../../protocol/terms.ts";
import { gate, type Standing } from "../../care/standing.ts";
import type { Serves } from "../../serving.ts";
import { type Journal, openJournal } from "../journal.ts";
import { type CommandLink, type NodeCommands, type NodeCommandsDeps, nodeCommands } from "../node-commands.ts";

/** One call of an action, in the test's hands. An aborted one ends by itself. */
export type Call = {
  command: Command;
  model: string;
  signal: AbortSignal;
  report(progress: CommandProgress): void;
  end(result?: Result<void, BackendError>): void;
};

/** `begun` is told of each call as it comes. */
export function scriptedActions(
  commands: readonly (Command & `model_${string}`)[],
  kind: Backend["kind"] = "ollama",
  begun: (call: Call) => void = () => {},
) {
  const calls: Call[] = [];
  const action =
    (command: Command): ModelAction =>
    (model, report, signal) => {
      const { promise, resolve } = Promise.withResolvers<Result<void, BackendError>>();
      signal.addEventListener("abort", () => resolve(err({ code: "aborted", message: "aborted" })));
      if (signal.aborted) resolve(err({ code: "aborted", message: "aborted" }));
      const call: Call = { command, model, signal, report, end: (result = ok(undefined)) => resolve(result) };
      calls.push(call);
      begun(call);
      return promise;
    };
  const backend: Backend = {
    kind,
    url: null,
    continues: false,
    slots: () => 1,
    models: async () => ok([]),
    generate: async () => err({ code: "backend_failed", message: "not here" }),
    actions: Object.fromEntries(commands.map((command) => [command, action(command)])),
    close: async () => {},
  };
  return { backend, calls };
}

export const ALL_ACTIONS = ["model_install", "model_remove", "model_load", "model_unload"] as const;

export type Said = CommandProgressFrame | CommandEndFrame;

export type CommandStage = {
  directory: string;
  clock: ManualClock;
  journal: Journal;
  commands: NodeCommands;
  link: CommandLink;
  /** What the node said to the coordinator `by`, in order. */
  said: Said[];
  /** How often it asked its backends anew, told of it, and wanted to start again. */
  counts: { refreshed: number; announced: number; restarted: number };
  standing(): Standing;
  command(command: Command, model?: string, id?: string): string;
  configure(terms: TermsChange, id?: string): string;
  /** The end of a command, once it is there. */
  endOf(id: string): Promise<CommandEndFrame>;
  ends(id: string): CommandEndFrame[];
  /** Leaves it as a crash would, and starts it again on the same directory. */
  again(over?: Partial<NodeCommandsDeps>): Promise<CommandStage>;
};

export const COORDINATOR = "c".repeat(64);
const NOTHING: Serves = { backends: [], models: [], slots: 1, prices: { input: 0, output: 0 } };

/** `directory`: where an earlier one left its files; else a new one, removed at the end of the test by `cleanUp`. */
export async function commandStage(
  over: Partial<NodeCommandsDeps> = {},
  { directory = temporary(), by = COORDINATOR, log = silentLog }: { directory?: string; by?: string; log?: Log } = {},
): Promise<CommandStage> {
  const clock = manualClock();
  const journal = over.journal ?? (await openJournal(directory, log));
  const counts = { refreshed: 0, announced: 0, restarted: 0 };
  const held = gate({ clock, drainMs: () => 1000, changed() {}, handBack() {} });
  const said: Said[] = [];
  let heard = Promise.withResolvers<void>();
  const commands = nodeCommands({
    clock,
    log,
    journal,
    backends: [],
    serving: {
      now: () => NOTHING,
      async refresh() {
        counts.refreshed++;
        return true;
      },
    },
    gate: held,
    disk: { refusal: async () => null },
    allowed: () => ["models", "drain", "resume", "refresh", "restart"],
    configure: async () => ok(undefined),
    announce: () => void counts.announced++,
    restart: () => void counts.restarted++,
    ...over,
  });
  const link = commands.link(by);
  link.opened((frame) => {
    said.push(frame);
    heard.resolve();
    heard = Promise.withResolvers();
  });
  const ends = (id: string) =>
    said.filter((frame): frame is CommandEndFrame => frame.type === "command_end" && frame.id === id);
  return {
    directory,
    clock,
    journal,
    commands,
    link,
    said,
    counts,
    standing: held.now,
    command(command, model, id = Bun.randomUUIDv7()) {
      link.obey({ type: "command", id, command, args: model === undefined ? {} : { model } });
      return id;
    },
    configure(terms, id = Bun.randomUUIDv7()) {
      link.obey({ type: "command", id, command: "configure", args: { terms } });
      return id;
    },
    async endOf(id) {
      for (;;) {
        const [end] = ends(id);
        if (end) return end;
        await heard.promise;
      }
    },
    ends,
    async again(more = {}) {
      link.closed();
      await journal.close();
      const { journal: _, ...same } = over;
      return commandStage({ ...same, ...more }, { directory, by, log });
    },
  };
}

const made: string[] = [];
export function temporary(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "infernet-commands-"));
  made.push(directory);
  return directory;
}
export function cleanUp(): void {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
}
