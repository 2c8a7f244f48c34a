// Verification of a signed request (`X-Infernet-Auth`). The order of the checks is the design: what costs nothing comes
// first, a stranger's body is not read, nothing is remembered before the signature was found good, and only registered
// keys have nonces.
import { createHash } from "node:crypto";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { AUTH_WINDOW_S, type AuthEnvelope, parseAuthHeader } from "../protocol/auth-envelope.ts";
import { verifyV1 } from "../protocol/auth-v1.ts";
import { verifyV2 } from "../protocol/auth-v2.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { type AuthRefusal, refusal } from "./auth-refusal.ts";
import { NONCES_PER_CLIENT_KEY, NONCES_PER_KEY, NONCES_PER_PENDING_KEY, type NonceStore } from "./nonces.ts";

export type MachineRole = "provider" | "client" | "aggregator";
export type KeyStatus = "approved" | "pending" | "ejected";
export type KnownKey = {
  status: KeyStatus;
  role: MachineRole;
  /** It has signed with version 2 once. */
  authV2Seen: boolean;
  /** Whose key it is. */
  accountId: string;
};

/** What verification must know of registered keys. Asked for every request, so answered from memory. */
export type KeyDirectory = {
  lookup(pubkey: Pubkey): KnownKey | undefined;
  /**
   * Called after a key's first good version 2 request, which waits until this is kept. `lookup` must say so at once, not
   * only when it is on disk; called again by requests that overlap, so it must do no harm twice.
   */
  markV2Seen(pubkey: Pubkey): void | Promise<void>;
};

/**
 * What a route takes.
 * `link`: the upgrade; unknown and pending keys too; version 2 only.
 * `register`: unknown and pending keys too.
 * `presence`: heartbeat and `me`; pending keys too.
 * `polling`: every other polling route; approved keys.
 * `client`: approved keys registered as `client` or `aggregator`; version 2 only.
 * `local`: this instance's own keys; version 2 only.
 */
export type MachineRoute = "link" | "register" | "presence" | "polling" | "client" | "local";

type RouteRule = {
  v1: boolean;
  unknown: boolean;
  pending: boolean;
  /** What was created before the process listened is refused: nonces seen then are forgotten. */
  sinceStart: boolean;
  roles: readonly MachineRole[] | null;
};
const NO_STRANGERS = { unknown: false, pending: false, sinceStart: true };
const RULES: Record<MachineRoute, RouteRule> = {
  // Its handshake binds both nonces, so an upgrade sent again leads nowhere.
  link: { v1: false, unknown: true, pending: true, sinceStart: false, roles: null },
  register: { v1: true, unknown: true, pending: true, sinceStart: true, roles: null },
  presence: { v1: true, unknown: false, pending: true, sinceStart: true, roles: null },
  polling: { v1: true, ...NO_STRANGERS, roles: null },
  client: { v1: false, ...NO_STRANGERS, roles: ["client", "aggregator"] },
  local: { v1: false, ...NO_STRANGERS, roles: null },
};

export type VerifyDeps = {
  clock: Pick<Clock, "nowMs">;
  /** This instance's key, which `aud` must name. */
  recipient: Pubkey;
  /** The keys that may call the local routes: this instance's own. */
  ownKeys: readonly Pubkey[];
  keys: KeyDirectory;
  nonces: NonceStore;
  /** `[coordinator] accept_auth_v1`. */
  acceptV1: boolean;
  /** When this process began to listen. */
  listeningSinceMs: number;
};

export type BodyError = "body_too_large" | "body_incomplete";
export type MachineRequest = {
  method: string;
  /** As received, without scheme and host. */
  pathWithQuery: string;
  /** `X-Infernet-Auth`. */
  header: string | null;
  /**
   * The raw bytes, or how to get them: called at most once, and only after every check that needs no body, with what is
   * known of the key so far; its signature is not verified then.
   */
  body: Uint8Array | ((known: KnownKey | undefined) => Promise<Result<Uint8Array, BodyError>>);
};

