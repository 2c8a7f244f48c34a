// RPC, transactions: simulate, send, and what became of them.
import { z } from "zod";
import type { LocalChain } from "./chain.ts";
import { COMMITMENTS, type Commitment } from "./commitment.ts";
import type { Landed } from "./history.ts";
import { base58, type ParsedTransaction } from "./parsed-transaction.ts";
import type { CallOptions } from "./rpc.ts";
import { addressOf } from "./rpc-accounts.ts";
import { configOf, decode, encode, INVALID_PARAMS, type Methods, RpcError, withContext } from "./rpc-shapes.ts";
import type { TransactionError } from "./transaction-error.ts";

const SIGNATURE_FAILURE = -32003;
const PREFLIGHT_FAILURE = -32002;
/** Bytes of a packet. */
const MAX_WIRE_BYTES = 1232;
/** Slots for which statuses are at hand without a search of the whole history. */
const STATUS_CACHE_SLOTS = 150n;
const MAX_HISTORY = 1_000;

const flags = z.looseObject({
  sigVerify: z.boolean().default(false),
  replaceRecentBlockhash: z.boolean().default(false),
  skipPreflight: z.boolean().default(false),
  searchTransactionHistory: z.boolean().default(false),
  preflightCommitment: z.enum(COMMITMENTS).default("finalized"),
});
const page = z.looseObject({
  before: z.string().nullish(),
  until: z.string().nullish(),
  limit: z.coerce.number().max(MAX_HISTORY).default(MAX_HISTORY),
});

export function transactionMethods(chain: LocalChain, options: CallOptions): Methods {
  function parse(text: unknown, encoding: string | undefined): ParsedTransaction {
    const wire = decode(text, encoding);
    if (wire.length > MAX_WIRE_BYTES)
      throw new RpcError(
        INVALID_PARAMS,
        `base64 encoded solana_transaction::versioned::VersionedTransaction too large: ${wire.length} bytes (max: ${MAX_WIRE_BYTES} bytes)`,
      );
    try {
      return chain.parse(wire);
    } catch (cause) {
      throw new RpcError(INVALID_PARAMS, "failed to deserialize transaction", { cause: String(cause) });
    }
  }

  function simulateTransaction(params: readonly unknown[]) {
    const { bank, commitment, encoding } = configOf(chain, params[1]);
    const { sigVerify, replaceRecentBlockhash } = flags.parse(params[1] ?? {});
    const parsed = parse(params[0], encoding);
    const tooOld = replaceRecentBlockhash ? null : chain.ageError(parsed, commitment);
    if (tooOld !== null) return withContext(bank, simulation(tooOld, [], 0n));
    const { error, logs, unitsConsumed } = chain.simulate(parsed, { checkSignatures: sigVerify });
    return withContext(bank, simulation(error, logs, unitsConsumed));
  }

  function sendTransaction(params: readonly unknown[]): string {
    const { encoding } = configOf(chain, params[1]);
    const { skipPreflight, preflightCommitment } = flags.parse(params[1] ?? {});
    const parsed = parse(params[0], encoding);
    if (Object.values(parsed.transaction.signatures).includes(null))
      throw new RpcError(SIGNATURE_FAILURE, "Transaction signature verification failure");
    if (!skipPreflight) preflight(parsed, preflightCommitment);
    if (!options.dropTransactions) chain.submit(parsed.wire);
    return parsed.signature;
  }

  function preflight(parsed: ParsedTransaction, commitment: Commitment): void {
    const known = chain.history.find(parsed.signature) === undefined ? null : "AlreadyProcessed";
    const refused = known ?? chain.ageError(parsed, commitment);
    const { error, logs, unitsConsumed } =
      refused === null
        ? chain.simulate(parsed, { checkSignatures: true })
        : { error: refused, logs: [], unitsConsumed: 0n };
    if (error === "SignatureFailure")
      throw new RpcError(SIGNATURE_FAILURE, "Transaction signature verification failure");
    if (error !== null)
      throw new RpcError(
        PREFLIGHT_FAILURE,
        `Transaction simulation failed: ${typeof error === "string" ? error : JSON.stringify(error)}`,
        simulation(error, logs, unitsConsumed),
      );
  }

  function status(signature: string, everywhere: boolean) {
    const landed = chain.history.find(signature);
    const age = landed === undefined ? 0n : chain.bank("processed").slot - landed.slot;
    if (landed === undefined || (age > STATUS_CACHE_SLOTS && !everywhere)) return null;
    const { slot, error } = landed;
    const confirmationStatus = chain.commitmentOfSlot(slot);
    const confirmations = confirmationStatus === "finalized" ? null : age;
    return { slot, confirmations, err: error, status: outcome(error), confirmationStatus };
  }

  function history(params: readonly unknown[]) {
    const { bank } = configOf(chain, params[1]);
    const { before, until, limit } = page.parse(params[1] ?? {});
    const all = chain.history.ofAddress(addressOf(params[0])).filter(({ slot }) => slot <= bank.slot);
    const start = before == null ? 0 : all.findIndex(({ signature }) => signature === before) + 1;
    const from = before != null && start === 0 ? [] : all.slice(start);
    const end = from.findIndex(({ signature }) => signature === until);
    return from.slice(0, Math.min(limit, end < 0 ? from.length : end)).map(({ signature, slot, error, ...rest }) => ({
      ...{ signature, slot, err: error, memo: rest.parsed?.memo ?? null, blockTime: rest.blockTimeS },
      confirmationStatus: chain.commitmentOfSlot(slot),
    }));
  }

  return {
    simulateTransaction,
    sendTransaction,
    getSignatureStatuses(params) {
      const { searchTransactionHistory } = flags.parse(params[1] ?? {});
      const signatures = z.array(z.string()).max(256).parse(params[0]);
      const statuses = signatures.map((signature) => status(signature, searchTransactionHistory));
      return withContext(chain.bank("processed"), statuses);
    },
    getSignaturesForAddress: history,
    getTransaction(params) {
      const { bank, encoding } = configOf(chain, params[1]);
      const landed = chain.history.find(z.string().parse(params[0]));
      if (landed?.parsed == null || landed.slot > bank.slot) return null;
      const transaction =
        encoding === "base64" || encoding === "base58"
          ? encode(landed.parsed.wire, encoding)
          : transactionAsJson(landed.parsed);
      const { version } = landed.parsed.message;
      return {
        slot: landed.slot,
        blockTime: landed.blockTimeS,
        meta: metaOf(landed, landed.parsed),
        transaction,
        version,
      };
    },
    getFeeForMessage(params) {
      const bank = chain.bank("processed");
      const signers = decode(params[0], "base64")[1] ?? 0;
      return withContext(bank, 5_000n * BigInt(signers));
    },
  };
}

