// `X-Infernet-Auth` version 2: version 1 with a domain prefix before it and the recipient's key after it, so that no
// request is good at another coordinator and no other signature can pose as one.
import { type AuthV2, encodeAuthHeader, requestLines, type SignedRequest } from "./auth-envelope.ts";
import type { Pubkey } from "./primitives.ts";
import { pubkeyOf, signText, verifyText } from "./schnorr.ts";

export const AUTH_V2_DOMAIN = "infernet-auth-v2";

/** `aud`: the key of the instance that is to accept the request. */
export type SignedRequestV2 = SignedRequest & { aud: Pubkey };

export const canonicalV2 = (request: SignedRequestV2): string =>
  [AUTH_V2_DOMAIN, ...requestLines(request), request.aud].join("\n");

/** The header value for a request. */
export function signV2(secretKey: Uint8Array, request: SignedRequestV2, auxRand?: Uint8Array): string {
  return encodeAuthHeader({
    v: 2,
    pubkey: pubkeyOf(secretKey),
    created_at: request.createdAtS,
    nonce: request.nonce,
    aud: request.aud,
    sig: signText(secretKey, canonicalV2(request), auxRand),
  });
}

/**
 * True where the envelope's key signed this method, path and body for the envelope's recipient, time and nonce. Whether
 * that recipient is this instance is the caller's question.
 */
export function verifyV2(envelope: AuthV2, request: Pick<SignedRequest, "method" | "path" | "bodySha256">): boolean {
  const { created_at: createdAtS, nonce, aud } = envelope;
  return verifyText(envelope.sig, canonicalV2({ ...request, createdAtS, nonce, aud }), envelope.pubkey);
}
