// `GET /api/v1/key`: what the key that asks is good for, its limits, and what is left of them.
import { findApiKey } from "../accounts/api-keys.ts";
import { CLIENT_SCOPES } from "../accounts/key-rights.ts";
import type { RateStanding } from "../accounts/rate-limits.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { errorResponse } from "./errors.ts";
import { keySpend } from "./key-spend.ts";
import type { ClientCall } from "./routes.ts";

export type OwnKeyDeps = { db: Db; clock: Clock };

/** Amounts are µ$, and what is held for jobs under way counts as used. Null: not limited; of a caller without a key, all. */
export async function ownKey(deps: OwnKeyDeps, { caller: { key } }: ClientCall): Promise<Response> {
  if (key === undefined) return Response.json({ data: null });
  const row = await findApiKey(deps, key.keyId);
  if (row === undefined) return errorResponse("api_key_invalid", "this API key is not known any more");
  const rates = key.meter?.standing();
  return Response.json({
    data: {
      id: row.id,
      name: row.name,
      created_ms: row.createdMs,
      expires_ms: row.expiresMs,
      scopes: row.scopes.length === 0 ? CLIENT_SCOPES : row.scopes,
      pools: row.pools,
      models: row.models.length === 0 ? null : row.models,
      rate_limits: { requests: rateView(rates?.requests), tokens: rateView(rates?.tokens) },
      spend: await keySpend(deps, key),
    },
  });
}

const rateView = (standing: RateStanding | null | undefined) =>
  standing == null ? null : { limit: standing.limit, remaining: standing.remaining, reset_ms: standing.resetMs };
