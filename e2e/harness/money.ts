// Money: credit for a test's account, and what the books of a coordinator say. The books are read from the database
// itself, beside the running coordinator, so that what it says of itself is not all there is to go by.
import { join } from "node:path";
import { type CheckedLedger, checkLedger } from "../../src/admin/check-ledger.ts";
import { type DatabaseAddress, type Db, openDatabase } from "../../src/db/open.ts";
import { clientLedger, type LedgerAccountId, nodeLedger, post, SYSTEM_ACCOUNTS } from "../../src/ledger/ledger.ts";
import { waitFor } from "./wait-for.ts";

/** µ$. */
export type Sums = { balance: number; held: number };
export type ReceiptRow = {
  node: string;
  seq: number;
  attempt: string;
  gross: number;
  nodeAmount: number;
  fee: number;
};

export type Books = {
  /** Gives an account so many µ$. */
  grant(amount: number, account?: string): Promise<void>;
  client(account?: string): Promise<Sums>;
  node(pubkey: string): Promise<Sums>;
  fees(): Promise<Sums>;
  /** Of any ledger account. */
  sum(id: LedgerAccountId): Promise<Sums>;
  /** In the order in which they were given out, node by node. */
  receipts(): Promise<ReceiptRow[]>;
  /** Amounts held for jobs under way. */
  holds(): Promise<number[]>;
  /** What each job was charged, by its id; null where it has not ended, or nothing was charged. */
  charged(): Promise<Map<string, number | null>>;
  /** Waits until no job holds anything any more. */
  settled(): Promise<void>;
  check(): Promise<CheckedLedger>;
  close(): Promise<void>;
};

/** The account that everything belongs to where there are no users. */
export const LOCAL = "local";

export const booksOf = (dataDirectory: string): Promise<Books> =>
  openBooks({ path: join(dataDirectory, "infernet.db") });

export async function openBooks(address: DatabaseAddress): Promise<Books> {
  const db = await openDatabase(address);
  const sums = async (id: string): Promise<Sums> => {
    const [row] = await db.query("select balance, held from ledger_accounts where id = ?", [id]);
    return { balance: Number(row?.[0] ?? 0), held: Number(row?.[1] ?? 0) };
  };
  const self: Books = {
    grant: (amount, account = LOCAL) => grant(db, amount, account, `grant/test-${crypto.randomUUID()}`),
    client: (account = LOCAL) => sums(clientLedger(account)),
    node: (pubkey) => sums(nodeLedger(pubkey)),
    fees: () => sums(SYSTEM_ACCOUNTS.fees),
    sum: sums,
    async receipts() {
      const rows = await db.query(
        "select node, seq, attempt, gross, node_amount, fee from receipts order by finished_ms, node, seq",
      );
      return rows.map(([node, seq, attempt, gross, nodeAmount, fee]) => ({
        node: `${node}`,
        seq: Number(seq),
        attempt: `${attempt}`,
        gross: Number(gross),
        nodeAmount: Number(nodeAmount),
        fee: Number(fee),
      }));
    },
    holds: async () => (await db.query("select amount from holds")).map(([amount]) => Number(amount)),
    async charged() {
      const rows = await db.query("select id, charged_micro_usd from jobs");
      return new Map(rows.map(([id, amount]) => [`${id}`, amount === null ? null : Number(amount)]));
    },
    settled: async () => {
      let held: unknown[] = [];
      await waitFor(
        "nothing to be held any more",
        async () => {
          held = await db.query("select * from holds");
          return held.length === 0;
        },
        { detail: () => JSON.stringify(held) },
      );
    },
    check: () => checkLedger(db),
    close: () => db.close(),
  };
  return self;
}

async function grant(db: Db, amount: number, account: string, cause: string): Promise<void> {
  const posted = await db.writer.transact((_, execute) =>
    post(execute, {
      kind: "grant",
      cause,
      atMs: Date.now(),
      entries: [
        { account: SYSTEM_ACCOUNTS.grants, amount: -BigInt(amount) },
        { account: clientLedger(account), amount: BigInt(amount) },
      ],
    }),
  );
  if (!posted.ok) throw new Error(posted.error);
}

/** Faults of a check, a line each. */
export const faultsOf = ({ checks }: CheckedLedger): string[] =>
  checks.flatMap(({ name, faults, more }) => [
    ...faults.map(({ row, message }) => `${name}: ${row}: ${message}`),
    ...(more > 0 ? [`${name}: ${more} more`] : []),
  ]);
