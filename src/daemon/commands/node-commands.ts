// Node commands: does what a coordinator, or this node's own operator, asks for beside inference. The node has the last
// word on each. A command that comes twice is done once; one that a restart of the node interrupted, when it comes again.
import type { Backend } from "../../backends/backend.ts";
import type { Cancel, Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { Result } from "../../lib/result.ts";
import {
  type Command,
  type CommandEnd,
  type CommandGroup,
  groupOf,
  isModelCommand,
  type ModelCommand,
  wrongArgs,
} from "../../protocol/commands.ts";
import type {
  CommandAckFrame,
  CommandCancelFrame,
  CommandEndFrame,
  CommandFrame,
  CommandProgressFrame,
} from "../../protocol/frames.ts";
import { allowingCommand, type TermsChange } from "../../protocol/terms.ts";
import type { Gate } from "../care/standing.ts";
import type { Serving } from "../serving.ts";
import { chooseBackend, VERBS } from "./choose-backend.ts";
import type { Journal, Origin } from "./journal.ts";
import { runModelAction } from "./model-action.ts";
import type { ModelDisk } from "./model-disk.ts";
import { type Reporter, reporter } from "./reporter.ts";

export type NodeCommandsDeps = {
  clock: Clock;
  log: Log;
  journal: Journal;
  backends: readonly Backend[];
  serving: Pick<Serving, "now" | "refresh">;
  gate: Pick<Gate, "hold" | "release">;
  disk: ModelDisk;
  allowed: () => readonly CommandGroup[];
  /** Keeps these terms, in effect when it resolves; or why it does not. */
  configure(terms: TermsChange, by: Origin): Promise<Result<void, string>>;
  /** What this node serves may have changed. */
  announce(): void;
  /** Stops this process and starts it again; null where that is not to be had. */
  restart: (() => void) | null;
};

/** What the node says of commands. */
export type Say = (frame: CommandProgressFrame | CommandEndFrame) => void;

/** One way on which commands of a coordinator, or of the operator, come. */
export type CommandLink = {
  /** Things can be said here again. */
  opened(say: Say): void;
  closed(): void;
  obey(frame: CommandFrame | CommandCancelFrame | CommandAckFrame): void;
};

export type NodeCommands = {
  /** A coordinator may have several: it hears on all of them. */
  link(by: Origin): CommandLink;
  /** Takes jobs again, whoever drained it. */
  undrain(): Promise<void>;
  /** Leaves what runs undone, to be done when it is asked for again. */
  stop(): Promise<void>;
};

/** The node's operator, who may do everything. */
export const OPERATOR: Origin = "operator";
/** Commands of one origin under way here. */
const MAX_UNDER_WAY = 64;
/** Ends that were not acknowledged are told again this often. */
const TELL_AGAIN_MS = 30_000;
const MAX_UNTOLD = 1000;
/** The coordinator has so long to hear of a restart before it happens. */
const RESTART_AFTER_MS = 1_000;
const ERROR_CHARS = 1024;

type UnderWay = {
  by: Origin;
  frame: CommandFrame;
  abort: AbortController;
  reporter: Reporter;
};
type Untold = { by: Origin; id: string; end: CommandEnd };

const keyOf = (by: Origin, id: string): string => `${by}/${id}`;
const COMPLETED: CommandEnd = { outcome: "completed", error: null };
const refused = (error: string): CommandEnd => ({ outcome: "refused", error });
const failed = (error: string): CommandEnd => ({ outcome: "failed", error });
const CANCELLED: CommandEnd = { outcome: "cancelled", error: "cancelled on request" };

export function nodeCommands(deps: NodeCommandsDeps): NodeCommands {
  const { clock, log, journal, gate } = deps;
  const says = new Map<Origin, Set<Say>>();
  const underWay = new Map<string, UnderWay>();
  /** Ends that are being written down: nobody hears of them before they are. */
  const ending = new Set<string>();
  /** Not acknowledged yet. */
  const untold = new Map<string, Untold>();
  const drainers = new Set<Origin>();
  /** The last of each backend's commands, which the next waits for. */
  const queues = new Map<Backend, Promise<void>>();
  let stopping = false;
  let cancelRestart: Cancel | null = null;

  /** Told on every way: which of a coordinator's replicas keeps watch over a command is their matter. */
  const sayTo = (by: Origin, frame: Parameters<Say>[0]) => {
    for (const say of says.get(by) ?? []) say(frame);
  };
  const tell = ({ by, id, end }: Untold) => sayTo(by, { type: "command_end", id, ...end });
  const stopTelling = clock.every(TELL_AGAIN_MS, () => {
    for (const one of untold.values()) tell(one);
  });
  const owe = (by: Origin, id: string, end: CommandEnd) => {
    const one = { by, id, end };
    untold.set(keyOf(by, id), one);
    for (const oldest of untold.keys()) {
      if (untold.size <= MAX_UNTOLD) break;
      untold.delete(oldest);
    }
    tell(one);
  };
  /** Remembers that it ended and how, then says so. Where the disk refuses, doing it twice is the lesser evil. */
  const finish = async (by: Origin, id: string, { outcome, error }: CommandEnd): Promise<void> => {
    const end = { outcome, error: error === null ? null : error.slice(0, ERROR_CHARS) };
    ending.add(keyOf(by, id));
    await journal.note({ t: "ended", by, id, ...end }).catch(noteFailed);
    ending.delete(keyOf(by, id));
    release(by, id, end);
  };
  const release = (by: Origin, id: string, end: CommandEnd) => {
    underWay.get(keyOf(by, id))?.reporter.stop();
    underWay.delete(keyOf(by, id));
    owe(by, id, end);
  };
  const noteFailed = (error: unknown) => {
    log.warn("what this node is to remember cannot be written; after a restart it may do a command twice", {
      err: error,
    });
  };

  const take = (by: Origin, frame: CommandFrame) => {
    const key = keyOf(by, frame.id);
    const known = underWay.get(key);
    if (known) return known.reporter.repeat();
    if (ending.has(key)) return;
    const ended = journal.endOf(by, frame.id) ?? untold.get(key)?.end;
    if (ended) return owe(by, frame.id, ended);
    const refusal = refusalOf(by, frame);
    if (refusal !== null) return owe(by, frame.id, refused(refusal));
    const one: UnderWay = {
      by,
      frame,
      abort: new AbortController(),
      reporter: reporter(clock, (progress) => sayTo(by, { type: "command_progress", id: frame.id, ...progress })),
    };
    underWay.set(key, one);
    log.info("a command begins", { command: frame.command, model: frame.args.model, by });
    void perform(one)
      .catch((error: unknown) => {
        log.error("a command failed", { command: frame.command, err: error });
        return failed(error instanceof Error ? error.message : String(error));
      })
      .then((end) => (end === null || stopping ? undefined : finish(by, frame.id, end)));
  };
  const refusalOf = (by: Origin, { command, args }: CommandFrame): string | null => {
    const allowed = deps.allowed();
    if (by !== OPERATOR && !allowed.includes(groupOf(command))) {
      const how = command === "configure" ? `; on its machine, \`${allowingCommand(allowed, command)}\` allows it` : "";
      return `this node does not let its coordinators ${wordsOf(command)} (node.allow_commands)${how}`;
    }
    const wrong = wrongArgs(command, args);
    if (wrong !== null) return wrong;
    const mine = [...underWay.values()].filter((other) => other.by === by);
    return mine.length >= MAX_UNDER_WAY ? `${MAX_UNDER_WAY} commands are under way here already` : null;
  };

  /** Null: the end has been said already. */
  const perform = async (one: UnderWay): Promise<CommandEnd | null> => {
    const { by, frame } = one;
    switch (frame.command) {
      case "drain":
        return drain(by);
      case "resume":
        return resume(by);
      case "refresh":
        await renew();
        return COMPLETED;
      case "restart":
        return restart(by, frame.id);
      case "configure":
        return configure(by, frame.args.terms ?? {});
      default:
        return changeModel(one, frame.command, frame.args.model ?? "");
    }
  };
  const renew = async () => {
    await deps.serving.refresh();
    deps.announce();
  };
  const configure = async (by: Origin, terms: TermsChange): Promise<CommandEnd> => {
    const done = await deps.configure(terms, by);
    return done.ok ? COMPLETED : refused(done.error);
  };
  const drain = async (by: Origin): Promise<CommandEnd> => {
    drainers.add(by);
    hold();
    await journal.note({ t: "drained", by, on: true }).catch(noteFailed);
    return COMPLETED;
  };
  const hold = () => gate.hold("command", "drained on request");
  const resume = async (by: Origin): Promise<CommandEnd> => {
    if (by === OPERATOR) {
      await undrain();
      return COMPLETED;
    }
    await letGo(by);
    return drainers.size === 0 ? COMPLETED : failed("another coordinator of this node has drained it too");
  };
  const letGo = async (by: Origin): Promise<void> => {
    if (drainers.delete(by)) await journal.note({ t: "drained", by, on: false }).catch(noteFailed);
    if (drainers.size === 0) gate.release("command");
  };
  const undrain = async (): Promise<void> => {
    for (const by of [...drainers]) await letGo(by);
  };
  const restart = async (by: Origin, id: string): Promise<CommandEnd | null> => {
    const again = deps.restart;
    if (!again) return refused("this node cannot start itself again here; stop and start it on its machine");
    try {
      // Remembered as done before it is, so that it is never done twice.
      await journal.note({ t: "ended", by, id, ...COMPLETED });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return failed(`it could not be written down that this node restarts, so it does not: ${why}`);
    }
    release(by, id, COMPLETED);
    cancelRestart ??= clock.after(RESTART_AFTER_MS, again);
    return null;
  };

  const changeModel = async (one: UnderWay, command: ModelCommand, model: string): Promise<CommandEnd> => {
    const chosen = chooseBackend(deps.backends, deps.serving.now(), command, model);
    if (!chosen.ok) return refused(chosen.error);
    const { backend, action } = chosen.value;
    const before = queues.get(backend);
    const turn = Promise.withResolvers<void>();
    queues.set(backend, turn.promise);
    try {
      if (before !== undefined) {
        one.reporter.report({ phase: "waiting for another command", completed: null, total: null });
        const given = Promise.withResolvers<void>();
        one.abort.signal.addEventListener("abort", () => given.resolve(), { once: true });
        await Promise.race([before, given.promise]);
      }
      if (one.abort.signal.aborted) return CANCELLED;
      const end = await runModelAction({ ...deps, report: one.reporter.report }, one.abort.signal, {
        command,
        model,
        backend,
        action,
      });
      // The coordinator hears what is served now before it hears that this is done.
      if (!stopping) await renew();
      return end;
    } finally {
      // One that gave up waiting does not let the next overtake who is still at it.
      void (before ?? Promise.resolve()).then(() => {
        if (queues.get(backend) === turn.promise) queues.delete(backend);
        turn.resolve();
      });
    }
  };

  const cancel = (by: Origin, id: string) => {
    const one = underWay.get(keyOf(by, id));
    if (one) return one.abort.abort();
    if (ending.has(keyOf(by, id))) return;
    const ended = journal.endOf(by, id) ?? untold.get(keyOf(by, id))?.end;
    if (ended) owe(by, id, ended);
    // Never begun here, or interrupted by a restart: nothing of it runs.
    else void finish(by, id, CANCELLED);
  };

  return {
    link(by) {
      if (journal.isDrainedBy(by)) {
        drainers.add(by);
        hold();
      }
      const ways = says.get(by) ?? new Set();
      says.set(by, ways);
      let mine: Say | null = null;
      const closed = () => {
        if (mine) ways.delete(mine);
        mine = null;
      };
      return {
        opened(say) {
          closed();
          mine = say;
          ways.add(say);
        },
        closed,
        obey(frame) {
          if (stopping) return;
          if (frame.type === "command") take(by, frame);
          else if (frame.type === "command_cancel") cancel(by, frame.id);
          else untold.delete(keyOf(by, frame.id));
        },
      };
    },
    undrain,
    async stop() {
      stopping = true;
      stopTelling();
      cancelRestart?.();
      for (const one of underWay.values()) {
        one.reporter.stop();
        one.abort.abort();
      }
      await journal.close();
    },
  };
}

const wordsOf = (command: Command): string => {
  if (command === "configure") return "change its slots, prices and schedule";
  return isModelCommand(command) ? `${VERBS[command]} models` : `${command} it`;
};