const outcome = (error: TransactionError | null) => (error === null ? { Ok: null } : { Err: error });
const simulation = (err: TransactionError | null, logs: string[], unitsConsumed: bigint) => ({
  ...{ err, logs, unitsConsumed, accounts: null, returnData: null, innerInstructions: null },
});

function metaOf({ error, fee, before, after, logs, unitsConsumed }: Landed, { loaded }: ParsedTransaction) {
  return {
    ...{ err: error, status: outcome(error), fee, preBalances: before.lamports, postBalances: after.lamports },
    ...{ preTokenBalances: before.tokens, postTokenBalances: after.tokens, innerInstructions: [], rewards: null },
    ...{ logMessages: logs, computeUnitsConsumed: unitsConsumed, loadedAddresses: loaded },
  };
}

function transactionAsJson({ transaction, message }: ParsedTransaction) {
  const { header, staticAccounts, instructions, lifetimeToken } = message;
  const lookups = message.version === "legacy" ? [] : (message.addressTableLookups ?? []);
  return {
    signatures: Object.values(transaction.signatures).map((bytes) => base58(bytes ?? new Uint8Array(64))),
    message: {
      accountKeys: staticAccounts,
      header: {
        numRequiredSignatures: header.numSignerAccounts,
        numReadonlySignedAccounts: header.numReadonlySignerAccounts,
        numReadonlyUnsignedAccounts: header.numReadonlyNonSignerAccounts,
      },
      recentBlockhash: lifetimeToken,
      addressTableLookups: lookups.map(({ lookupTableAddress, writableIndices, readableIndices }) => ({
        ...{ accountKey: lookupTableAddress, writableIndexes: writableIndices, readonlyIndexes: readableIndices },
      })),
      instructions: instructions.map(({ programAddressIndex, accountIndices = [], data = new Uint8Array() }) => ({
        ...{ programIdIndex: programAddressIndex, accounts: accountIndices, data: base58(data), stackHeight: null },
      })),
    },
  };
}