export type VerifiedRequest = {
  pubkey: Pubkey;
  version: 1 | 2;
  /** `own`: one of this instance's keys, on a local route. `unknown` only on `link` and `register`. */
  status: "approved" | "pending" | "unknown" | "own";
  /** Null where the key is unknown or our own. */
  role: MachineRole | null;
  /** Whose key it is; null likewise. */
  accountId: string | null;
  nonce: string;
  createdAtS: number;
  /** The bytes that were signed. */
  body: Uint8Array;
};

/** Every reason in `AUTH_REFUSALS`; state changes (nonce taken, version 2 noted) only where the answer is ok. */
export async function verifyMachineRequest(
  deps: VerifyDeps,
  request: MachineRequest,
  route: MachineRoute,
): Promise<Result<VerifiedRequest, AuthRefusal>> {
  const parsed = parseAuthHeader(request.header);
  if (!parsed.ok) return err(refusal(parsed.error.code, parsed.error.message));
  const envelope = parsed.value;
  const early = checkEnvelope(deps, envelope, route) ?? checkKnown(deps, envelope, route);
  if (early) return err(early);

  const body = await readBody(request.body, deps.keys.lookup(envelope.pubkey));
  if (!body.ok) return err(bodyRefusal(body.error));
  if (!signatureHolds(envelope, request, body.value)) {
    return err(refusal("bad_signature", "the signature does not fit this method, path, body and key"));
  }

  // The directory again: the key may have been ejected, or moved to version 2, while the body was under way.
  const known = route === "local" ? undefined : deps.keys.lookup(envelope.pubkey);
  const late = checkKnown(deps, envelope, route) ?? (route === "local" ? null : checkAllowed(known, route));
  if (late) return err(late);
  const remembered = await remember(deps, envelope, route, known);
  if (remembered) return err(remembered);
  return ok({
    pubkey: envelope.pubkey,
    version: envelope.v,
    status: statusOf(route, known),
    role: known?.role ?? null,
    accountId: known?.accountId ?? null,
    nonce: envelope.nonce,
    createdAtS: envelope.created_at,
    body: body.value,
  });
}

/**
 * To be called once a request of an unknown key (`register`, or the link's upgrade) made that key known: from then on it
 * has nonces and a version, and its first request counts among them.
 */
export async function rememberRegistered(
  deps: Pick<VerifyDeps, "nonces" | "keys">,
  request: VerifiedRequest,
): Promise<void> {
  if (request.status !== "unknown") return;
  await deps.nonces.take(request, NONCES_PER_PENDING_KEY);
  if (request.version === 2) await deps.keys.markV2Seen(request.pubkey);
}

/** What the envelope alone tells. */
function checkEnvelope(deps: VerifyDeps, envelope: AuthEnvelope, route: MachineRoute): AuthRefusal | null {
  if (envelope.v === 1 && !(RULES[route].v1 && deps.acceptV1)) {
    return refusal("version_unsupported", "version 1 of x-infernet-auth is not accepted here, use 2");
  }
  const skewS = envelope.created_at - Math.floor(deps.clock.nowMs() / 1000);
  if (Math.abs(skewS) > AUTH_WINDOW_S) return clockRefusal(skewS);
  if (envelope.v === 2 && envelope.aud !== deps.recipient) {
    return refusal("wrong_recipient", `signed for ${envelope.aud}, but this is ${deps.recipient}`);
  }
  // Rounded up: a request of the same second may be from before.
  if (RULES[route].sinceStart && envelope.created_at < Math.ceil(deps.listeningSinceMs / 1000)) {
    return refusal("created_before_start", "signed before this instance started; sign it again and retry");
  }
  return null;
}

function clockRefusal(skewS: number): AuthRefusal {
  const where = skewS < 0 ? "behind" : "ahead of";
  const message = `created_at is ${Math.abs(skewS)} s ${where} this coordinator's clock, and ${AUTH_WINDOW_S} s is the most; check the clock of the machine that signed`;
  return refusal("clock_skew", message);
}

