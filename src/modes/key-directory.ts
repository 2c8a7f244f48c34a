// Key directory: the registered keys, in memory, for verifying signatures without a query.
import type { Db } from "../db/open.ts";
import type { KeyDirectory, KnownKey } from "../identity/verify-request.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { giveAccounts } from "../registry/client-accounts.ts";
import { getNode, listNodes, noteAuthV2 } from "../registry/nodes.ts";
import type { NodeRow } from "../registry/schema.ts";

export type LiveKeys = KeyDirectory & {
  /** Takes over how a key stands now. */
  set(row: NodeRow): void;
  /** Reads one key again: somebody decided about it. */
  reload(pubkey: Pubkey): Promise<void>;
  /** Reads all again: another coordinator may have decided. Those that stand otherwise than before. */
  reloadAll(): Promise<Pubkey[]>;
};

/** `placed` is told how each key stands, at first and whenever that is read again. */
export function liveKeys(db: Db, rows: readonly NodeRow[], placed: (row: NodeRow) => void = () => {}): LiveKeys {
  let keys = new Map<string, KnownKey>();
  let decisions = 0;
  const set = (row: NodeRow) => {
    decisions += 1;
    keys.set(row.pubkey, knownKey(row));
    placed(row);
  };
  for (const row of rows) set(row);
  return {
    lookup: (pubkey) => keys.get(pubkey),
    async markV2Seen(pubkey) {
      const known = keys.get(pubkey);
      if (!known || known.authV2Seen) return;
      keys.set(pubkey, { ...known, authV2Seen: true });
      await noteAuthV2({ db }, pubkey);
    },
    set,
    async reload(pubkey) {
      const row = await getNode({ db }, pubkey);
      if (row) set(row);
      else keys.delete(pubkey);
    },
    async reloadAll() {
      for (;;) {
        const before = decisions;
        const rows = await listNodes({ db });
        // Read again where something was decided here meanwhile: the rows may be from before that.
        if (before !== decisions) continue;
        // That a key used v2 may be known here before it is stored.
        const now = new Map(
          rows.map((row) => [
            row.pubkey as string,
            { ...knownKey(row), authV2Seen: row.authV2Seen || keys.get(row.pubkey)?.authV2Seen === true },
          ]),
        );
        const other = [...keys].filter(([pubkey, known]) => {
          const { status, role } = now.get(pubkey) ?? {};
          return status !== known.status || role !== known.role;
        });
        keys = now;
        rows.forEach(placed);
        return other.map(([pubkey]) => pubkey as Pubkey);
      }
    },
  };
}

const knownKey = ({ status, role, authV2Seen, accountId }: NodeRow): KnownKey => ({
  status,
  role,
  authV2Seen,
  accountId,
});

export async function loadKeys(db: Db, placed?: (row: NodeRow) => void): Promise<{ keys: LiveKeys; rows: NodeRow[] }> {
  await giveAccounts({ db });
  const rows = await listNodes({ db });
  return { keys: liveKeys(db, rows, placed), rows };
}
