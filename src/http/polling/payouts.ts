// Payouts and payments of a polling node.

import { listPayouts, setPayout } from "../../registry/payouts.ts";
import type { PayoutAddressRow } from "../../registry/schema.ts";
import { payoutsOf } from "../../settlement/desk.ts";
import { earningsTotal } from "../../settlement/earnings.ts";
import type { MachineCall } from "../routes.ts";
import { bodyOf, data, refuse } from "./answers.ts";
import type { PollingDeps } from "./registration.ts";
import { payoutSchema } from "./shapes.ts";

const MAX_PAYMENTS = 100;

const shown = ({ coin, network, address, setMs }: PayoutAddressRow, first: boolean) => ({
  coin,
  network,
  address,
  /** The latest is the one that counts. */
  is_default: first,
  created_at: new Date(setMs).toISOString(),
});

export async function payouts(deps: PollingDeps, { signed: { pubkey } }: MachineCall): Promise<Response> {
  const rows = await listPayouts(deps, pubkey);
  return data({ rows: rows.map((row, i) => shown(row, i === 0)) });
}

export async function setPayoutAddress(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, payoutSchema);
  if (!body.ok) return refuse(body.error);
  const { pubkey, version } = call.signed;
  const set = await setPayout(deps, pubkey, body.value, version, call.address);
  if (set.ok) return data({ row: shown(set.value, true) });
  if (set.error === "too_many") return refuse({ code: set.error, message: "a node has at most 32 payout addresses" });
  const message =
    "a payout address is set already, and a signature of version 1 may not change it; sign with version 2";
  return refuse({ code: set.error, message });
}

/** The node's payouts as payments, newest first, and what is still owed. Amounts are µ$. */
export async function payments({ db }: PollingDeps, { signed: { pubkey } }: MachineCall): Promise<Response> {
  const { unpaid, inPayout, paid } = await earningsTotal(db, pubkey);
  const rows = await payoutsOf({ db }, pubkey, MAX_PAYMENTS);
  return data({
    total: { unpaid: Number(unpaid), in_payout: Number(inPayout), paid: Number(paid) },
    rows: rows.map(({ id, state, node_amount, wallet, signature, created_ms, ended_ms }) => ({
      id,
      status: state,
      amount: node_amount,
      address: wallet,
      tx: signature,
      created_at: new Date(created_ms).toISOString(),
      paid_at: state === "paid" && ended_ms !== null ? new Date(ended_ms).toISOString() : null,
    })),
  });
}
