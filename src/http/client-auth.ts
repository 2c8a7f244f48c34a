// Client authentication: an API key, or a request signed by a key that is registered as a client.
import { budgetsOf, type KeyScope, type ModelRule, scopeRefusal } from "../accounts/key-rights.ts";
import type { KeyHolder, KeyRing } from "../accounts/key-ring.ts";
import { LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import type { VerifyDeps } from "../identity/verify-request.ts";
import type { Budget } from "../ledger/holds.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { AUTH_HEADER } from "../protocol/auth-envelope.ts";
import { markOf, readTrail, type Trail } from "../protocol/trail.ts";
import { errorResponse } from "./errors.ts";
import { authenticateMachine } from "./machine-auth.ts";

/** Who calls. */
export type Caller = {
  accountId: string;
  keyId: string | null;
  /** Whose share of the queue it uses: with billing, the account's; else the key's own. */
  fairKey: string;
  /** Whose limits its requests count against: an API key's. */
  key?: KeyHolder;
  /** Private pools whose nodes it may use. */
  pools?: readonly string[];
  /** Limits on what it may spend, beside its account's balance. */
  budgets?: readonly Budget[];
  /** The models it may ask for; null, or nothing said: all. */
  models?: ModelRule | null;
  /** The conversation it says it belongs to (`x-session-id`). */
  session?: string;
  /** Of a signed request: the coordinators it came through. Nobody else is believed to have come through any. */
  trail?: Trail;
};

export type ClientAuthDeps = {
  ring: Pick<KeyRing, "find">;
  verify: VerifyDeps;
  /** `[coordinator] require_api_key`. */
  requireApiKey: boolean;
  /** `[coordinator] max_hops`. */
  maxHops: number;
  /** Shares of the queue are the accounts', since they pay; else each key's own. */
  fairByAccount: boolean;
};

const HOW = "send it as `Authorization: Bearer inf_…`; `infernet keys create NAME` makes one";

/** The caller, and the body where checking the caller had to read it: at most `maxBodyBytes`. */
export function authenticateClient(
  deps: ClientAuthDeps,
  request: Request,
  peer: { readonly address: string },
  maxBodyBytes: number,
  /** What an API key has to allow. `operator`: nobody is let in without such a key. */
  scope?: KeyScope,
): Result<Caller, Response> | Promise<Result<Caller & { body?: string }, Response>> {
  const header = request.headers.get("authorization");
  if (header !== null) {
    const token = /^bearer /i.test(header) ? header.slice(7).trim() : "";
    const holder = deps.ring.find(token);
    if (holder) {
      const refusal = scopeRefusal(holder.scopes, scope);
      if (refusal !== null) return err(errorResponse(refusal, refusalText(refusal, scope)));
      return ok(callerOf(deps, holder, request));
    }
    if (deps.requireApiKey || token.startsWith("inf_")) {
      return err(errorResponse("api_key_invalid", `this API key is not known, expired or revoked; ${HOW}`));
    }
  }
  if (scope === "operator")
    return err(errorResponse("api_key_missing", `an API key of role operator is needed; ${HOW}`));
  if (request.headers.has(AUTH_HEADER)) return signedClient(deps, request, maxBodyBytes);
  if (!deps.requireApiKey)
    return ok({ accountId: LOCAL_ACCOUNT_ID, keyId: null, fairKey: peer.address, ...sessionIn(request) });
  return err(errorResponse("api_key_missing", `an API key is needed; ${HOW}`));
}

function refusalText(refusal: "api_key_role" | "api_key_scope", scope: KeyScope | undefined): string {
  if (refusal === "api_key_scope") return `this API key is not for that: it lacks the scope ${scope}`;
  if (scope === "operator") return "this needs a key of role operator: `infernet keys create NAME --role operator`";
  return "a key of role operator is for workers; clients use one that `infernet keys create NAME` makes";
}

function callerOf({ fairByAccount, verify: { clock } }: ClientAuthDeps, key: KeyHolder, request: Request): Caller {
  const { accountId, keyId, lineage, pools, models } = key;
  return {
    accountId,
    keyId,
    fairKey: fairByAccount ? accountId : lineage,
    key,
    pools,
    models,
    budgets: key.spend === null ? NO_BUDGETS : budgetsOf(key, clock.nowMs()),
    ...sessionIn(request),
  };
}
const NO_BUDGETS: readonly Budget[] = [];

const MAX_SESSION_CHARS = 256;
function sessionIn({ headers }: Request): { session?: string } {
  const session = headers.get("x-session-id");
  return session === null || session === "" ? {} : { session: session.slice(0, MAX_SESSION_CHARS) };
}

async function signedClient(
  deps: ClientAuthDeps,
  request: Request,
  maxBodyBytes: number,
): Promise<Result<Caller & { body: string }, Response>> {
  const verified = await authenticateMachine(deps.verify, request, "client", maxBodyBytes);
  if (!verified.ok) return verified;
  const trail = trailOf(deps, request);
  if (!trail.ok) return trail;
  const { pubkey, body, accountId } = verified.value;
  return ok({
    accountId: accountId ?? LOCAL_ACCOUNT_ID,
    keyId: null,
    fairKey: pubkey,
    trail: trail.value,
    ...sessionIn(request),
    body: new TextDecoder().decode(body),
  });
}

/** A request that was here before, or was passed on too often, ends here. */
function trailOf({ verify, maxHops }: ClientAuthDeps, request: Request): Result<Trail, Response> {
  const trail = readTrail(request.headers);
  if (!trail.ok) return err(errorResponse("invalid_value", trail.error));
  const { hops, via } = trail.value;
  if (via.includes(markOf(verify.recipient))) {
    return err(errorResponse("loop_detected", `the request came through this coordinator before (${via.join(" → ")})`));
  }
  if (hops <= maxHops) return trail;
  return err(errorResponse("hop_limit", `passed on ${hops} times; this coordinator takes at most ${maxHops}`));
}
