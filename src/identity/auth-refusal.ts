// Refusals of signed requests: one code for each reason, its status, and what the sender can do about it.

/** Code → HTTP status. 403 where the key is known and the signature good, but it is not allowed this. */
export const AUTH_REFUSALS = {
  header_missing: 401,
  header_malformed: 401,
  /** The envelope's `v` is neither 1 nor 2, or this route does not take it. */
  version_unsupported: 401,
  /** Version 1 from a key that has used version 2. */
  v1_retired: 401,
  clock_skew: 401,
  wrong_recipient: 401,
  created_before_start: 401,
  key_unknown: 401,
  /** The same, of a heartbeat. */
  not_registered: 404,
  bad_signature: 401,
  nonce_replayed: 401,
  nonce_store_full: 401,
  key_pending: 403,
  key_ejected: 403,
  /** Registered, but not as `client` or `aggregator`. */
  role_not_allowed: 403,
  body_too_large: 413,
  /** The connection broke before the whole body was there. */
  body_incomplete: 400,
} as const;

export type AuthRefusalCode = keyof typeof AUTH_REFUSALS;
export type AuthRefusal = { code: AuthRefusalCode; status: number; message: string };

export const refusal = (code: AuthRefusalCode, message: string): AuthRefusal => ({
  code,
  status: AUTH_REFUSALS[code],
  message,
});
