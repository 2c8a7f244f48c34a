// Journal: accounts as they were before each change, for as long as a change is not final. From it come reads of the
// past (a finalized read lags) and rolling back a fork.
import type { Address } from "@solana/web3.js";
import type { Account } from "./vm.ts";

type Change = { sequence: number; slot: bigint; address: Address; before: Account | null };

export function createJournal() {
  const changes: Change[] = [];
  const byAddress = new Map<Address, Change[]>();
  let sequence = 0;

  const forget = (change: Change, from: "oldest" | "newest"): void => {
    const of = byAddress.get(change.address);
    if (from === "oldest") of?.shift();
    else of?.pop();
    if (of?.length === 0) byAddress.delete(change.address);
  };

  return {
    /** The number that the next change gets. */
    position: (): number => sequence,
    record(slot: bigint, address: Address, before: Account | null): void {
      const change = { sequence: sequence++, slot, address, before };
      changes.push(change);
      const of = byAddress.get(address);
      if (of === undefined) byAddress.set(address, [change]);
      else of.push(change);
    },
    /** The account as it was at the end of `slot`; undefined: as it is now. */
    asOf: (address: Address, slot: bigint): Account | null | undefined =>
      byAddress.get(address)?.find((change) => change.slot > slot)?.before,
    addresses: (): Iterable<Address> => byAddress.keys(),
    /** Undoes, newest first, what was recorded from `position` on. */
    rollBack(position: number, undo: (address: Address, before: Account | null) => void): void {
      for (let last = changes.at(-1); last !== undefined && last.sequence >= position; last = changes.at(-1)) {
        changes.pop();
        forget(last, "newest");
        undo(last.address, last.before);
      }
    },
    /** Drops changes that no read looks behind any more. */
    prune(finalizedSlot: bigint): void {
      const keepFrom = changes.findIndex((change) => change.slot > finalizedSlot);
      for (const change of changes.splice(0, keepFrom < 0 ? changes.length : keepFrom)) forget(change, "oldest");
    },
  };
}
