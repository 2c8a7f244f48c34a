// Writes: a transaction made ready (simulated, bid for, signed) and handed to the cluster.
import {
  type Base64EncodedWireTransaction,
  isSolanaError,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE,
} from "@solana/web3.js";
import { err, ok, type Result } from "../lib/result.ts";
import type {
  Address,
  Chain,
  Instruction,
  Lifetime,
  Prepare,
  Prepared,
  PrepareRefusal,
  SendRefusal,
  Signature,
  Simulation,
  TransactionFailure,
  Wire,
} from "./chain.ts";
import { accountsToSee, diagnose } from "./diagnosis.ts";
import { failureOf } from "./failure.ts";
import { accountsAt, type Deps as ReadDeps } from "./reads.ts";
import { BUDGET_INSTRUCTIONS, compose, decode } from "./transaction.ts";

/** What is bid for a place in a block, beside the fee of the signatures. */
export type PriorityFee = {
  /** Of what the last blocks paid: 0 to 100. */
  percentile: number;
  /** Lamports for one transaction at most. */
  maxLamports: bigint;
};
export type Deps = ReadDeps & { priorityFee: PriorityFee };

/** What a transaction may use at most, and what is asked for while simulating. */
const MAX_UNITS = 1_400_000;
/** State may have changed by the time that a transaction lands. */
const UNITS_MARGIN_PERCENT = 15n;
/** The budget's own instructions, and rounding. */
const UNITS_MARGIN = 500n;
const LAMPORTS_PER_SIGNATURE = 5_000n;
const MICRO = 1_000_000n;
/** Most accounts that getRecentPrioritizationFees takes. */
const FEE_ACCOUNTS = 128;

type Writes = Pick<Chain, "prepare" | "simulate" | "send">;

export function createWrites(deps: Deps, lifetime: () => Promise<Lifetime>): Writes {
  return {
    prepare: (what) => prepare(deps, lifetime, what),
    simulate: (wire) => simulate(deps, wire),
    send: (wire, options = { check: false }) => send(deps, wire, options),
  };
}

async function prepare(
  deps: Deps,
  lifetime: () => Promise<Lifetime>,
  what: Prepare,
): Promise<Result<Prepared, PrepareRefusal>> {
  const trial = await compose({
    ...what,
    lifetime: await lifetime(),
    budget: { units: MAX_UNITS, microLamports: 0n },
  });
  if (!trial.ok) return trial;
  const { failure, units } = await run(deps, trial.value.wire, AS_IF_SIGNED, what.instructions, BUDGET_INSTRUCTIONS);
  if (failure !== null) return err({ code: "would_fail", failure });
  const limit = units + (units * UNITS_MARGIN_PERCENT) / 100n + UNITS_MARGIN;
  const budget = await bid(deps, what.instructions, Number(limit < MAX_UNITS ? limit : MAX_UNITS));
  // Asking took its time: the lifetime begins now.
  const composed = await compose({ ...what, lifetime: await lifetime(), budget });
  if (!composed.ok) return composed;
  const { signature, complete } = composed.value;
  if (signature === null || !complete) throw new Error("a key is missing: the transaction is not fully signed");
  const signatures = new Set([
    what.feePayer,
    ...what.instructions.flatMap(({ accounts }) => accounts.filter(({ signer }) => signer).map((each) => each.address)),
  ]);
  const priority = (BigInt(budget.units) * budget.microLamports + MICRO - 1n) / MICRO;
  const fee = BigInt(signatures.size) * LAMPORTS_PER_SIGNATURE + priority;
  return ok({ ...composed.value, signature, budget, fee });
}

/** The configured percentile of what the last blocks paid, never above the configured cap. */
async function bid({ rpc, priorityFee }: Deps, instructions: readonly Instruction[], units: number) {
  const writable = instructions.flatMap(({ accounts }) => accounts.filter((each) => each.writable));
  const addresses = [...new Set(writable.map(({ address }) => address))].slice(0, FEE_ACCOUNTS);
  const recent = await rpc.getRecentPrioritizationFees(addresses).send();
  const paid = recent.map(({ prioritizationFee }) => BigInt(prioritizationFee)).toSorted((a, b) => (a < b ? -1 : 1));
  const at = Math.min(paid.length - 1, Math.floor((paid.length * priorityFee.percentile) / 100));
  const wanted = paid[at] ?? 0n;
  const most = (priorityFee.maxLamports * MICRO) / BigInt(units);
  return { units, microLamports: wanted < most ? wanted : most };
}

const asBase64 = (wire: Wire) => wire as string as Base64EncodedWireTransaction;

/** Runs the bytes as they are, or, where signatures are missing, as if all had signed just now. */
async function simulate(deps: Deps, wire: Wire): Promise<Simulation> {
  const read = await decode(wire);
  const isComplete = read !== null && [...read.signers.values()].every((state) => state === "signed");
  return run(deps, wire, isComplete ? AS_IT_IS : AS_IF_SIGNED, read?.instructions ?? []);
}

const SIMULATION = { commitment: "confirmed", encoding: "base64" } as const;
const AS_IT_IS = { ...SIMULATION, sigVerify: true } as const;
/** Signatures are not looked at, and the blockhash is taken to be the newest. */
const AS_IF_SIGNED = { ...SIMULATION, replaceRecentBlockhash: true } as const;

/** `offset`: instructions of the transaction that stand before the given ones. */
async function run(
  deps: Deps,
  wire: Wire,
  config: typeof AS_IT_IS | typeof AS_IF_SIGNED,
  instructions: readonly Instruction[],
  offset = 0,
): Promise<Simulation> {
  const { value } = await ("sigVerify" in config
    ? deps.rpc.simulateTransaction(asBase64(wire), config)
    : deps.rpc.simulateTransaction(asBase64(wire), config)
  ).send();
  const logs = value.logs ?? [];
  const units = value.unitsConsumed ?? 0n;
  if (value.err === null) return { failure: null, units, logs };
  return { failure: await named(deps, value.err, instructions, offset), units, logs };
}

/** The error with the program, the account and the reason. `instruction` counts from the first of `instructions`. */
async function named(
  deps: Deps,
  error: unknown,
  instructions: readonly Instruction[],
  offset: number,
): Promise<TransactionFailure> {
  const none: Address[] = Array.from({ length: offset }, () => "" as Address);
  const raw = failureOf(error, [...none, ...instructions.map(({ program }) => program)]);
  const failure = { ...raw, instruction: raw.instruction === null ? null : raw.instruction - offset };
  const { accounts } = await accountsAt(deps, accountsToSee(failure, instructions), "confirmed");
  return diagnose(failure, instructions, accounts);
}

async function send(deps: Deps, wire: Wire, { check }: { check: boolean }): Promise<Result<Signature, SendRefusal>> {
  const checked = check ? await simulate(deps, wire) : null;
  if (checked?.failure != null) return err({ code: "refused", failure: checked.failure });
  // Checked or not, and sent again by whoever wants it to land: the server is to pass it on, no more.
  const config = { encoding: "base64", skipPreflight: true, maxRetries: 0n } as const;
  try {
    return ok(await deps.rpc.sendTransaction(asBase64(wire), config).send());
  } catch (fault) {
    if (!isSolanaError(fault, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE))
      throw fault;
    return err({ code: "refused", failure: failureOf("SignatureFailure") });
  }
}
