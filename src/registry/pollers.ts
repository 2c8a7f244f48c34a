// Pollers: nodes that ask for their work over HTTP instead of holding a link. Each is an ordinary node in the registry,
// and what it says becomes the very calls that links make, so that jobs cannot tell.
//
// A poller has room only while it asks: its slots are what it runs and what its open questions still want. What it was
// given is leased: any sign of it renews the lease, silence ends it, and what comes after that is refused.
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type DispatchFrame, SILENCE_MS } from "../protocol/frames.ts";
import type { Delta } from "../protocol/generation.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { CLOSE_NORMAL } from "../protocol/transport.ts";
import type { CommandListener } from "./command-delivery.ts";
import type { LinkListener } from "./links.ts";
import { MASS_SILENCE, MASS_SILENCE_NODES } from "./liveness.ts";
import {
  type Ask,
  cannot,
  held,
  isTooFar,
  type Leased,
  type Past,
  type PollRefusal,
  REFUSALS,
  readyFrame,
  room,
  type Served,
  type Session,
  until,
} from "./poll-session.ts";
import {
  count,
  deltasOf,
  endFrame,
  grant,
  isBehind,
  missing,
  type PolledAttempt,
  type PolledEnd,
  polledAttempt,
} from "./polled-attempt.ts";
import type { NodeChannel, Registry } from "./registry.ts";

export type PollerDeps = {
  clock: Clock;
  log: Log;
  registry: Registry;
  listener: LinkListener;
  commands: Pick<CommandListener, "lost">;
};

const SWEEP_MS = 1_000;
const MAX_PAST = 1_024;
/** Jobs that are claimed in the database are waited for so long before a question is answered without them. */
const CLAIM_MS = 2_000;
/** An end that is not kept here by then is not waited for: the storage is in trouble. */
const KEEP_MS = 10_000;

export type Pollers = ReturnType<typeof createPollers>;

