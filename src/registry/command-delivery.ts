// Command delivery, live half: sends commands over open links, again after every reconnect until their end is stored;
// keeps in memory how far each one is.
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Command, CommandProgress } from "../protocol/commands.ts";
import type { CommandEndFrame, CommandProgressFrame, CoordinatorFrame } from "../protocol/frames.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { endCommand, expireCommands, extendCommands, markDelivered, nodesWithNews, openCommands } from "./commands.ts";
import type { Node, NodeChannel } from "./registry.ts";

/** What links say about commands. Called for nodes that may work only, in the order of arrival. */
export type CommandListener = {
  /** The node has a new link: what it has not ended is sent to it. */
  opened(node: Node): void;
  lost(node: Node): void;
  progress(node: Node, frame: CommandProgressFrame): void;
  end(node: Node, frame: CommandEndFrame): void;
};

export type CommandDelivery = CommandListener & {
  /** Something was issued or cancelled for the node: it is told, where it is here. */
  nudge(node: Pubkey): void;
  /** What a node that polls says of a command that it was given; null at its end. */
  polled(node: Pubkey, id: string, progress: CommandProgress | null): void;
  /** How far a command is; null where it has not said. */
  progressOf(id: string): CommandProgress | null;
  /** Looks for what could not be sent when it was due, and for what other coordinators on this database were asked. */
  look(): Promise<void>;
  /** Ends what took too long. */
  expire(): Promise<void>;
  /** Resolves when nothing is under way. */
  settled(): Promise<void>;
};

/** Ends of one node that wait to be stored; what comes beyond is not acknowledged, and so comes again. */
const MAX_WAITING_ENDS = 64;
/** A command of which the node said within this time how far it is is worked on. */
const FRESH_MS = 60 * 60 * 1000;

/** A word that a program does not know closes its link, again and again. */
const TOO_OLD = "the node's program is older than this command; `infernet update` on its machine";

type Link = {
  channel: NodeChannel;
  /** Its program has a word for it. */
  knows(command: Command): boolean;
  /** What was open when it came has been sent. */
  told: boolean;
  /** Commands sent over this link, and cancellations. */
  sent: Set<string>;
  cancelled: Set<string>;
  waitingEnds: number;
};
type Live = { node: Pubkey; progress: CommandProgress | null; heardMs: number };

export function commandDelivery({ db, clock, log }: { db: Db; clock: Clock; log: Log }): CommandDelivery {
  const deps = { db, clock };
  const links = new Map<Pubkey, Link>();
  /** Sent over a link that is open, and not ended. */
  const live = new Map<string, Live>();
  /** One step at a time for each node, so that commands arrive in the order in which they were issued. */
  const steps = new Map<Pubkey, Promise<void>>();

  const inOrder = (node: Pubkey, step: () => Promise<void>) => {
    const before = steps.get(node) ?? Promise.resolve();
    const mine = before.then(step).catch((error: unknown) => {
      log.warn("a command could not be handled now; it is tried again", { node, err: error });
    });
    steps.set(node, mine);
    void mine.then(() => {
      if (steps.get(node) === mine) steps.delete(node);
    });
  };
  const say = ({ channel }: Link, frame: CoordinatorFrame) => channel.send(JSON.stringify(frame));

  const deliver = async (node: Pubkey, link: Link): Promise<void> => {
    const open = await openCommands(deps, node);
    for (const { id } of open.filter(({ command }) => !link.knows(command)))
      await endCommand(deps, node, id, { outcome: "refused", error: TOO_OLD });
    const rows = open.filter(({ command }) => link.knows(command));
    const unsent = rows.filter(({ id }) => !link.sent.has(id)).map(({ id }) => id);
    const marked = unsent.length > 0 ? await markDelivered(deps, node, unsent) : [];
    // Another link has taken over meanwhile: its own step sends them.
    if (links.get(node) !== link) return;
    for (const { id, command, args, cancelling } of marked) {
      link.sent.add(id);
      live.set(id, { node, progress: null, heardMs: clock.nowMs() });
      // What is to be stopped is not begun: the node says how it ended, known to it or not.
      if (!cancelling) say(link, { type: "command", id, command, args });
    }
    link.told = true;
    for (const { id } of [...rows, ...marked].filter((row) => row.cancelling)) {
      if (link.cancelled.has(id)) continue;
      link.cancelled.add(id);
      say(link, { type: "command_cancel", id });
    }
  };
  const nudge = (node: Pubkey) => {
    inOrder(node, async () => {
      const link = links.get(node);
      if (link) await deliver(node, link);
    });
  };
  const store = async (link: Link, { pubkey, name }: Node, { id, outcome, error }: CommandEndFrame): Promise<void> => {
    try {
      const ended = await endCommand(deps, pubkey, id, { outcome, error });
      if (ended.ok) live.delete(id);
      if (ended.ok && ended.value.stored) {
        const { command, args } = ended.value.row;
        log.info("a command ended", { node: pubkey, name, command, model: args.model, outcome, error });
      }
      // One that is not known, or another's, is none of the node's business any more either.
      if (links.get(pubkey) === link) say(link, { type: "command_ack", id });
    } finally {
      link.waitingEnds--;
    }
  };
  const forget = (node: Pubkey) => {
    for (const [id, entry] of live) if (entry.node === node) live.delete(id);
  };

  return {
    opened(node) {
      if (!node.channel) return;
      forget(node.pubkey);
      links.set(node.pubkey, {
        channel: node.channel,
        knows: (command) => command !== "configure" || node.terms !== null,
        told: false,
        sent: new Set(),
        cancelled: new Set(),
        waitingEnds: 0,
      });
      nudge(node.pubkey);
    },
    lost({ pubkey }) {
      links.delete(pubkey);
      forget(pubkey);
    },
    progress({ pubkey }, { id, phase, completed, total }) {
      const entry = live.get(id);
      if (entry?.node !== pubkey) return;
      entry.progress = { phase, completed, total };
      entry.heardMs = clock.nowMs();
    },
    end(node, frame) {
      const link = links.get(node.pubkey);
      if (!link || link.waitingEnds >= MAX_WAITING_ENDS) return;
      link.waitingEnds++;
      inOrder(node.pubkey, () => store(link, node, frame));
    },
    nudge,
    polled(node, id, progress) {
      if (progress) live.set(id, { node, progress, heardMs: clock.nowMs() });
      else if (live.get(id)?.node === node) live.delete(id);
    },
    progressOf: (id) => live.get(id)?.progress ?? null,
    async look() {
      const news = await nodesWithNews({ db });
      for (const [node, link] of links) if (!link.told || news.has(node)) nudge(node);
    },
    async expire() {
      const freshMs = clock.nowMs() - FRESH_MS;
      const worked = [...live].filter(([, { progress, heardMs }]) => progress !== null && heardMs > freshMs);
      await extendCommands(
        deps,
        worked.map(([id]) => id),
      );
      const expired = await expireCommands(deps);
      if (expired > 0) log.info("commands expired", { count: expired });
    },
    async settled() {
      while (steps.size > 0) await Promise.all(steps.values());
    },
  };
}
