// Keys, as operations of a coordinator.
import {
  type ApiKey,
  createApiKey,
  isAccount,
  type KeyDeps,
  type KeyNotFound,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
} from "../accounts/api-keys.ts";
import { CLIENT_SCOPES } from "../accounts/key-rights.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { listed } from "./listing.ts";
import { operation } from "./operation.ts";
import { type Admin, type AdminError, type KeyRow, OPERATIONS } from "./operations.ts";

type KeyAdmin = Pick<Admin, "createKey" | "listKeys" | "rotateKey" | "revokeKey">;

export function keyAdmin(deps: Omit<KeyDeps, "by">): KeyAdmin {
  const { clock } = deps;
  const endOf = (lifetimeS: number | undefined) =>
    lifetimeS === undefined ? {} : { expiresMs: clock.nowMs() + lifetimeS * 1000 };
  return {
    createKey: operation(OPERATIONS.createKey, async ({ expires_in_s, role, scopes, account, ...wanted }, by) => {
      if (account !== undefined && !(await isAccount(deps, account))) {
        const hint = "`infernet credits show` lists accounts";
        return err({ code: "not_found", message: `there is no account ${account}`, hint });
      }
      const { token, key } = await createApiKey(
        { ...deps, by },
        {
          name: wanted.name,
          ...(account === undefined ? {} : { accountId: account }),
          scopes: role === "operator" ? ["operator"] : scopes,
          pools: wanted.pools,
          models: wanted.models,
          requestsPerMinute: wanted.requests_per_minute,
          tokensPerMinute: wanted.tokens_per_minute,
          spendDayMicroUsd: wanted.spend_day,
          spendTotalMicroUsd: wanted.spend_total,
          ...endOf(expires_in_s),
        },
      );
      return ok({ id: key.id, key: token });
    }),
    listKeys: operation(OPERATIONS.listKeys, async ({ account, ...wanted }) => {
      const { rows, ...cursors } = await listed(wanted, (span) => listApiKeys(deps, { ...span, accountId: account }));
      return ok({ keys: rows.map(keyRow), ...cursors });
    }),
    rotateKey: operation(OPERATIONS.rotateKey, async ({ id, account, overlap_s, expires_in_s }, by) => {
      const rotation = { overlapMs: overlap_s * 1000, ...endOf(expires_in_s) };
      const rotated = await rotateApiKey({ ...deps, by }, keyOf(id, account), rotation);
      if (!rotated.ok) return notFound(rotated.error);
      const { token, key, old } = rotated.value;
      return ok({ id: key.id, key: token, old_id: old.id, old_expires_ms: old.expiresMs ?? 0 });
    }),
    revokeKey: operation(OPERATIONS.revokeKey, async ({ id, account }, by) => {
      const revoked = await revokeApiKey({ ...deps, by }, keyOf(id, account));
      return revoked.ok ? ok({ id: revoked.value.id }) : notFound(revoked.error);
    }),
  };
}

const keyOf = (which: string, accountId: string | undefined) => ({
  which,
  ...(accountId === undefined ? {} : { accountId }),
});

/** What was given may be a whole key, pasted by mistake: it is not repeated. */
function notFound(why: KeyNotFound): Result<never, AdminError> {
  const hint = "`infernet keys list` shows ids and first characters";
  if (why === "key_ambiguous") return err({ code: "conflict", message: "several keys begin like that", hint });
  return err({ code: "not_found", message: "no key in force has that id or begins like that", hint });
}

const keyRow = (key: ApiKey): KeyRow => ({
  id: key.id,
  account: key.accountId,
  name: key.name,
  role: key.scopes.includes("operator") ? "operator" : "client",
  prefix: key.prefix,
  created_ms: key.createdMs,
  expires_ms: key.expiresMs,
  last_used_ms: key.lastUsedMs,
  revoked_ms: key.revokedMs,
  scopes: CLIENT_SCOPES.filter((scope) => key.scopes.includes(scope)),
  pools: key.pools,
  models: key.models,
  requests_per_minute: key.requestsPerMinute,
  tokens_per_minute: key.tokensPerMinute,
  spend_day: key.spendDayMicroUsd,
  spend_total: key.spendTotalMicroUsd,
  lineage: key.lineage,
});
