// Sign: webhooks are signed as the Standard Webhooks specification says (standardwebhooks.com, "Signature scheme",
// symmetric), so that receivers can use its libraries.
import { createHmac } from "node:crypto";

/** A key as its account gets to see it, and as the libraries take it. */
export const secretText = (key: Uint8Array): string => `whsec_${Buffer.from(key).toString("base64")}`;

/**
 * The three headers of a delivery. `id` is the same for each try, so that a receiver that has it already can ignore
 * it; `timestampS` is the try's, so that an old one cannot be sent again by somebody else.
 */
export function signedHeaders(key: Uint8Array, id: string, timestampS: number, body: string): Record<string, string> {
  const signature = createHmac("sha256", key).update(`${id}.${timestampS}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": `${timestampS}`, "webhook-signature": `v1,${signature}` };
}
