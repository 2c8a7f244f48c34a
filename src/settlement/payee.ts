// Payee: where a node wants its payouts. The latest address it set for the coin and network that this network pays in.
import { and, eq } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { payoutAddresses } from "../registry/schema.ts";

/** As payout addresses and receipts name what is paid. */
export type Coin = { coin: string; network: string };

/** Base58 of the wallet that owns the token account to be paid; null where the node named none. */
export async function payeeOf(
  { read }: Pick<Db, "read">,
  node: string,
  { coin, network }: Coin,
): Promise<string | null> {
  const [row] = await read
    .select({ address: payoutAddresses.address })
    .from(payoutAddresses)
    .where(
      and(eq(payoutAddresses.nodePubkey, node), eq(payoutAddresses.coin, coin), eq(payoutAddresses.network, network)),
    );
  return row?.address ?? null;
}
