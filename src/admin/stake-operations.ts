// Stake operations: what an admin asks about stakes, with the shape of question and answer; part of the one table in
// operations.ts. Amounts are whole µ$.
import { z } from "zod";
import { pubkeySchema } from "../protocol/primitives.ts";
import { addressSchema } from "../solana/address.ts";
import type { Operation } from "./operations.ts";

const operation = <I extends z.ZodType, O extends z.ZodType>(
  method: Operation["method"],
  path: string,
  input: I,
  output: O,
): Operation<I, O> => ({ method, path, input, output });

const timeMs = z.int().min(0);
const amount = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const reason = z.string().trim().min(1).max(512);
/** Given again, it does nothing again. */
const moveId = z.string().regex(/^[A-Za-z0-9._:-]{1,64}$/, "has 1 to 64 letters, digits and . _ : -");
/** Base64 of a transaction. */
const transaction = z.string().min(1).max(2048);

const stakeRow = z.object({
  node: pubkeySchema,
  /** `pledge`: its owner may revoke it. `multisig`: two of node, coordinator and arbiter must sign. */
  kind: z.enum(["pledge", "multisig"]),
  wallet: z.string(),
  token_account: z.string(),
  multisig: z.string().nullable(),
  arbiter: z.string().nullable(),
  /** What could be slashed, by what is final on the chain. */
  amount_micro_usd: z.int().min(0),
  /** Why it is nothing; null where it is something. */
  unspendable: z.string().nullable(),
  /** What its token account holds; null where that is gone, or nobody looked. */
  balance_micro_usd: z.int().min(0).nullable(),
  /** Of a pledge: the most that its owner lets be taken. */
  cap_micro_usd: z.int().min(0).nullable(),
  observed_ms: timeMs.nullable(),
});
export type StakeRowView = z.output<typeof stakeRow>;

const toSign = z.object({
  transaction,
  /** Whose signatures it lacks. */
  missing: z.array(z.string()),
  last_valid_block_height: z.int(),
  token_account: z.string().nullable(),
  multisig: z.string().nullable(),
});
export type ToSignView = z.output<typeof toSign>;

const stakeMove = z.object({
  id: z.string(),
  act: z.enum(["create", "deposit", "release", "slash"]),
  amount_micro_usd: z.int(),
  reason: z.string(),
  created_ms: timeMs,
  /** `signing`: another party has to sign it. `sending`: the coordinator sends it by itself. */
  state: z.enum(["signing", "sending", "done", "failed", "expired"]),
  signature: z.string().nullable(),
  error: z.string().nullable(),
  /** What waits for others' signatures. */
  sign: toSign.pick({ transaction: true, missing: true, last_valid_block_height: true }).nullable(),
});
export type StakeMoveView = z.output<typeof stakeMove>;

export const STAKE_OPERATIONS = {
  listStakes: operation(
    "GET",
    "/stakes",
    z.strictObject({ node: pubkeySchema.optional() }),
    z.object({
      stakes: z.array(stakeRow),
      minimum_micro_usd: z.int().min(0),
      /** The coordinator's key: pledges approve it. */
      settlement: z.string(),
      arbiter: z.string().nullable(),
    }),
  ),
  /** A transaction for a party to sign: opens a pledge's account, or that of an enforceable stake; puts more into it. */
  openStake: operation(
    "POST",
    "/stakes/open",
    z.strictObject({
      kind: z.enum(["pledge", "multisig"]),
      wallet: addressSchema,
      /** Of a pledge: what is moved into it and approved. */
      amount_micro_usd: amount.optional(),
    }),
    toSign,
  ),
  depositStake: operation(
    "POST",
    "/stakes/:pubkey/deposit",
    z.strictObject({ pubkey: pubkeySchema, amount_micro_usd: amount }),
    toSign,
  ),
  /** The text with which the wallet says that its token account is the node's pledge. */
  proveStake: operation(
    "POST",
    "/stakes/:pubkey/proof",
    z.strictObject({ pubkey: pubkeySchema, wallet: addressSchema, token_account: addressSchema }),
    z.object({ text: z.string(), issued_ms: timeMs }),
  ),
  registerStake: operation(
    "POST",
    "/stakes/:pubkey/register",
    z.strictObject({
      pubkey: pubkeySchema,
      wallet: addressSchema,
      token_account: addressSchema,
      multisig: addressSchema.optional(),
      /** Of a pledge: the wallet's proof. */
      issued_ms: timeMs.optional(),
      signature: z.string().max(90).optional(),
    }),
    stakeRow,
  ),
  /** Forgets a stake: the node has none here any more. What is on the chain stays as it is. */
  forgetStake: operation(
    "DELETE",
    "/stakes/:pubkey",
    z.strictObject({ pubkey: pubkeySchema }),
    z.object({ pubkey: pubkeySchema }),
  ),
  /** Of an enforceable stake, with the coordinator's signature: the wallet adds the second. */
  releaseStake: operation(
    "POST",
    "/stakes/:pubkey/release",
    z.strictObject({ pubkey: pubkeySchema, amount_micro_usd: amount, reason, id: moveId.optional() }),
    toSign,
  ),
  /** A pledge is slashed at once; of an enforceable stake the arbiter adds the second signature. */
  slashStake: operation(
    "POST",
    "/stakes/:pubkey/slash",
    z.strictObject({ pubkey: pubkeySchema, amount_micro_usd: amount, reason, id: moveId.optional() }),
    z.object({
      id: z.string().nullable(),
      sign: toSign.nullable(),
      /** Of a pledge: an earlier call with this id did it. */
      repeated: z.boolean(),
    }),
  ),
  /** What was given back and taken of a node's stake, and what is under way; the newest first. */
  listStakeMoves: operation(
    "GET",
    "/stakes/:pubkey/moves",
    z.strictObject({ pubkey: pubkeySchema, limit: z.int().min(1).max(200).default(50) }),
    z.object({ moves: z.array(stakeMove) }),
  ),
  /** Sends what all have signed. */
  submitStake: operation(
    "POST",
    "/stakes/submit",
    z.strictObject({ transaction }),
    z.object({ signature: z.string() }),
  ),
} as const;
