// Sealed: what a browser keeps for us between two requests, unreadable and unchangeable to it, and good for a while.
import { createCipheriv, createDecipheriv } from "node:crypto";
import { z } from "zod";
import type { Random } from "./secrets.ts";

const IV_BYTES = 12;
const TAG_BYTES = 16;
const MAX_CHARS = 4_096;
const sealedSchema = z.object({ until: z.int(), value: z.unknown() });

/** `purpose` is sealed with it: what was made for one is nothing for another. AES-256-GCM. */
export function seal(
  { key, random }: { key: Uint8Array; random: Random },
  purpose: string,
  value: unknown,
  untilMs: number,
): string {
  const iv = random(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(purpose));
  const text = cipher.update(JSON.stringify({ until: untilMs, value }), "utf8");
  return Buffer.concat([iv, text, cipher.final(), cipher.getAuthTag()]).toString("base64url");
}

/** The value of a text that was sealed for this purpose, until its time is over; else undefined. */
export function unseal<T>(
  key: Uint8Array,
  purpose: string,
  text: string,
  nowMs: number,
  shape: z.ZodType<T>,
): T | undefined {
  if (text.length > MAX_CHARS) return undefined;
  const bytes = Buffer.from(text, "base64url");
  if (bytes.length <= IV_BYTES + TAG_BYTES) return undefined;
  const opened = open(key, purpose, bytes);
  if (opened === null) return undefined;
  const { until, value } = sealedSchema.parse(JSON.parse(opened));
  return until > nowMs ? shape.safeParse(value).data : undefined;
}

/** Null where it was not sealed with this key for this purpose. */
function open(key: Uint8Array, purpose: string, bytes: Buffer): string | null {
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, IV_BYTES)).setAAD(Buffer.from(purpose));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString("utf8");
  } catch {
    // The tag does not fit.
    return null;
  }
}
