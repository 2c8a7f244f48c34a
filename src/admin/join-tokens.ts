// Join tokens, as operations of a coordinator: all of them, or those of one account, whose nodes they let in.
import type { Caller } from "../accounts/caller.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok } from "../lib/result.ts";
import { encodeJoinToken } from "../protocol/join-token.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import {
  createJoinToken,
  listJoinTokens,
  MAX_OPEN_TOKENS,
  type NewJoinToken,
  revokeJoinToken,
  type StoredJoinToken,
} from "../registry/join-tokens.ts";
import { type Answer, operation } from "./operation.ts";
import { type Admin, type JoinTokenRow, OPERATIONS } from "./operations.ts";

export type JoinTokensDeps = {
  db: Db;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  pubkey: Pubkey;
  /** Goes into tokens whose maker names no address. */
  joinUrl: string;
};
type AskedDeps = JoinTokensDeps & { by: Caller };

export function joinTokenAdmin(
  deps: JoinTokensDeps,
): Pick<Admin, "createJoinToken" | "listJoinTokens" | "revokeJoinToken"> {
  return {
    createJoinToken: operation(
      OPERATIONS.createJoinToken,
      ({ role, url = deps.joinUrl, expires_in_s, account, name }, by) => {
        const ttlMs = expires_in_s * 1000;
        const wanted = { role, ttlMs, ...(name ? { name } : {}), ...(account ? { accountId: account } : {}) };
        return create({ ...deps, by }, wanted, url);
      },
    ),
    listJoinTokens: operation(OPERATIONS.listJoinTokens, async ({ account }) => {
      const nowMs = deps.clock.nowMs();
      const tokens = await listJoinTokens(deps, account === undefined ? {} : { accountId: account });
      return ok({ tokens: tokens.map((token) => joinTokenRow(token, nowMs)) });
    }),
    revokeJoinToken: operation(OPERATIONS.revokeJoinToken, ({ id, account }, by) =>
      revoke({ ...deps, by }, id, account),
    ),
  };
}

async function create(deps: AskedDeps, wanted: NewJoinToken, url: string): ReturnType<Admin["createJoinToken"]> {
  if (wanted.accountId !== undefined && wanted.role !== "provider") {
    return err({ code: "invalid", message: "a token of an account lets in nodes that serve: its role is provider" });
  }
  const made = await createJoinToken(deps, wanted);
  if (!made.ok) {
    const message = `this account has ${MAX_OPEN_TOKENS} open join tokens, and there can be no more`;
    return err({ code: "conflict", message, hint: "use one of them, or revoke those that are not needed" });
  }
  const { secret, token } = made.value;
  const text = encodeJoinToken({ url, coordinator: deps.pubkey, secret });
  if (text.ok) return ok({ id: token.id, token: text.value, url, expires_ms: token.expiresMs });
  await revokeJoinToken(deps, token.id);
  return err({ code: "invalid", message: text.error.message });
}

async function revoke(deps: AskedDeps, id: string, account: string | undefined): Answer<{ id: string }> {
  const revoked = await revokeJoinToken(deps, id, account);
  if (revoked.ok) return ok({ id });
  const hint = "`infernet join-token list` shows them";
  if (revoked.error === "join_token_unknown")
    return err({ code: "not_found", message: `there is no join token ${id}`, hint });
  const mend = "`infernet nodes eject` takes the node's way in";
  return err({ code: "conflict", message: `join token ${id} has let its node in already`, hint: mend });
}

/** A token as the operations tell of it. */
export function joinTokenRow(token: StoredJoinToken, nowMs: number): JoinTokenRow {
  const { id, role, name, createdMs, expiresMs, usedMs, usedBy, revokedMs, accountId } = token;
  const unused = revokedMs !== null ? "revoked" : expiresMs <= nowMs ? "expired" : "open";
  const state = usedMs !== null ? "used" : unused;
  return { id, role, name, created_ms: createdMs, expires_ms: expiresMs, state, used_by: usedBy, account: accountId };
}
