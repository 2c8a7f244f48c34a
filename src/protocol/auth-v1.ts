// `X-Infernet-Auth` version 1, the format of the existing Infernet Protocol. It names no recipient, so a coordinator
// could replay a node's request at another one: version 2 closes that, and our own instances never send this one.
import { type AuthV1, encodeAuthHeader, requestLines, type SignedRequest } from "./auth-envelope.ts";
import { pubkeyOf, signText, verifyText } from "./schnorr.ts";

/** METHOD, PATH_WITH_QUERY, CREATED_AT, NONCE and the body's hash, one a line. */
export const canonicalV1 = (request: SignedRequest): string => requestLines(request).join("\n");

/** The header value for a request. Only tests and the bench of old daemons need it. */
export function signV1(secretKey: Uint8Array, request: SignedRequest, auxRand?: Uint8Array): string {
  return encodeAuthHeader({
    v: 1,
    pubkey: pubkeyOf(secretKey),
    created_at: request.createdAtS,
    nonce: request.nonce,
    sig: signText(secretKey, canonicalV1(request), auxRand),
  });
}

/** True where the envelope's key signed this method, path and body at the envelope's time and nonce. */
export function verifyV1(envelope: AuthV1, request: Pick<SignedRequest, "method" | "path" | "bodySha256">): boolean {
  const canonical = canonicalV1({ ...request, createdAtS: envelope.created_at, nonce: envelope.nonce });
  return verifyText(envelope.sig, canonical, envelope.pubkey);
}
