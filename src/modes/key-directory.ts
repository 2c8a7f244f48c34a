// Key directory: the registered keys, in memory, for verifying signatures without a query.
import type { Db } from "../db/open.ts";
import type { KeyDirectory, KnownKey } from "../identity/verify-request.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { getNode, listNodes, noteAuthV2 } from "../registry/nodes.ts";
import type { NodeRow } from "../registry/schema.ts";

export type LiveKeys = KeyDirectory & {
  /** Takes over how a key stands now. */
  set(row: NodeRow): void;
  /** Reads one key again: somebody decided about it. */
  reload(pubkey: Pubkey): Promise<void>;
};

export function liveKeys(db: Db, rows: readonly NodeRow[]): LiveKeys {
  const keys = new Map<string, KnownKey>();
  const set = (row: NodeRow) =>
    void keys.set(row.pubkey, { status: row.status, role: row.role, authV2Seen: row.authV2Seen });
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
  };
}

export const loadKeys = async (db: Db): Promise<{ keys: LiveKeys; rows: NodeRow[] }> => {
  const rows = await listNodes({ db });
  return { keys: liveKeys(db, rows), rows };
};
