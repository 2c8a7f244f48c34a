// Client authentication: an API key, or a request signed by a key that is registered as a client.
import type { KeyRing } from "../accounts/api-keys.ts";
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
  /** Private pools whose nodes it may use. */
  pools?: readonly string[];
  /** Limits on what it may spend, beside its account's balance. */
  budgets?: readonly Budget[];
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
  /** Where only API keys of this role are taken; every other route takes only those without it. */
  scope?: "operator",
): Result<Caller, Response> | Promise<Result<Caller & { body?: string }, Response>> {
  const header = request.headers.get("authorization");
  if (header !== null) {
    const token = /^bearer /i.test(header) ? header.slice(7).trim() : "";
    const holder = deps.ring.find(token);
    if (holder && holder.scopes.includes("operator") !== (scope === "operator")) {
      const message = scope
        ? "this needs a key of role operator: `infernet keys create NAME --role operator`"
        : "a key of role operator is for workers; clients use one that `infernet keys create NAME` makes";
      return err(errorResponse("api_key_role", message));
    }
    if (holder) {
      const { accountId, keyId, pools } = holder;
      return ok({ accountId, keyId, fairKey: deps.fairByAccount ? accountId : keyId, pools, ...sessionIn(request) });
    }
    if (deps.requireApiKey || token.startsWith("inf_")) {
      return err(errorResponse("api_key_invalid", `this API key is not known, expired or revoked; ${HOW}`));
    }
  }
  if (scope) return err(errorResponse("api_key_missing", `an API key of role operator is needed; ${HOW}`));
  if (request.headers.has(AUTH_HEADER)) return signedClient(deps, request, maxBodyBytes);
  if (!deps.requireApiKey)
    return ok({ accountId: LOCAL_ACCOUNT_ID, keyId: null, fairKey: peer.address, ...sessionIn(request) });
  return err(errorResponse("api_key_missing", `an API key is needed; ${HOW}`));
}

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
