// Key rights: what a key may be used for, which models it may ask for, and what its use may cost.
import type { Budget } from "../ledger/holds.ts";
import type { ApiKeyRow } from "./schema.ts";

/** What a client's key may do. A key that names none of them may do all. */
export const CLIENT_SCOPES = [
  "chat",
  "completions",
  "embeddings",
  "jobs",
  "models:read",
  "usage:read",
  /** Allowances and deposits of the account. */
  "funding",
] as const;
export type ClientScope = (typeof CLIENT_SCOPES)[number];
/** `operator`: of workers that serve models; such a key is no client's. */
export type KeyScope = ClientScope | "operator";

/** Why a key with these scopes may not do what needs `scope`; null where it may. Without one it is any client's to do. */
export function scopeRefusal(
  scopes: readonly string[],
  scope: KeyScope | undefined,
): "api_key_role" | "api_key_scope" | null {
  if (scopes.includes("operator") !== (scope === "operator")) return "api_key_role";
  return scopes.length === 0 || scope === undefined || scopes.includes(scope) ? null : "api_key_scope";
}

/** Whether a model of this name may be asked for. */
export type ModelRule = (name: string) => boolean;

/** Names as they are, or their beginnings with a `*` behind. Null where there are none: all models are allowed. */
export function modelRule(allowed: readonly string[]): ModelRule | null {
  if (allowed.length === 0) return null;
  const names = new Set(allowed.map(withoutLatest));
  const beginnings = allowed.flatMap((name) => (name.endsWith("*") ? name.slice(0, -1) : []));
  return (name) => names.has(withoutLatest(name)) || beginnings.some((beginning) => name.startsWith(beginning));
}

/** Ollama's word for the tag that nobody wrote. */
const withoutLatest = (name: string): string => (name.endsWith(":latest") ? name.slice(0, -":latest".length) : name);

/** Of the models that `name` stands for those that are allowed: all where the name itself is, an alias's above all. */
export const modelsAllowed = (rule: ModelRule | null, name: string, models: readonly string[]): readonly string[] =>
  rule === null || rule(name) ? models : models.filter(rule);

/** µ$; null where there is no limit. Days are UTC's. */
export type SpendLimits = { day: number | null; total: number | null };

/** Null where there are none. */
export const spendLimitsOf = ({ spendDayMicroUsd: day, spendTotalMicroUsd: total }: ApiKeyRow): SpendLimits | null =>
  day === null && total === null ? null : { day, total };

/** What is counted against the key's limits, and how much of it there may be: for the ledger, which counts. */
export function budgetsOf(key: { lineage: string; spend: SpendLimits | null }, nowMs: number): readonly Budget[] {
  if (key.spend === null) return NO_BUDGETS;
  const { day, total } = key.spend;
  const ids = budgetIds(key.lineage, nowMs);
  return [
    ...(day === null ? [] : [{ id: ids.day, limit: BigInt(day) }]),
    ...(total === null ? [] : [{ id: ids.total, limit: BigInt(total) }]),
  ];
}
const NO_BUDGETS: readonly Budget[] = [];

/** Of the day that `nowMs` is in, and of all days. A key that took over from another has its budgets too. */
const budgetIds = (lineage: string, nowMs: number): { day: string; total: string } => ({
  day: `key/${lineage}/${new Date(nowMs).toISOString().slice(0, 10)}`,
  total: `key/${lineage}`,
});
