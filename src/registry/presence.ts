// Presence: coordinators that share a database tell each other that they live, what they do, and which nodes are linked
// to them. Each writes what changed every few seconds and reads what the others wrote; who says nothing for a while
// counts as gone, and its links with it. A coordinator with a database of its own has no part in it.
import { and, eq, gt } from "drizzle-orm";
import type { SqlValue } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { type LinkChange, type LinkChanges, linkChanges, MOST_NEWS } from "./link-changes.ts";
import type { LinkShown } from "./node.ts";
import type { Registry } from "./registry.ts";
import { replicaLinks, replicas } from "./schema.ts";

/** Another coordinator on the database. */
export type Replica<F> = {
  id: string;
  version: string;
  /** By this coordinator's clock, as all times here: clocks of machines differ. */
  startedMs: number;
  /** When it was heard of last. */
  heardMs: number;
  /** It neither lives nor said that it stops. */
  isSilent: boolean;
  /** Nodes that are linked there, wherever else they are. */
  linked: number;
  /** Null where its version says them otherwise. */
  figures: F | null;
};

export type Presence<F> = {
  /** By id; those that stopped in order are not among them. */
  others(): readonly Replica<F>[];
  /** Tells and hears once. Never throws. */
  beat(): Promise<void>;
  /** Takes this coordinator out. */
  stop(): Promise<void>;
};

export type PresenceDeps<F> = {
  db: Db;
  clock: Clock;
  log: Log;
  registry: Pick<Registry, "nodes" | "linkedElsewhere">;
  /** This one among them. */
  id: string;
  version: string;
  startedMs: number;
  /** What it does now. */
  figures: () => F;
  /** Reads what another said; null where that is nothing known. */
  readFigures: (said: unknown) => F | null;
};

const BEAT_MS = 3_000;
/** Who was not heard of for so long is taken for gone. */
export const SILENT_MS = 20_000;
/** Who could not listen for so long may have missed that a link ended: it reads everything anew. */
const DEAF_MS = 5 * 60_000;
/** Who says nothing for so long is forgotten. */
const FORGOTTEN_MS = 24 * 3_600_000;
/** Rows of one statement; the event loop turns between two. */
const ROWS_AT_ONCE = 256;
const READ_AT_ONCE = 1_000;

const SAY_LINK = `insert or replace into replica_links (replica, node, rev, linked_ms, shown) values (?, ?, ?, ?, ?)`;
const SAY_SELF = `insert into replicas (id, version, started_ms, seen_ms, epoch, rev, figures) values (?, ?, ?, ?, ?, ?, ?)
  on conflict (id) do update set version = excluded.version, started_ms = excluded.started_ms,
    seen_ms = excluded.seen_ms, epoch = excluded.epoch, rev = excluded.rev, figures = excluded.figures`;

/** What this one knows of another. */
type Other<F> = Omit<Replica<F>, "linked"> & {
  /** When its row was seen first. */
  knownMs: number;
  /** Its last sign, by its own clock. */
  seenMs: number;
  epoch: number;
  rev: number;
  links: Map<Pubkey, { sinceMs: number; shown: LinkShown }>;
};

/** Where the coordinator is alone. */
export const alone = <F>(): Presence<F> => ({
  others: () => [],
  beat: async () => undefined,
  stop: async () => undefined,
});

/** Begins at once, and goes on until it is stopped. */
export function createPresence<F>(deps: PresenceDeps<F>): Presence<F> {
  const { clock, log } = deps;
  const teller = telling(deps);
  const listener = listening(deps);
  let beating: Promise<void> | null = null;
  let isAway = false;
  const once = async (): Promise<void> => {
    try {
      await teller.tell();
      await listener.hear();
      isAway = false;
    } catch (error) {
      if (!isAway) log.warn("other coordinators can be neither told nor heard; trying again", { err: error });
      isAway = true;
    }
    listener.doubt();
  };
  const beat = (): Promise<void> => {
    beating ??= once().finally(() => {
      beating = null;
    });
    return beating;
  };
  const stopBeating = clock.every(BEAT_MS, () => void beat());
  void beat();
  return {
    others: listener.others,
    beat,
    async stop() {
      stopBeating();
      await beating;
      // The others find out: a stop waits for the database once, not twice.
      if (isAway) return;
      await teller.leave().catch((error: unknown) => {
        log.warn("other coordinators could not be told that this one stops; they find out", { err: error });
      });
    },
  };
}

