// Secrets: the random texts that sessions and one-time links are known by. Whoever stores one stores its hash.
import { timingSafeEqual } from "node:crypto";
import { toHex } from "../lib/hex.ts";

export type Random = (bytes: number) => Uint8Array;

const SECRET_BYTES = 32;
/** How a secret looks; nothing else is ever looked up. */
const SECRET = /^[A-Za-z0-9_-]{43}$/;

/** 256 random bits as 43 characters of base64url. */
export const newSecret = (random: Random): string => Buffer.from(random(SECRET_BYTES)).toString("base64url");
export const isSecret = (text: string): boolean => SECRET.test(text);

/** Whether somebody's text is the one that we made; its time tells nothing but the length. */
export function isSameText(given: string, made: string): boolean {
  const [theirs, ours] = [Buffer.from(given), Buffer.from(made)];
  return theirs.length === ours.length && timingSafeEqual(theirs, ours);
}

/** What is stored of a secret, hex. It has 256 random bits, so that a plain hash cannot be searched. */
export const hashSecret = (purpose: "session" | "link", secret: string): string =>
  new Bun.CryptoHasher("sha256").update(`infernet-${purpose}-v1\n${secret}`).digest("hex");

/** An id that tells nothing: `user_0123456789abcdef`. */
export const newId = (prefix: string, random: Random): string => `${prefix}_${toHex(random(8))}`;
