// Writer: the only way to change the database. Writes are queued, and those that wait together share one transaction
// (group commit): one wait for the disk serves them all. Nobody is told "done" before the commit.
import { AsyncLocalStorage } from "node:async_hooks";
import { nextTurn } from "../lib/turns.ts";
import type { WriteConnection } from "./connection.ts";
import { driverFault, rootCause, StorageError, type StorageErrorCode, toStorageError } from "./errors.ts";
import { type Drizzle, drizzleOver, type Execute, type ExecuteMany, type SqlValue } from "./executor.ts";

/** Needs some pages of the file and of the log, and gives them back. */
const PROBE = [
  "CREATE TABLE room_probe (bytes BLOB)",
  "INSERT INTO room_probe VALUES (zeroblob(65536))",
  "DROP TABLE room_probe",
];
/** Writes that may wait; the next is refused with `storage_busy`. */
const MAX_QUEUED = 20_000;
/** A group is closed after so many writes or so much time, so that neither its first write nor the event loop waits long. */
const MAX_GROUP = 512;
const MAX_GROUP_MS = 4;

export type WriteOptions = {
  /** True (default): resolves once the write would survive a loss of power. False: a crash of the process only. */
  durable?: boolean;
};

export type Writer = {
  /**
   * Runs `op` in a transaction and resolves with its value after the commit. A throw undoes what `op` wrote, and
   * nothing else. `op` awaits nothing but its own statements: every other write waits for it. Rejects with what `op`
   * threw, or with a StorageError. Must not be called inside an `op`. `execute` and
   * `many` run plain statements in the same transaction, for the few that are hot.
   */
  transact<T>(op: (tx: Drizzle, execute: Execute, many: ExecuteMany) => Promise<T>, options?: WriteOptions): Promise<T>;
  /** One plain statement for many rows, all or none; the quick way for hot statements. */
  batch(sql: string, rows: readonly (readonly SqlValue[])[], options?: WriteOptions): Promise<void>;
  /** Has the connection to itself, between two groups and outside any transaction. */
  exclusive<T>(act: (connection: WriteConnection) => Promise<T>): Promise<T>;
  /** Resolves when nothing is queued or under way. */
  drain(): Promise<void>;
  /** Refuses new writes from now on and drains. */
  close(): Promise<void>;
  stats(): WriterStats;
  /** For how long the writes under way have been; 0 where there are none. A disk that hangs keeps them for ever. */
  busyMs(): number;
  /** Why the storage refused a write, for as long as `probe` has not found it mended; null where writes work. */
  trouble(): StorageErrorCode | null;
  /** Tries a write that needs room and leaves nothing behind. True where it was kept: then there is no trouble. */
  probe(): Promise<boolean>;
};
export type WriterStats = { queued: number; groups: number; writes: number };

export type WriterOptions = {
  maxQueued?: number;
  maxGroup?: number;
  maxGroupMs?: number;
  /** Milliseconds of a clock that never goes back. */
  monotonicMs?: () => number;
  /** Told of faults that no caller hears of: housekeeping that failed and will be tried again. */
  onFault?: (fault: StorageError) => void;
};

/** One queued write. `perform` runs it; `done` and `failed` tell its caller how it ended. */
type Entry = {
  durable: boolean;
  alone: boolean;
  perform(group: Group): Promise<unknown> | unknown;
  done(value: unknown): void;
  failed(error: unknown): void;
};
/** What the writes of one transaction share. `lost` is set once the whole transaction is gone. */
type Group = { lost: StorageError | null };

