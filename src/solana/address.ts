// Address: 32 bytes on the chain, in base58. Light: reading one loads no chain client.
import { z } from "zod";
import { fromBase58, toBase58 } from "../lib/base58.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Address } from "./chain.ts";

const ADDRESS_BYTES = 32;

/** Any 32 bytes are an address; whether somebody has its key, or anything is there, only the chain knows. */
export function parseAddress(text: string): Result<Address, "not_an_address"> {
  return fromBase58(text)?.length === ADDRESS_BYTES ? ok(text as Address) : err("not_an_address");
}

export const addressSchema = z
  .string()
  .max(44)
  .refine((text) => parseAddress(text).ok, "must be a Solana address (32 bytes in base58)")
  .transform((text) => text as Address);

/** The 32 bytes of an address. */
export function addressBytes(address: Address): Uint8Array {
  const bytes = fromBase58(address);
  if (bytes?.length !== ADDRESS_BYTES) throw new RangeError(`not an address: ${address}`);
  return bytes;
}

/** Of 32 bytes. */
export function addressOf(bytes: Uint8Array): Address {
  if (bytes.length !== ADDRESS_BYTES) throw new RangeError(`an address has 32 bytes, not ${bytes.length}`);
  return toBase58(bytes) as Address;
}
