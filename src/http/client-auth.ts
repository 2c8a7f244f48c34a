// Client authentication: an API key, or a request signed by a key that is registered as a client.
import type { KeyRing } from "../accounts/api-keys.ts";
import type { VerifyDeps } from "../identity/verify-request.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { AUTH_HEADER } from "../protocol/auth-envelope.ts";
import { errorResponse } from "./errors.ts";
import { authenticateMachine } from "./machine-auth.ts";

/** Who calls. */
export type Caller = {
  accountId: string;
  keyId: string | null;
  /** Whose share of the queue it uses: with billing off, the key's own. */
  fairKey: string;
};

export type ClientAuthDeps = {
  ring: Pick<KeyRing, "find">;
  verify: VerifyDeps;
  /** `[coordinator] require_api_key`. */
  requireApiKey: boolean;
};

const LOCAL_ACCOUNT = "local";
const HOW = "send it as `Authorization: Bearer inf_…`; `infernet keys create NAME` makes one";

/** The caller, and the body where checking the caller had to read it. */
export function authenticateClient(
  deps: ClientAuthDeps,
  request: Request,
  peer: { readonly address: string },
): Result<Caller, Response> | Promise<Result<Caller & { body?: string }, Response>> {
  const header = request.headers.get("authorization");
  if (header !== null) {
    const token = /^bearer /i.test(header) ? header.slice(7).trim() : "";
    const holder = deps.ring.find(token);
    if (holder) return ok({ accountId: holder.accountId, keyId: holder.keyId, fairKey: holder.keyId });
    if (deps.requireApiKey || token.startsWith("inf_")) {
      return err(errorResponse("api_key_invalid", `this API key is not known, expired or revoked; ${HOW}`));
    }
  }
  if (request.headers.has(AUTH_HEADER)) return signedClient(deps, request);
  if (!deps.requireApiKey) return ok({ accountId: LOCAL_ACCOUNT, keyId: null, fairKey: peer.address });
  return err(errorResponse("api_key_missing", `an API key is needed; ${HOW}`));
}

async function signedClient(
  deps: ClientAuthDeps,
  request: Request,
): Promise<Result<Caller & { body: string }, Response>> {
  const verified = await authenticateMachine(deps.verify, request, "client");
  if (!verified.ok) return verified;
  const { pubkey, body } = verified.value;
  return ok({ accountId: LOCAL_ACCOUNT, keyId: null, fairKey: pubkey, body: new TextDecoder().decode(body) });
}
