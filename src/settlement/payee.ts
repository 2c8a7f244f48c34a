// Payee: where a node wants its payouts: the address it set for the coin and network that this network pays in.
import { and, eq } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { payoutAddresses } from "../registry/schema.ts";
import { parseAddress } from "../solana/address.ts";

/** As payout addresses and receipts name what is paid. */
export type Coin = { coin: string; network: string };

/** Base58 of the wallet whose token account is paid; null where the node named none that the chain could have. */
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
  return row !== undefined && parseAddress(row.address).ok ? row.address : null;
}