/** What this coordinator says of itself. */
function telling<F>({ db, clock, log, registry, id, version, startedMs, figures }: PresenceDeps<F>) {
  const { writer } = db;
  let links: LinkChanges = linkChanges(registry);
  let epoch = 0;
  let rev = 0;
  const forgetAll = () => db.writer.batch("delete from replica_links where replica = ?", [[id]], { durable: false });
  /** All that was said before is void: it was an earlier process's, or is there no more. */
  const beginAnew = async (): Promise<void> => {
    await forgetAll();
    links = linkChanges(registry);
    epoch = Math.max(epoch + 1, clock.nowMs());
    rev = 0;
  };
  const say = async (news: readonly LinkChange[]): Promise<void> => {
    for (let from = 0; from < news.length; from += ROWS_AT_ONCE) {
      const some = news.slice(from, from + ROWS_AT_ONCE);
      const rows = some.map(({ pubkey, made }): SqlValue[] => [
        ...[id, pubkey, ++rev, made?.connectedMs ?? null, made?.shownJson ?? null],
      ]);
      await writer.batch(SAY_LINK, rows, { durable: false });
      for (const one of some) links.told(one);
    }
  };
  /** Of what stands of this one; null where nothing does. */
  const epochThere = async (): Promise<unknown> =>
    (await db.query("select epoch from replicas where id = ?", [id]))[0]?.[0] ?? null;
  let saidEpoch: number | null = null;
  let isTwice = false;
  return {
    async tell(): Promise<void> {
      const there = await epochThere();
      if (there !== null && saidEpoch !== null && there !== saidEpoch && !isTwice) {
        isTwice = true;
        log.error("another coordinator on this database goes by the same id: its data directory was copied", {
          id,
          hint: "stop the copy, delete replica.id in its data directory and start it again",
        });
      }
      if (there !== epoch) await beginAnew();
      for (;;) {
        const news = links.news();
        await say(news);
        if (news.length < MOST_NEWS) break;
      }
      const self = [id, version, startedMs, clock.nowMs(), epoch, rev, JSON.stringify(figures())];
      await writer.batch(SAY_SELF, [self], { durable: false });
      saidEpoch = epoch;
    },
    async leave(): Promise<void> {
      await writer.batch("delete from replicas where id = ?", [[id]], { durable: false });
      await forgetAll();
    },
  };
}

