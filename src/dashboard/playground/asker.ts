// Asker: on whose behalf the playground asks, and which models they can choose from.
import { poolsOfKeys } from "../../accounts/key-pools.ts";
import type { Caller } from "../../http/client-auth.ts";
import type { Human } from "../../http/routes.ts";
import { mayUse } from "../../scheduler/wishes.ts";
import type { DashboardDeps } from "../deps.ts";

/** As an API client of the account that somebody acts for; without a key, and so without a key's limits. */
export type Asker = Pick<Caller, "accountId" | "keyId" | "fairKey"> & { pools: readonly string[] };

/** Private pools are used by right of the account's keys: whoever acts for it could use those. */
export async function askerOf(deps: Pick<DashboardDeps, "db" | "clock">, { account }: Human): Promise<Asker> {
  const pools = await poolsOfKeys(deps, account.id);
  return { accountId: account.id, keyId: null, fairKey: account.id, pools };
}

/** Names offered for choosing; any other can be asked for too. */
const MAX_MODELS = 500;

/** Models and aliases that can be chatted with now, those of the most nodes first. */
export function chatModels({ registry }: Pick<DashboardDeps, "registry">, pools: readonly string[]): string[] {
  const here = new Map<string, number>();
  for (const [name, offers] of registry.models) {
    const usable = offers.some(
      ({ node, info }) => mayUse({ pools }, node.pool) && (info.tasks === undefined || info.tasks.includes("chat")),
    );
    if (usable) here.set(name, offers.length);
  }
  const aliases = Object.keys(registry.aliases).filter((alias) =>
    registry.modelsNamed(alias).some((model) => here.has(model)),
  );
  const models = [...here].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([name]) => name);
  return [...new Set([...models, ...aliases])].slice(0, MAX_MODELS);
}
