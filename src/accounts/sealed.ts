// Sealed: what a browser keeps for us between two requests, unreadable and unchangeable to it, and good for a while.
import { z } from "zod";
import { decrypt, encrypt } from "./encrypted.ts";
import type { Random } from "./secrets.ts";

const MAX_CHARS = 4_096;
const sealedSchema = z.object({ until: z.int(), value: z.unknown() });

/** What was made for one purpose is nothing for another. */
export function seal(
  under: { key: Uint8Array; random: Random },
  purpose: string,
  value: unknown,
  untilMs: number,
): string {
  return encrypt(under, purpose, JSON.stringify({ until: untilMs, value })).toString("base64url");
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
  const opened = decrypt(key, purpose, Buffer.from(text, "base64url"));
  if (opened === null) return undefined;
  const { until, value } = sealedSchema.parse(JSON.parse(opened));
  return until > nowMs ? shape.safeParse(value).data : undefined;
}