export function createWriter(connection: WriteConnection, options: WriterOptions = {}): Writer {
  const { maxQueued = MAX_QUEUED, maxGroup = MAX_GROUP, maxGroupMs = MAX_GROUP_MS } = options;
  const monotonicMs = options.monotonicMs ?? (() => performance.now());
  const insideOp = new AsyncLocalStorage<{ open: boolean }>();
  const stats = { groups: 0, writes: 0 };
  const idle: (() => void)[] = [];
  const queue: Entry[] = [];
  let durableQueued = 0;
  let running = false;
  let closed = false;
  let trouble: StorageErrorCode | null = null;
  /** When the group under way began. */
  let begunMs: number | null = null;

  /** A busy storage is a matter of moments; the rest lasts until somebody mends it. */
  function note(fault: unknown): void {
    if (fault instanceof StorageError && fault.code !== "storage_busy") trouble = fault.code;
  }

  function enqueue<T>(durable: boolean, alone: boolean, perform: (group: Group) => Promise<T> | T): Promise<T> {
    if (closed) return Promise.reject(new StorageError("storage_failed", "the database is closed; start it again"));
    if (insideOp.getStore()?.open === true) {
      return Promise.reject(new Error("a write inside a write would wait for itself: use the tx that was given"));
    }
    if (queue.length >= maxQueued) {
      const message = `${queue.length} writes wait already; try again in a moment, and look at the disk if this lasts`;
      return Promise.reject(new StorageError("storage_busy", message));
    }
    return new Promise<T>((resolve, reject) => {
      queue.push({ durable, alone, perform, done: (value) => resolve(value as T), failed: reject });
      if (durable) durableQueued += 1;
      if (running) return;
      running = true;
      // At the end of this turn of the event loop, so that what arrives in it shares the group.
      setImmediate(() => void work());
    });
  }

  async function work(): Promise<void> {
    while (queue.length > 0) {
      if (queue[0]?.alone === true) await runAlone();
      else {
        begunMs = monotonicMs();
        await runGroup();
        begunMs = null;
      }
      // Lets sockets and timers in between two groups.
      if (queue.length > 0) await nextTurn();
    }
    running = false;
    for (const resolve of idle.splice(0)) resolve();
  }

  function next(): Entry | undefined {
    const entry = queue.shift();
    if (entry?.durable === true) durableQueued -= 1;
    return entry;
  }

  async function runAlone(): Promise<void> {
    const entry = next();
    if (entry === undefined) return;
    try {
      entry.done(await entry.perform({ lost: null }));
    } catch (error) {
      entry.failed(driverFault(error));
      await quietly(() => connection.rollback());
    }
  }

  async function runGroup(): Promise<void> {
    // A group is durable or not from its start on: SQLite does not change its mind inside a transaction.
    const durable = durableQueued > 0;
    const group: Group = { lost: null };
    const kept: { entry: Entry; value: unknown }[] = [];
    try {
      await connection.begin(durable);
    } catch (error) {
      const fault = toStorageError(error);
      note(fault);
      for (const entry of queue.splice(0, maxGroup)) {
        if (entry.durable) durableQueued -= 1;
        entry.failed(fault);
      }
      return;
    }
    const startedMs = monotonicMs();
    for (let taken = 0; taken < maxGroup && group.lost === null; taken += 1) {
      const head = queue[0];
      if (head === undefined || head.alone || (head.durable && !durable)) break;
      if (taken > 0 && monotonicMs() - startedMs > maxGroupMs) break;
      next();
      const outcome = await runInSavepoint(head, group);
      if (outcome !== null) kept.push(outcome);
    }
    await finish(group, kept);
  }

  /** Null where the write failed and its caller has been told. */
  async function runInSavepoint(entry: Entry, group: Group): Promise<{ entry: Entry; value: unknown } | null> {
    stats.writes += 1;
    try {
      await own("SAVEPOINT op", group);
      const value = await entry.perform(group);
      if (group.lost === null) await own("RELEASE op", group);
      return { entry, value };
    } catch (error) {
      await undo(group, error);
      note(group.lost ?? driverFault(rootCause(error)));
      entry.failed(group.lost ?? rootCause(error));
      return null;
    }
  }

  /** The writer's own statements: where one of them fails, the transaction is lost. */
  async function own(sql: string, group: Group): Promise<void> {
    try {
      await connection.execute(sql, []);
    } catch (error) {
      group.lost ??= toStorageError(error);
      throw group.lost;
    }
  }

  async function undo(group: Group, error: unknown): Promise<void> {
    if (group.lost !== null) return;
    if (!connection.inTransaction()) {
      group.lost = toStorageError(error);
      return;
    }
    await quietly(async () => {
      await own("ROLLBACK TO op", group);
      await own("RELEASE op", group);
    });
  }

  async function finish(group: Group, kept: { entry: Entry; value: unknown }[]): Promise<void> {
    stats.groups += 1;
    if (group.lost === null) {
      try {
        await connection.commit();
        for (const { entry, value } of kept) entry.done(value);
      } catch (error) {
        group.lost = toStorageError(error);
      }
    }
    if (group.lost !== null) {
      note(group.lost);
      for (const { entry } of kept) entry.failed(group.lost);
      await quietly(() => connection.rollback());
    }
    await quietly(() => connection.maintain());
  }

  /** For steps that no caller waits for; the next group's BEGIN tries a failed rollback again. */
  async function quietly(step: () => Promise<void> | undefined): Promise<void> {
    try {
      await step();
    } catch (error) {
      options.onFault?.(toStorageError(error));
    }
  }

  return {
    transact(op, { durable = true } = {}) {
      return enqueue(durable, false, (group) => {
        const scope = { open: true };
        const execute = scopedExecute(connection, group, scope);
        const tx = drizzleOver(execute);
        return insideOp.run(scope, async () => {
          try {
            return await op(tx, execute, scopedMany(connection, group, scope));
          } finally {
            scope.open = false;
          }
        });
      });
    },
    batch: (sql, rows, { durable = true } = {}) =>
      enqueue(durable, false, async () => {
        try {
          await connection.executeMany(sql, rows);
        } catch (error) {
          throw driverFault(error);
        }
      }),
    exclusive: (act) => enqueue(false, true, () => act(connection)),
    drain: () => (running ? new Promise((resolve) => idle.push(resolve)) : Promise.resolve()),
    async close() {
      closed = true;
      await this.drain();
    },
    stats: () => ({ queued: queue.length, ...stats }),
    busyMs: () => (begunMs === null ? 0 : monotonicMs() - begunMs),
    trouble: () => trouble,
    async probe() {
      const before = trouble;
      try {
        await enqueue(true, false, async () => {
          for (const sql of PROBE) await connection.execute(sql, []);
        });
      } catch (error) {
        note(driverFault(error));
        return false;
      }
      if (trouble === before) trouble = null;
      return true;
    },
  };
}

/** Statements of one write: refused once it has ended or its transaction is gone, so that none lands in another's. */
const scopedExecute = (connection: WriteConnection, group: Group, scope: { open: boolean }): Execute =>
  scoped(connection, group, scope, (sql, params) => connection.execute(sql, params));
const scopedMany = (connection: WriteConnection, group: Group, scope: { open: boolean }): ExecuteMany =>
  scoped(connection, group, scope, (sql, rows) => connection.executeMany(sql, rows));

function scoped<Values, Rows>(
  connection: WriteConnection,
  group: Group,
  scope: { open: boolean },
  run: (sql: string, values: Values) => Rows | Promise<Rows>,
): (sql: string, values: Values) => Promise<Rows> {
  return async (sql, values) => {
    if (!scope.open) throw new Error("a statement came after its transaction had ended: await every statement");
    if (group.lost !== null) throw group.lost;
    try {
      return await run(sql, values);
    } catch (error) {
      if (!connection.inTransaction()) group.lost ??= toStorageError(error);
      throw driverFault(error);
    }
  };
}