export function createPollers(deps: PollerDeps) {
  const { clock, log, registry, listener, commands } = deps;
  const sessions = new Map<Pubkey, Session>();
  const byHolder = new Map<string, Set<Session>>();
  /** Nodes that said that they go offline, and did not come back. */
  const left = new Set<Pubkey>();
  /** By attempt: ended, and not kept here yet. */
  const endings = new Map<string, PolledAttempt>();
  let sweptMs = clock.nowMs();
  const stopSweep = clock.every(SWEEP_MS, () => {
    const nowMs = clock.nowMs();
    // This process did not run for a while: what nodes said meanwhile is not read yet.
    if (nowMs - sweptMs > 8 * SWEEP_MS) for (const { node } of sessions.values()) node.lastSeenMs = nowMs;
    sweptMs = nowMs;
    const silent = [...sessions.values()].filter(({ node }) => nowMs - node.lastSeenMs > SILENCE_MS);
    const mostAreSilent = silent.length >= MASS_SILENCE_NODES && silent.length > sessions.size * MASS_SILENCE;
    // Then it is this machine's own network that is in doubt.
    if (!mostAreSilent) for (const session of silent) lapse(session, "no sign of it for 90 s");
  });

  /** The session that still is the node's: a link may have taken over. */
  const sessionOf = (pubkey: Pubkey): Session | undefined => {
    const session = sessions.get(pubkey);
    if (!session || session.node.channel === session.channel) return session;
    drop(session);
    return undefined;
  };
  const drop = (session: Session): void => {
    if (sessions.get(session.node.pubkey) === session) sessions.delete(session.node.pubkey);
    const others = byHolder.get(session.holder);
    others?.delete(session);
    if (others?.size === 0) byHolder.delete(session.holder);
    for (const { wake } of session.asks) wake();
    for (const { waiting } of session.attempts.values()) for (const go of waiting) go();
    session.attempts.clear();
  };
  /** It said nothing for too long. Its jobs go elsewhere, and it is under suspicion. */
  const lapse = (session: Session, reason: string): void => {
    drop(session);
    if (session.node.channel !== session.channel) return;
    registry.detach(session.node);
    session.node.slots = 0;
    log.info("node lost", { node: session.node.pubkey, name: session.node.name, reason });
    listener.lost(session.node);
  };
  /** It leaves, or was told to. Its jobs go elsewhere without blame. */
  const leave = (session: Session, reason: string): void => {
    drop(session);
    if (session.node.channel !== session.channel) return;
    registry.detach(session.node);
    session.node.slots = 0;
    log.info("node left", { node: session.node.pubkey, name: session.node.name, reason });
    listener.ready(session.node, []);
  };

  /** Its slots, so that it is given as much as it asked for; `leaving` attempts are about to end. */
  const setSlots = (session: Session, leaving = 0): void => {
    session.node.slots = Math.max(0, session.node.running - leaving) + room(session);
  };

  const end = (session: Session, attempt: PolledAttempt, past: Past, how: PolledEnd, rest: Delta[] = []): void => {
    session.attempts.delete(attempt.id);
    session.past.set(attempt.id, past);
    for (const oldest of session.past.keys()) {
      if (session.past.size <= MAX_PAST) break;
      session.past.delete(oldest);
    }
    const offset = count(attempt, rest, rest.length);
    for (const go of attempt.waiting) go();
    endings.set(attempt.id, attempt);
    // A job may take the place at once: not more than was asked for.
    setSlots(session, 1);
    const wrong = listener.end(session.node, endFrame(attempt, offset, rest, how));
    if (wrong !== undefined) {
      // More than its reader can take, or the like: the end itself is still good.
      log.warn("the end of an attempt does not fit", { node: session.node.pubkey, attempt: attempt.id, wrong });
      const error = { code: "backend_failed", message: wrong.slice(0, 1024) };
      listener.end(session.node, endFrame(attempt, attempt.offset, [], { outcome: "failed", error }));
    }
    setSlots(session);
    if (room(session) > 0) listener.capacity(session.node);
  };
  const giveBack = (session: Session, attempt: PolledAttempt, message: string): void =>
    end(session, attempt, "refused", { outcome: "refused", error: { code: "backend_busy", message } });

  /** A job was chosen for this node: it goes to the oldest question that has room. */
  const give = (session: Session, frame: DispatchFrame): void => {
    const attempt = polledAttempt(frame);
    session.attempts.set(attempt.id, attempt);
    const ask = session.asks.find(({ limit, given }) => given.length < limit);
    const why = ask ? cannot(session, frame) : "the node does not ask for work now";
    if (!ask || why !== undefined) {
      // Not from within the choice that led here.
      queueMicrotask(() => {
        if (session.attempts.has(attempt.id)) giveBack(session, attempt, why ?? "");
      });
      return;
    }
    ask.given.push(frame);
    ask.wake();
  };

  const pastOf = (holder: string, id: string): Past | undefined => {
    for (const { past } of byHolder.get(holder) ?? []) if (past.has(id)) return past.get(id);
    return undefined;
  };

  const newSession = (pubkey: Pubkey, served: Served): Session => {
    const channel: NodeChannel = {
      forgetful: true,
      send(frameJson) {
        const frame = JSON.parse(frameJson) as { type: string; attempt: string; bytes: number };
        if (frame.type === "dispatch") return give(session, frame as unknown as DispatchFrame);
        const attempt = session.attempts.get(frame.attempt);
        if (frame.type === "credit" && attempt) grant(attempt, frame.bytes);
        // The node hears of it when it next says something; its slot is free at once.
        if (frame.type === "cancel" && attempt) {
          queueMicrotask(() => {
            if (session.attempts.has(attempt.id)) end(session, attempt, "cancelled", { outcome: "cancelled" });
          });
        }
      },
      acknowledge(id) {
        endings.get(id)?.kept.resolve();
        endings.delete(id);
      },
      close: (_code, reason) => lapse(session, reason),
    };
    const node = registry.attach(pubkey, channel, readyFrame(served));
    const session: Session = {
      node,
      channel,
      holder: served.holder,
      served: JSON.stringify(served),
      continues: served.backends.some(({ continues }) => continues),
      attempts: new Map(),
      past: new Map(),
      asks: [],
    };
    sessions.set(pubkey, session);
    left.delete(pubkey);
    byHolder.set(session.holder, (byHolder.get(session.holder) ?? new Set()).add(session));
    // Whatever it ran before is gone: nobody has its pieces.
    listener.ready(node, []);
    setSlots(session);
    log.info("node joined", { node: pubkey, name: node.name, models: node.offers.length, by: "polling" });
    return session;
  };

  return {
    /** A sign of the node: its lease is renewed. False where it holds none. */
    seen(pubkey: Pubkey): boolean {
      const session = sessionOf(pubkey);
      if (session) session.node.lastSeenMs = clock.nowMs();
      return session !== undefined;
    },

    /** True where this node polls now, and holds no link. */
    has: (pubkey: Pubkey): boolean => sessionOf(pubkey) !== undefined,

    /** Takes the node up, or what it serves now. A link of the same key ends. */
    serve(pubkey: Pubkey, served: Served): void {
      const session = sessionOf(pubkey);
      if (!session) {
        const link = registry.nodes.get(pubkey)?.channel ?? null;
        const { node } = newSession(pubkey, served);
        if (!link) return;
        commands.lost(node);
        link.close(CLOSE_NORMAL, "the node polls now");
        return;
      }
      session.node.lastSeenMs = clock.nowMs();
      const json = JSON.stringify(served);
      if (json === session.served) return;
      session.served = json;
      session.continues = served.backends.some(({ continues }) => continues);
      Object.assign(session.node, { name: served.name, device: served.device });
      const serves = { ...served, slots: session.node.slots };
      registry.heartbeat(session.node, {
        type: "heartbeat",
        status: "available",
        running: session.node.running,
        serves,
      });
      setSlots(session);
    },

    /**
     * Gives the node up to `limit` jobs, those there are or, within `waitMs`, the first that comes. What is given to a
     * caller who has gone meanwhile (`signal`) is given back.
     */
    async ask(pubkey: Pubkey, limit: number, waitMs: number, signal: AbortSignal): Promise<DispatchFrame[]> {
      const session = sessionOf(pubkey);
      if (!session) return [];
      const ask: Ask = { limit, given: [], wake: () => {} };
      session.asks.push(ask);
      setSlots(session);
      listener.capacity(session.node);
      const over = () => signal.aborted || sessions.get(pubkey) !== session;
      if (waitMs > 0) await until(clock, ask, waitMs, signal, () => ask.given.length > 0 || over());
      // Asynchronous jobs are claimed in the database first.
      const claimed = () => session.node.running <= session.attempts.size || ask.given.length >= limit;
      await until(clock, ask, CLAIM_MS, signal, () => claimed() || over());
      session.asks.splice(session.asks.indexOf(ask), 1);
      if (sessions.get(pubkey) !== session) return [];
      setSlots(session);
      const given = ask.given.filter(({ attempt }) => session.attempts.has(attempt));
      if (!signal.aborted) {
        for (const { attempt } of given) listener.accepted(session.node, attempt);
        return given;
      }
      for (const { attempt: id } of given) {
        const attempt = session.attempts.get(id);
        if (attempt) giveBack(session, attempt, "the node that asked for work had gone");
      }
      return [];
    },

    /** What the node runs, and what it still asks for. */
    busy(pubkey: Pubkey): number {
      const session = sessionOf(pubkey);
      return session ? session.attempts.size + room(session) : 0;
    },

    /** How many nodes of this holder poll now. */
    count: (holder: string): number => byHolder.get(holder)?.size ?? 0,

    /** An attempt that `holder` has under lease, of whichever of its nodes. */
    find(holder: string, id: string): Result<Leased, PollRefusal> {
      for (const session of [...(byHolder.get(holder) ?? [])]) {
        const attempt = sessionOf(session.node.pubkey) === session ? session.attempts.get(id) : undefined;
        if (attempt) return ok({ pubkey: session.node.pubkey, attempt });
      }
      const past = pastOf(holder, id);
      return err(past === undefined ? "lease_lapsed" : REFUSALS[past]);
    },

    /** How an attempt of this holder ended; undefined where that is not known any more. */
    past: pastOf,

    /**
     * Hands on what the node wrote; `pieces` is how many the node gave. `ahead`: nothing was taken, since the reader is
     * far behind. A promise: to be waited for before more is sent.
     */
    relay({ pubkey, attempt }: Leased, deltas: Delta[], pieces: number): Result<Promise<void> | undefined, "ahead"> {
      const session = sessionOf(pubkey);
      if (!session || deltas.length === 0) return ok(undefined);
      if (isTooFar(attempt, deltas)) return err("ahead");
      const offset = count(attempt, deltas, pieces);
      const frame = { type: "delta", attempt: attempt.id, offset, deltas, pieces: attempt.pieces } as const;
      const wrong = listener.delta(session.node, frame);
      if (wrong !== undefined && session.attempts.has(attempt.id)) {
        const error = { code: "backend_failed", message: wrong.slice(0, 1024) };
        end(session, attempt, "failed", { outcome: "failed", error });
      }
      if (!isBehind(attempt) || !session.attempts.has(attempt.id)) return ok(undefined);
      return ok(held(clock, attempt));
    },

    /**
     * The attempt is over. `whole`: everything the node wrote; what of it did not come is handed on, and where it does
     * not go on from what came, the attempt counts as failed. Resolves when the end is kept here, or cannot be for now.
     */
    async finish(
      { pubkey, attempt }: Leased,
      whole: string | null,
      how: PolledEnd,
    ): Promise<Result<Past, PollRefusal | "storage_failed">> {
      const session = sessionOf(pubkey);
      if (!session?.attempts.has(attempt.id)) return err("lease_lapsed");
      const rest = how.outcome === "completed" ? missing(attempt, whole ?? attempt.whole) : "";
      if (rest !== null && isTooFar(attempt, deltasOf(rest))) {
        await held(clock, attempt);
        if (!session.attempts.has(attempt.id)) return err("lease_lapsed");
      }
      if (rest === null) {
        const error = { code: "backend_failed", message: "pieces of the answer were lost on the way from the node" };
        end(session, attempt, "failed", { outcome: "failed", error });
      } else end(session, attempt, how.outcome === "completed" ? "completed" : "failed", how, deltasOf(rest));
      const late = Promise.withResolvers<"late">();
      const cancel = clock.after(KEEP_MS, () => late.resolve("late"));
      const kept = await Promise.race([attempt.kept.promise, late.promise]);
      cancel();
      endings.delete(attempt.id);
      return kept === "late" ? err("storage_failed") : ok(session.past.get(attempt.id) ?? "failed");
    },

    /** The node goes offline of its own will. */
    leave(pubkey: Pubkey): void {
      const session = sessionOf(pubkey);
      if (session) leave(session, "it says that it goes offline");
      left.add(pubkey);
    },

    /** It said that it goes offline: what it still has to say does not bring it back. */
    hasLeft: (pubkey: Pubkey): boolean => left.has(pubkey),

    /** Somebody decided about the node: it has to ask anew. */
    reset(pubkey: Pubkey, reason: string): void {
      const session = sessionOf(pubkey);
      if (session) leave(session, reason);
    },

    close(): void {
      stopSweep();
      for (const session of [...sessions.values()]) drop(session);
    },
  };
}
