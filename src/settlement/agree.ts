// Agree: a payout that its node asked for is sent once the node has signed that it is right.
import { err, ok, type Result } from "../lib/result.ts";
import { verifyAgreement } from "../protocol/payout-agreement.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { MoveDeps } from "./moves.ts";
import { getPayout } from "./payouts.ts";
import type { PayoutRow } from "./schema.ts";

export type AgreementRefusal =
  /** None of this id is the node's, or it was planned anew since. */
  | "payout_unknown"
  /** The signature is not the node's over this payout. */
  | "agreement_wrong";

/** Takes the node's agreement; again is harmless. The payout as it is then. */
export async function agreeTo(
  deps: MoveDeps,
  { coordinator, node }: { coordinator: Pubkey; node: Pubkey },
  id: string,
  signature: string,
): Promise<Result<PayoutRow, AgreementRefusal>> {
  const payout = await getPayout(deps, id);
  if (payout?.node !== node) return err("payout_unknown");
  if (payout.state !== "planned") return ok(payout);
  const { root, wallet, nodeAmount } = payout;
  const agreement = { coordinator, node, payoutId: id, root, wallet, nodeAmount: BigInt(nodeAmount) };
  if (!verifyAgreement(signature, agreement)) return err("agreement_wrong");
  await deps.db.writer.transact(async (_, execute) => {
    await execute(
      "update payouts set state = 'due', agreement = ?, revision = revision + 1 where id = ? and state = 'planned' and root = ?",
      [signature, id, root],
    );
  });
  const now = await getPayout(deps, id);
  return now ? ok(now) : err("payout_unknown");
}
