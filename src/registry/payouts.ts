// Payouts: where nodes want to be paid.
import { and, desc, eq, sql } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { type PayoutAddressRow, payoutAddresses } from "./schema.ts";

export type PayoutAddress = Pick<PayoutAddressRow, "coin" | "network" | "address">;
export type PayoutRefusal =
  /** Signed with version 1, which names no recipient: it may say where to pay first, and not change it. */
  "payout_needs_v2" | "too_many";

/** Coins and networks of one node. */
const MAX_ADDRESSES = 32;

/** The latest first: that is the one that counts. */
export async function listPayouts({ db }: { db: Db }, pubkey: Pubkey): Promise<PayoutAddressRow[]> {
  return await db.read
    .select()
    .from(payoutAddresses)
    .where(eq(payoutAddresses.nodePubkey, pubkey))
    .orderBy(desc(payoutAddresses.setMs), desc(sql`rowid`));
}

/** Sets the address of a coin on a network, and notes it for the audit log with where it came `from`. Durable. */
export async function setPayout(
  { db, clock }: { db: Db; clock: Clock },
  pubkey: Pubkey,
  wanted: PayoutAddress,
  version: 1 | 2,
  from = "",
): Promise<Result<PayoutAddressRow, PayoutRefusal>> {
  const { coin, network, address } = wanted;
  return await db.writer.transact(async (tx) => {
    const known = await tx.select().from(payoutAddresses).where(eq(payoutAddresses.nodePubkey, pubkey));
    const same = known.find((row) => row.coin === coin && row.network === network);
    if (version === 1 && known.length > 0) return same?.address === address ? ok(same) : err("payout_needs_v2");
    if (!same && known.length >= MAX_ADDRESSES) return err("too_many");
    const setMs = Math.max(clock.nowMs(), ...known.map((row) => row.setMs + 1));
    if (same) {
      const mine = and(
        eq(payoutAddresses.nodePubkey, pubkey),
        eq(payoutAddresses.coin, coin),
        eq(payoutAddresses.network, network),
      );
      await tx.update(payoutAddresses).set({ address, setMs }).where(mine);
    } else await tx.insert(payoutAddresses).values({ nodePubkey: pubkey, ...wanted, setMs });
    if (same?.address !== address) {
      await audit(tx, {
        atMs: clock.nowMs(),
        actor: `node/${pubkey}`,
        action: "payout_address.set",
        subject: `node/${pubkey}`,
        before: same === undefined ? null : { coin, network, address: same.address },
        after: { coin, network, address },
        from,
      });
    }
    return ok({ nodePubkey: pubkey, ...wanted, setMs });
  });
}