/** Before the signature, so that strangers cost neither a body nor a curve operation where they have no business. */
function checkKnown(deps: VerifyDeps, envelope: AuthEnvelope, route: MachineRoute): AuthRefusal | null {
  if (route === "local") {
    return deps.ownKeys.includes(envelope.pubkey)
      ? null
      : refusal("key_unknown", "only this instance's own key may call its local routes");
  }
  const known = deps.keys.lookup(envelope.pubkey);
  if (!known && !RULES[route].unknown) {
    // What a heartbeat hears that came before its registration.
    const code = route === "presence" ? "not_registered" : "key_unknown";
    return refusal(code, "this key is not registered here; register first");
  }
  if (known?.authV2Seen && envelope.v === 1) {
    return refusal("v1_retired", "this key has signed with version 2 and may not go back to version 1");
  }
  return null;
}

/** After the signature: only the key's holder learns how it stands. */
function checkAllowed(known: KnownKey | undefined, route: MachineRoute): AuthRefusal | null {
  const { pending, roles } = RULES[route];
  if (!known) return null;
  if (known.status === "ejected") return refusal("key_ejected", "this key was ejected; ask the operator");
  if (known.status === "pending" && !pending) {
    return refusal("key_pending", "this key waits for approval; the operator runs `infernet nodes approve`");
  }
  if (roles && !roles.includes(known.role)) {
    return refusal("role_not_allowed", `this key is registered as ${known.role}; this needs ${roles.join(" or ")}`);
  }
  return null;
}

/** Takes the nonce, then notes version 2. The only place where a request changes anything here. */
async function remember(
  deps: VerifyDeps,
  { pubkey, nonce, created_at: createdAtS, v }: AuthEnvelope,
  route: MachineRoute,
  known: KnownKey | undefined,
): Promise<AuthRefusal | null> {
  if (!known && route !== "local") return null;
  const taken = await deps.nonces.take({ pubkey, nonce, createdAtS }, nonceLimit(known));
  if (!taken.ok) {
    if (taken.error === "expired") return clockRefusal(createdAtS - Math.floor(deps.clock.nowMs() / 1000));
    if (taken.error === "nonce_replayed") return refusal("nonce_replayed", "this request was already received once");
    return refusal("nonce_store_full", "too many requests of this key within two minutes; retry later");
  }
  if (v === 2 && known && !known.authV2Seen) await deps.keys.markV2Seen(pubkey);
  return null;
}

function nonceLimit(known: KnownKey | undefined): number {
  if (known?.status === "pending") return NONCES_PER_PENDING_KEY;
  return maySubmit(known) ? NONCES_PER_CLIENT_KEY : NONCES_PER_KEY;
}

/** It may call the client's routes: let in by an operator to submit jobs. */
export const maySubmit = (known: KnownKey | undefined): boolean =>
  known?.status === "approved" && RULES.client.roles?.includes(known.role) === true;

function statusOf(route: MachineRoute, known: KnownKey | undefined): VerifiedRequest["status"] {
  if (route === "local") return "own";
  return known?.status === "pending" ? "pending" : known ? "approved" : "unknown";
}

function signatureHolds(envelope: AuthEnvelope, request: MachineRequest, body: Uint8Array): boolean {
  const signed = {
    method: request.method,
    path: request.pathWithQuery,
    bodySha256: createHash("sha256").update(body).digest("hex"),
  };
  return envelope.v === 1 ? verifyV1(envelope, signed) : verifyV2(envelope, signed);
}

const readBody = async (
  body: MachineRequest["body"],
  known: KnownKey | undefined,
): Promise<Result<Uint8Array, BodyError>> => (body instanceof Uint8Array ? ok(body) : body(known));

const bodyRefusal = (code: BodyError): AuthRefusal =>
  code === "body_too_large"
    ? refusal(code, "the body is larger than this route takes")
    : refusal(code, "the connection broke before the whole body was there");
