// Address tables: short names on the chain for accounts that large transactions write. Made and extended when they are
// needed, and kept for all payouts that follow.
import { desc } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import type { Address, Chain, Instruction, LookupTable, LookupTableState, Signature, Signer } from "../solana/chain.ts";
import { addressTables as tableRows } from "./schema.ts";

export type AddressTables = {
  /** Tables that hold all of these between them; null while that is being brought about. */
  holding(addresses: readonly Address[]): Promise<readonly LookupTable[] | null>;
};
type Deps = {
  db: Db;
  clock: { nowMs(): number };
  chain: Pick<Chain, "instructions" | "finalized" | "lookupTable" | "prepare" | "send" | "statuses">;
  /** Owns the tables, and pays for them. */
  settlement: Signer;
};

/** What the program allows. */
const MAX_ADDRESSES = 256;
/** What fits one transaction. */
const MAX_ADDED = 20;

/** For one process. A second one may add the same addresses: they are then in it twice, which costs their rent. */
export function addressTables(deps: Deps): AddressTables {
  let sent: { signature: Signature; lastValidHeight: bigint } | null = null;

  /** Whether what was sent is neither final nor impossible yet. */
  async function isUnderWay(): Promise<boolean> {
    if (sent === null) return false;
    const { blockHeight } = await deps.chain.finalized([]);
    const [status] = await deps.chain.statuses([sent.signature]);
    if (status?.commitment !== "finalized" && blockHeight <= sent.lastValidHeight) return true;
    sent = null;
    return false;
  }

  async function send(instructions: readonly Instruction[]): Promise<void> {
    const { settlement, chain } = deps;
    const made = await chain.prepare({ feePayer: settlement.address, instructions, signers: [settlement] });
    if (!made.ok) throw new Error(`an address table cannot be made: ${JSON.stringify(made.error)}`);
    const { signature, lastValidBlockHeight, wire } = made.value;
    sent = { signature, lastValidHeight: lastValidBlockHeight };
    await chain.send(wire);
  }

  return {
    async holding(addresses) {
      if (await isUnderWay()) return null;
      const tables = await ownTables(deps);
      const known = new Set(tables.flatMap((table) => [...table.addresses]));
      const wanted = new Set(addresses);
      const missing = [...wanted].filter((address) => !known.has(address));
      if (missing.length === 0) return tables.filter((table) => table.addresses.some((each) => wanted.has(each)));
      const added = missing.slice(0, MAX_ADDED);
      const roomy = tables.find((table) => table.addresses.length + added.length <= MAX_ADDRESSES);
      await send(roomy ? [extend(deps, roomy.address, added)] : await create(deps, added));
      return null;
    },
  };
}

const extend = ({ chain, settlement: { address } }: Deps, table: Address, addresses: readonly Address[]): Instruction =>
  chain.instructions.extendLookupTable({ table, payer: address, authority: address, addresses });

/** Written down first: a table that nobody knows of is rent that is lost. */
async function create(deps: Deps, addresses: readonly Address[]): Promise<Instruction[]> {
  const { chain, clock, db, settlement } = deps;
  const { slot } = await chain.finalized([]);
  const { address: key } = settlement;
  const made = await chain.instructions.createLookupTable({ payer: key, authority: key, recentSlot: slot });
  const params = [made.address, clock.nowMs()];
  await db.writer.transact(async (_, execute) => {
    await execute("insert into address_tables (address, created_ms) values (?, ?) on conflict do nothing", params);
  });
  return [made.instruction, extend(deps, made.address, addresses)];
}

/** Those that are there, by what is final, and in use. */
async function ownTables({ db, chain }: Deps): Promise<LookupTableState[]> {
  const rows = await db.read.select().from(tableRows).orderBy(desc(tableRows.createdMs));
  const found = await Promise.all(rows.map(({ address }) => chain.lookupTable(address as Address)));
  return found.flatMap((table) => (table !== null && table.deactivationSlot === null ? [table] : []));
}