/** What it knows of the others. */
function listening<F>({ db, clock, registry, id: own, readFigures }: PresenceDeps<F>) {
  const others = new Map<string, Other<F>>();
  let heardMs = clock.nowMs();

  /** Where a node is linked now, of the living the first by id. */
  const settle = (pubkey: Pubkey) => {
    for (const { id, isSilent, links } of others.values()) {
      const link = isSilent ? undefined : links.get(pubkey);
      if (link) return registry.linkedElsewhere(pubkey, { replica: id, ...link });
    }
    registry.linkedElsewhere(pubkey, null);
  };
  const dropLinks = (other: Other<F>) => {
    const gone = [...other.links.keys()];
    other.links.clear();
    other.rev = 0;
    gone.forEach(settle);
  };
  const forget = (other: Other<F>) => {
    others.delete(other.id);
    dropLinks(other);
  };
  const readLinks = async (other: Other<F>): Promise<void> => {
    for (;;) {
      const rows = await db.read
        .select()
        .from(replicaLinks)
        .where(and(eq(replicaLinks.replica, other.id), gt(replicaLinks.rev, other.rev)))
        .orderBy(replicaLinks.rev)
        .limit(READ_AT_ONCE);
      for (const { node, rev, linkedMs, shown } of rows) {
        const pubkey = node as Pubkey;
        other.rev = rev;
        if (linkedMs === null || shown === null) other.links.delete(pubkey);
        else other.links.set(pubkey, { sinceMs: here(other, linkedMs), shown });
        settle(pubkey);
      }
      if (rows.length < READ_AT_ONCE) return;
    }
  };
  const hearOne = async (row: typeof replicas.$inferSelect): Promise<void> => {
    const { id, version, startedMs, seenMs, epoch, rev } = row;
    const nowMs = clock.nowMs();
    const known = others.get(id);
    const other: Other<F> = known ?? {
      ...{ id, version, startedMs, knownMs: nowMs, seenMs, epoch, rev: 0, isSilent: true, figures: null },
      links: new Map(),
      // Of the first sign only its own clock is known.
      heardMs: Math.min(seenMs, nowMs),
    };
    if (!known) insertById(others, other);
    if (other.seenMs !== seenMs) other.heardMs = nowMs;
    other.seenMs = seenMs;
    other.startedMs = here(other, Math.min(startedMs, seenMs));
    if (other.epoch !== epoch) dropLinks(other);
    Object.assign(other, { version, epoch, figures: readFigures(row.figures) });
    // `doubt` says who is silent.
    if (nowMs - other.heardMs > SILENT_MS) return;
    const wasSilent = other.isSilent;
    other.isSilent = false;
    if (wasSilent) [...other.links.keys()].forEach(settle);
    if (rev > other.rev) await readLinks(other);
  };

  return {
    others: (): readonly Replica<F>[] =>
      [...others.values()].map(({ id, version, startedMs, heardMs, isSilent, figures, links }) => ({
        ...{ id, version, startedMs, heardMs, isSilent, figures, linked: links.size },
      })),
    async hear(): Promise<void> {
      const rows = await db.read.select().from(replicas).orderBy(replicas.id);
      const nowMs = clock.nowMs();
      if (nowMs - heardMs > DEAF_MS) for (const other of others.values()) dropLinks(other);
      const there = new Set(rows.map(({ id }) => id));
      for (const other of [...others.values()]) if (!there.has(other.id)) forget(other);
      for (const row of rows) if (row.id !== own) await hearOne(row);
      heardMs = nowMs;
      await forgetDead({ db }, [...others.values()], nowMs);
    },
    /** Who has not been heard of for too long is gone, also where nobody can be heard. */
    doubt(): void {
      const nowMs = clock.nowMs();
      for (const other of others.values()) {
        if (other.isSilent || nowMs - other.heardMs <= SILENT_MS) continue;
        other.isSilent = true;
        [...other.links.keys()].forEach(settle);
      }
    },
  };
}

/** A moment that the other told, by the clock of this one. */
const here = ({ heardMs, seenMs }: { heardMs: number; seenMs: number }, toldMs: number): number =>
  toldMs - seenMs + heardMs;

/** The order is the same at every coordinator. */
function insertById<F>(others: Map<string, Other<F>>, one: Other<F>): void {
  const all = [...others.values(), one].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  others.clear();
  for (const other of all) others.set(other.id, other);
}

async function forgetDead<F>({ db }: { db: Db }, others: readonly Other<F>[], nowMs: number): Promise<void> {
  // Its clock may be a day behind: whether it lives shows once it had the time to say something.
  const dead = others.filter(({ heardMs, knownMs }) => nowMs - heardMs > FORGOTTEN_MS && nowMs - knownMs > SILENT_MS);
  for (const { id, seenMs } of dead) {
    await db.writer.transact(
      async (_tx, execute) => {
        const gone = await execute("delete from replicas where id = ? and seen_ms = ? returning id", [id, seenMs]);
        if (gone.length > 0) await execute("delete from replica_links where replica = ?", [id]);
      },
      { durable: false },
    );
  }
}
