// Payout operations: what an admin asks about payouts, with the shape of question and answer; part of the one table in
// operations.ts. Amounts are whole µ$.
import { z } from "zod";
import { payoutSchema } from "../protocol/payouts.ts";
import { hex32Schema, pubkeySchema } from "../protocol/primitives.ts";
import { PAYOUT_STATES } from "../settlement/schema.ts";
import type { Operation } from "./operations.ts";

const operation = <I extends z.ZodType, O extends z.ZodType>(
  method: Operation["method"],
  path: string,
  input: I,
  output: O,
): Operation<I, O> => ({ method, path, input, output });

const payoutRow = payoutSchema.extend({
  node: pubkeySchema,
  node_name: z.string().nullable(),
  attempts: z.int().min(0),
});
export type PayoutView = z.output<typeof payoutRow>;

export const PAYOUT_OPERATIONS = {
  /** The newest first. */
  listPayouts: operation(
    "POST",
    "/payouts/list",
    z.strictObject({
      node: pubkeySchema.optional(),
      state: z.enum(PAYOUT_STATES).optional(),
      /** Of the nodes that belong to this account. */
      account: z.string().min(1).max(128).optional(),
      /** The last one of the page before. */
      before: hex32Schema.optional(),
      limit: z.int().min(1).max(500).default(50),
    }),
    z.object({ payouts: z.array(payoutRow) }),
  ),
  /** Has a stuck payout tried now, whatever the last look at its client said. */
  retryPayout: operation("POST", "/payouts/:id/retry", z.strictObject({ id: hex32Schema }), payoutRow),
  /** Gives a stuck payout up: its node is not paid for those receipts. */
  writeOffPayout: operation(
    "POST",
    "/payouts/:id/write-off",
    z.strictObject({ id: hex32Schema, reason: z.string().trim().min(1).max(512) }),
    payoutRow,
  ),
  /** Takes back the rent of markers of payouts that ended so long ago, a dozen at a time; `reclaimed`: now free. */
  reclaimRent: operation(
    "POST",
    "/payouts/reclaim",
    z.strictObject({ after_h: z.int().min(0).max(8760) }),
    z.object({ reclaimed: z.int().min(0) }),
  ),
} as const;
