// Server: the database behind a libSQL server (sqld, Turso), for more than one coordinator. Same interface as the file.
import { type Client, createClient, type InStatement, type Transaction } from "@libsql/client/http";
import type { WriteConnection } from "./connection.ts";
import { driverFault, StorageError } from "./errors.ts";
import { bindable, type Execute, guarded, type SqlRow, type SqlValue } from "./executor.ts";
import { createSilence } from "./silence.ts";

/** A server that does not answer for so long counts as gone; nothing may hang the writer for ever. */
const REQUEST_TIMEOUT_MS = 20_000;

export type ServerAddress = { url: string; authToken?: string };
export type ServerConnection = {
  read: Execute;
  /** Of reads. */
  silentMs(): number;
  write: WriteConnection;
  snapshot<T>(act: (execute: Execute) => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

/** Makes the client; connects with the first statement. */
export function openServer({ url, authToken }: ServerAddress): ServerConnection {
  const client = createClient({
    url: url.replace(/^libsql:/, "https:"),
    ...(authToken === undefined ? {} : { authToken }),
    fetch: (request: Request) =>
      fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]) }),
  });
  const silence = createSilence();
  return {
    read: (sql, params) => silence.during(async () => rowsOf(await client.execute(statement(sql, params)))),
    silentMs: silence.ms,
    write: writeConnection(client),
    snapshot: (act) => snapshot(client, act),
    close: async () => client.close(),
  };
}

const statement = (sql: string, params: readonly SqlValue[]): InStatement => ({ sql, args: params.map(bindable) });

type ResultLike = { columns: string[]; rows: ArrayLike<unknown>[] };

function rowsOf({ columns, rows }: ResultLike): SqlRow[] {
  return rows.map((row) => columns.map((_, i) => (row[i] instanceof ArrayBuffer ? new Uint8Array(row[i]) : row[i])));
}

async function snapshot<T>(client: Client, act: (execute: Execute) => Promise<T>): Promise<T> {
  const transaction = await client.transaction("read").catch((error: unknown) => {
    throw driverFault(error);
  });
  try {
    return await act(guarded(async (sql, params) => rowsOf(await transaction.execute(statement(sql, params)))));
  } finally {
    transaction.close();
  }
}

/** One interactive write transaction at a time; the server makes other replicas' wait for it. */
function writeConnection(client: Client): WriteConnection {
  let open: Transaction | null = null;
  const current = (): Transaction => {
    if (open === null || open.closed) {
      throw new StorageError("storage_failed", "the transaction was ended by the libSQL server; try again");
    }
    return open;
  };
  return {
    async begin() {
      open?.close();
      open = await client.transaction("write");
    },
    execute: async (sql, params) => rowsOf(await current().execute(statement(sql, params))),
    async executeMany(sql, rows) {
      if (rows.length > 0) await current().batch(rows.map((params) => statement(sql, params)));
    },
    async commit() {
      await current().commit();
    },
    async rollback() {
      open?.close();
      open = null;
    },
    inTransaction: () => open?.closed === false,
    migrate: async (statements) => void (await client.migrate(statements.map((one) => statement(one.sql, one.params)))),
    script: async (sql) => await client.executeMultiple(sql),
    maintain: () => undefined,
  };
}
