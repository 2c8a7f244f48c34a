// View: the account's keys, as their pages show them.
import type { KeyView } from "../../../web/pages/keys/list.tsx";
import type { KeyRow } from "../../admin/operations.ts";
import { keySpend } from "../../http/key-spend.ts";
import type { SignedInCall } from "../../http/routes.ts";
import type { DashboardDeps } from "../deps.ts";

export const KEY_STATES = ["good", "ended", "all"] as const;
export type KeyFilter = { state: (typeof KEY_STATES)[number]; q: string };

export function keyFilter({ query }: Pick<SignedInCall, "query">): KeyFilter {
  const state = KEY_STATES.find((one) => one === query.get("state")) ?? "good";
  return { state, q: (query.get("q") ?? "").slice(0, 128) };
}

export const isGood = ({ revoked_ms, expires_ms }: KeyRow, nowMs: number): boolean =>
  revoked_ms === null && (expires_ms === null || expires_ms > nowMs);

/** All keys of the account that one acts for, the newest first. */
export async function keysOf({ admin }: Pick<DashboardDeps, "admin">, { human }: SignedInCall): Promise<KeyRow[]> {
  const listed = await admin.listKeys({ account: human.account.id });
  if (!listed.ok) throw new Error(listed.error.message);
  return listed.value.keys;
}

export function filtered(keys: readonly KeyRow[], { state, q }: KeyFilter, nowMs: number): KeyRow[] {
  const wanted = q.toLowerCase();
  return keys.filter(
    (key) =>
      (state === "all" || isGood(key, nowMs) === (state === "good")) &&
      (key.name.toLowerCase().includes(wanted) || key.prefix.startsWith(q.slice(0, key.prefix.length))),
  );
}

export async function keyView(deps: Pick<DashboardDeps, "db" | "clock">, key: KeyRow): Promise<KeyView> {
  const limits = { day: key.spend_day, total: key.spend_total };
  const spend = await keySpend(deps, { lineage: key.lineage, spend: limits });
  return { row: key, spend, isGood: isGood(key, deps.clock.nowMs()) };
}
