// Payouts, as operations of a coordinator: what an admin sees of them, and does about those that are stuck.
import { inArray } from "drizzle-orm";
import type { Caller } from "../accounts/caller.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { nodes } from "../registry/schema.ts";
import { payoutJson } from "../settlement/desk.ts";
import { attemptsOf, getPayout, listPayouts } from "../settlement/payouts.ts";
import type { PayoutRow } from "../settlement/schema.ts";
import { retryNow } from "../settlement/set-aside.ts";
import { writeOff } from "../settlement/write-off.ts";
import { ChainUnreachable } from "../solana/chain.ts";
import { operation } from "./operation.ts";
import type { Admin, AdminError } from "./operations.ts";
import { PAYOUT_OPERATIONS, type PayoutView } from "./payout-operations.ts";

export type PayoutAdmin = Pick<Admin, keyof typeof PAYOUT_OPERATIONS>;
/** Payouts of the instance that runs. */
export type LivePayouts = {
  nudge(): void;
  reclaim(afterMs: number): Promise<number>;
};
type Deps = { db: Db; clock: Clock; payouts: LivePayouts | null };

/** Of the nodes of these rows. */
async function nodeNames(db: Db, rows: readonly PayoutRow[]): Promise<Map<string, string>> {
  const keys = [...new Set(rows.map(({ node }) => node))];
  const found = await db.read
    .select({ pubkey: nodes.pubkey, name: nodes.name })
    .from(nodes)
    .where(inArray(nodes.pubkey, keys));
  return new Map(found.map(({ pubkey, name }) => [pubkey, name]));
}

const HOUR_MS = 3_600_000;

const UNKNOWN: AdminError = {
  code: "not_found",
  message: "there is no such payout",
  hint: "`infernet payouts list` lists them",
};
const NOT_STUCK: AdminError = {
  code: "conflict",
  message: "the payout is not stuck",
  hint: "only what waits for a client can be tried again or given up; everything else goes on by itself",
};
const NO_CHAIN: AdminError = {
  code: "not_available",
  message: "nothing runs here that is on a chain",
  hint: 'it takes a running coordinator with billing.mode = "solana"',
};

export function payoutAdmin(deps: Deps): PayoutAdmin {
  const { db, payouts } = deps;
  const shown = async (rows: readonly PayoutRow[]): Promise<PayoutView[]> => {
    const names = await nodeNames(db, rows);
    return await Promise.all(
      rows.map(async (row) => ({
        ...(await payoutJson(deps, row)),
        node: pubkeySchema.parse(row.node),
        node_name: names.get(row.node) ?? null,
        attempts: (await attemptsOf(deps, row.id)).length,
      })),
    );
  };
  const one = async (row: PayoutRow | undefined): Promise<Result<PayoutView, AdminError>> => {
    const [view] = row ? await shown([row]) : [];
    return view ? ok(view) : err(UNKNOWN);
  };
  return {
    listPayouts: operation(PAYOUT_OPERATIONS.listPayouts, async ({ limit, node, state, account, before }) => {
      const filter = {
        ...(node ? { node } : {}),
        ...(state ? { state } : {}),
        ...(account === undefined ? {} : { accountId: account }),
        ...(before === undefined ? {} : { before }),
      };
      return ok({ payouts: await shown(await listPayouts(deps, limit, filter)) });
    }),
    retryPayout: operation(PAYOUT_OPERATIONS.retryPayout, async ({ id }) => {
      if (!(await getPayout(deps, id))) return err(UNKNOWN);
      if (!(await retryNow(deps, id))) return err(NOT_STUCK);
      payouts?.nudge();
      return one(await getPayout(deps, id));
    }),
    writeOffPayout: operation(PAYOUT_OPERATIONS.writeOffPayout, async ({ id, reason }, by: Caller) => {
      const written = await writeOff({ ...deps, by }, id, reason);
      return written.ok ? one(written.value) : err(written.error === "not_stuck" ? NOT_STUCK : UNKNOWN);
    }),
    reclaimRent: operation(PAYOUT_OPERATIONS.reclaimRent, async ({ after_h }) => {
      if (payouts === null) return err(NO_CHAIN);
      try {
        return ok({ reclaimed: await payouts.reclaim(after_h * HOUR_MS) });
      } catch (error) {
        if (!(error instanceof ChainUnreachable)) throw error;
        return err({ code: "not_available", message: `the chain cannot be asked: ${error.message}` });
      }
    }),
  };
}
