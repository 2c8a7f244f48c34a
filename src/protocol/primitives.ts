// Primitives: the branded scalars of the wire. Parsing is the only way to get one.
import { z } from "zod";

const hex = (digits: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`), `must be ${digits} lower-case hex digits`);

/** 16 bytes. */
export const hex32Schema = hex(32);
/** 32 bytes. */
export const hex64Schema = hex(64);
/** 64 bytes: a BIP-340 signature. */
export const hex128Schema = hex(128);

/** An instance's identity: its BIP-340 x-only public key (secp256k1). */
export const pubkeySchema = hex64Schema.brand<"Pubkey">();
export type Pubkey = z.infer<typeof pubkeySchema>;

/** UUIDv7 (RFC 9562 §5.7), lower case. */
export const uuidSchema = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, "must be a UUID of version 7");
export const jobIdSchema = uuidSchema.brand<"JobId">();
export type JobId = z.infer<typeof jobIdSchema>;

export const attemptId = (job: JobId, n: number): string => `${job}.${n}`;
