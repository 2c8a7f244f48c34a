// RPC shapes: what all methods share: errors, the configuration object, values with their context, encodings.
import { getBase58Encoder, getBase64Decoder, getBase64Encoder } from "@solana/web3.js";
import { z } from "zod";
import type { Bank, LocalChain } from "./chain.ts";
import { COMMITMENTS } from "./commitment.ts";
import { base58 } from "./parsed-transaction.ts";

/** An error in JSON-RPC's sense: the server answered, with a code. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}
export const INVALID_PARAMS = -32602;
export const METHOD_NOT_FOUND = -32601;
const MIN_CONTEXT_SLOT_NOT_REACHED = -32016;

export type Params = readonly unknown[];
export type Methods = Readonly<Record<string, (params: Params) => unknown>>;
const configSchema = z.looseObject({
  commitment: z.enum(COMMITMENTS).default("finalized"),
  encoding: z.string().optional(),
  minContextSlot: z.coerce.bigint().optional(),
});

/** A call's configuration object, and the block it is answered from. */
export function configOf(chain: LocalChain, value: unknown): z.output<typeof configSchema> & { bank: Bank } {
  const config = configSchema.parse(value ?? {});
  const bank = chain.bank(config.commitment);
  if (config.minContextSlot !== undefined && bank.slot < config.minContextSlot)
    throw new RpcError(MIN_CONTEXT_SLOT_NOT_REACHED, "Minimum context slot has not been reached", {
      contextSlot: bank.slot,
    });
  return { ...config, bank };
}

/** A value with the block it is true of. */
export const withContext = (bank: Bank, value: unknown) => ({
  context: { apiVersion: "2.2.0", slot: bank.slot },
  value,
});

export const encode = (bytes: Uint8Array, encoding: string | undefined): [string, string] =>
  encoding === "base58" ? [base58(bytes), "base58"] : [getBase64Decoder().decode(bytes), "base64"];

export const decode = (text: unknown, encoding: string | undefined): Uint8Array =>
  new Uint8Array((encoding === "base64" ? getBase64Encoder() : getBase58Encoder()).encode(z.string().parse(text)));
