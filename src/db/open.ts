// Open: makes the database, embedded or on a server, into the one type that everything else works with.
import { type EmbeddedFile, openEmbedded } from "./embedded.ts";
import { toStorageError } from "./errors.ts";
import { type Drizzle, drizzleOver, type Execute, guarded, type SqlRow, type SqlValue } from "./executor.ts";
import { snapshotOfFile } from "./snapshot.ts";
import { createWriter, type Writer, type WriterOptions } from "./writer.ts";

export type Db = {
  readonly kind: "embedded" | "server";
  /** The database's file; null on a server. */
  readonly path: string | null;
  /** Sees what is committed, never a write under way. */
  readonly read: Drizzle;
  readonly writer: Writer;
  /** One plain reading statement, for the few that the builder is too slow or too narrow for. */
  query(sql: string, params?: readonly SqlValue[]): Promise<SqlRow[]>;
  /** Runs `act`, whose statements all see the database as it was at the first of them. For long looks: nobody waits. */
  snapshot<T>(act: (execute: Execute) => Promise<T>): Promise<T>;
  /** For how long reads have been answered nothing; 0 where none waits. Those of a file are done in place, and never wait. */
  silentMs(): number;
  /** Finishes what is queued, then lets go of the file or the server. */
  close(): Promise<void>;
};

export type DatabaseAddress = { path: string } | { url: string; authToken?: string };

/** Every statement of a group is a round trip to the server, so a group may take longer than on a file. */
const SERVER_GROUP_MS = 50;

/** Opens without migrating (see migrate.ts). Throws StorageError where the file or the server is not to be had. */
export async function openDatabase(address: DatabaseAddress, options: WriterOptions = {}): Promise<Db> {
  try {
    if ("path" in address) {
      const { path } = address;
      const snapshot = <T>(act: Act<T>) => snapshotOfFile(path, act);
      const file = { ...openEmbedded(path), snapshot, silentMs: () => 0 };
      return assemble("embedded", path, file, options);
    }
    // Only here, so that one's own file does not pay for the network client.
    const { openServer } = await import("./server.ts");
    const server = openServer(address);
    await server.read("SELECT 1", []);
    return assemble("server", null, server, { maxGroupMs: SERVER_GROUP_MS, ...options });
  } catch (error) {
    throw toStorageError(error);
  }
}

type Act<T> = (execute: Execute) => Promise<T>;
type Opened = EmbeddedFile & Pick<Db, "snapshot" | "silentMs">;

function assemble(kind: Db["kind"], path: string | null, file: Opened, options: WriterOptions): Db {
  const writer = createWriter(file.write, options);
  const read = guarded(file.read);
  return {
    kind,
    path,
    read: drizzleOver(read),
    writer,
    query: async (sql, params = []) => await read(sql, params),
    snapshot: file.snapshot,
    silentMs: file.silentMs,
    async close() {
      await writer.close();
      await file.close();
    },
  };
}
