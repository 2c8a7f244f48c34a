// Payouts and payments of a polling node.

import { listPayouts, setPayout } from "../../registry/payouts.ts";
import type { PayoutAddressRow } from "../../registry/schema.ts";
import type { MachineCall } from "../routes.ts";
import { bodyOf, data, refuse } from "./answers.ts";
import type { PollingDeps } from "./registration.ts";
import { payoutSchema } from "./shapes.ts";

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

/** Nothing is paid yet. */
export const payments = (): Response => data({ rows: [] });
