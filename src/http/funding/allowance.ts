// `/api/v1/funding/allowance`: what a client needs to let its own token account pay, and the registration of one.
import { z } from "zod";
import type { Result } from "../../lib/result.ts";
import {
  verifyWalletProof,
  WALLET_PROOF_TTL_MS,
  type WalletProof,
  walletProofText,
} from "../../protocol/wallet-proof.ts";
import {
  type AllowanceDeps,
  allowanceOf,
  endAllowance,
  type RegisterRefusal,
  registerAllowance,
} from "../../settlement/allowances.ts";
import type { Funding } from "../../settlement/funding.ts";
import type { AllowanceRow } from "../../settlement/funding-schema.ts";
import type { OpeningTransaction } from "../../settlement/open-allowance.ts";
import { addressSchema } from "../../solana/address.ts";
import { type ErrorCode, errorResponse } from "../errors.ts";
import { check, parseJson } from "../openai/chat-request.ts";
import type { ClientCall } from "../routes.ts";

export type AllowanceHttpDeps = {
  funding: Pick<Funding, "allowances" | "delegates" | "chain" | "openAllowance">;
  clock: AllowanceDeps["clock"];
  /** This coordinator's public key, which proofs name. */
  coordinator: string;
};

/** µ$ in a query. */
const amountText = z.coerce.number().pipe(z.int().min(0).max(Number.MAX_SAFE_INTEGER));
const querySchema = z.object({
  wallet: addressSchema.optional(),
  token_account: addressSchema.optional(),
  delegate: addressSchema.optional(),
  /** Put into a new dedicated account. */
  deposit: amountText.optional(),
  /** Most that may be taken in all. */
  cap: amountText.optional(),
});

/**
 * How an allowance is made, and the one that is there. With `wallet`: a transaction that opens a dedicated token account
 * and approves `cap` of it, for the wallet to sign and send. With `token_account` too: the text that proves whose it is.
 */
export async function showAllowance(deps: AllowanceHttpDeps, call: ClientCall): Promise<Response> {
  const { funding, clock } = deps;
  const query = check(querySchema, Object.fromEntries(call.query));
  if (!query.ok) return errorResponse("invalid_value", query.error.message, { param: query.error.param });
  const { wallet, token_account: tokenAccount, deposit = 0, cap } = query.value;
  const delegate = chosenDelegate(deps, query.value.delegate);
  if (delegate === null) return wrongDelegate();
  const row = await allowanceOf(funding.allowances, call.caller.accountId);
  const opening =
    wallet === undefined || tokenAccount !== undefined
      ? null
      : await funding.openAllowance({ wallet, delegate, deposit: BigInt(deposit), cap: BigInt(cap ?? deposit) });
  return Response.json({
    mint: funding.chain.mint,
    decimals: funding.chain.decimals,
    network: funding.chain.genesisHash,
    /** Approve one of these. */
    delegates: funding.delegates,
    max_unsettled_micro_usd: Number(funding.allowances.maxUnsettled),
    allowance: row ? allowanceView(row) : null,
    ...(opening ? { open: openingView(opening) } : {}),
    ...(wallet && tokenAccount
      ? {
          proof: proofView(
            proofOf(deps, call.caller.accountId, { wallet, tokenAccount, delegate, issuedMs: clock.nowMs() }),
          ),
        }
      : {}),
  });
}

const openingView = ({ transaction, tokenAccount, lastValidBlockHeight }: OpeningTransaction) => ({
  transaction,
  token_account: tokenAccount,
  last_valid_block_height: Number(lastValidBlockHeight),
});

/** The one that is wanted, where clients may approve it; else the first. */
export const chosenDelegate = ({ funding }: { funding: Pick<Funding, "delegates"> }, wanted: string | undefined) =>
  funding.delegates.find(({ address }) => wanted === undefined || address === wanted)?.address ?? null;

const wrongDelegate = () =>
  errorResponse("invalid_value", "delegate must be one of those that GET /api/v1/funding/allowance lists", {
    param: "delegate",
  });

type Claim = Pick<WalletProof, "wallet" | "tokenAccount" | "delegate" | "issuedMs">;
/** What the wallet has to sign, so that its token account pays for the account. */
export const proofOf = (
  { coordinator }: Pick<AllowanceHttpDeps, "coordinator">,
  accountId: string,
  claim: Claim,
): WalletProof => ({
  ...{ purpose: "allowance", subject: accountId, coordinator },
  ...claim,
});

/** What the wallet signs (`signMessage`), and what is to be sent with it. */
const proofView = (proof: WalletProof) => ({
  text: walletProofText(proof),
  issued_ms: proof.issuedMs,
  expires_ms: proof.issuedMs + WALLET_PROOF_TTL_MS,
});

export const newAllowanceSchema = z.strictObject({
  wallet: addressSchema,
  token_account: addressSchema,
  delegate: addressSchema.optional(),
  issued_ms: z.int().min(0),
  /** ed25519 by the wallet over the proof's text: 64 bytes in base58. */
  signature: z.string().min(64).max(90),
});

/** Has the token account pay for the caller's account, once its wallet has signed for it. */
export async function putAllowance(deps: AllowanceHttpDeps, call: ClientCall): Promise<Response> {
  const json = parseJson(await call.body());
  if (!json.ok) return errorResponse(json.error.code, json.error.message, json.error);
  const body = check(newAllowanceSchema, json.value);
  if (!body.ok) return errorResponse("invalid_value", body.error.message, { param: body.error.param });
  const { wallet, token_account: tokenAccount, issued_ms: issuedMs, signature } = body.value;
  const delegate = chosenDelegate(deps, body.value.delegate);
  if (delegate === null) return wrongDelegate();
  const proof = proofOf(deps, call.caller.accountId, { wallet, tokenAccount, delegate, issuedMs });
  if (!verifyWalletProof(proof, signature, deps.clock.nowMs()))
    return errorResponse("wallet_proof_invalid", "the wallet did not sign this proof, or longer ago than ten minutes", {
      param: "signature",
    });
  const { accountId } = call.caller;
  const registered: Result<AllowanceRow, RegisterRefusal> = await registerAllowance(
    deps.funding.allowances,
    { accountId, wallet, tokenAccount, delegate },
    actorOf(call),
  );
  return registered.ok ? Response.json({ allowance: allowanceView(registered.value) }) : refused(registered.error);
}

const actorOf = ({ caller, address: from }: ClientCall) =>
  caller.keyId === null ? ({ actor: "local", from } as const) : ({ actor: `key/${caller.keyId}`, from } as const);

function refused(error: RegisterRefusal): Response {
  switch (error.code) {
    case "other_funding":
      return fundedOtherwise(error.funding);
    case "token_account_taken":
      return errorResponse("token_account_taken", "this token account pays for another account, or is a stake");
    case "allowance_there":
      return errorResponse("allowance_there", "this account has another allowance: end that one first (DELETE)");
    case "unspendable":
      return errorResponse("token_account_unspendable", UNSPENDABLE[error.why], { param: "token_account" });
  }
}

/** One source at a time. */
export const fundedOtherwise = (funding: string | null): Response =>
  errorResponse(
    "funded_otherwise" satisfies ErrorCode,
    `this account's money comes from ${funding ?? "elsewhere"}; it may change once it has none left`,
  );

/** Why nothing can be spent from a token account, in words. */
export const UNSPENDABLE = {
  gone: "there is no such token account of this mint, by what is final on the chain",
  other_owner: "the token account belongs to another wallet",
  revoked:
    "nobody is approved to spend from it, by what is final on the chain: approve a delegate, wait, and try again",
  other_delegate: "somebody else is approved to spend from it",
  frozen: "the token account is frozen",
} as const;

const allowanceView = (row: AllowanceRow) => ({
  wallet: row.wallet,
  token_account: row.tokenAccount,
  delegate: row.delegate,
  registered_ms: row.registeredMs,
  observed_slot: row.observedSlot,
  observed_ms: row.observedMs,
  spendable_micro_usd: row.spendable,
  /** Why nothing can be spent; null where something can. */
  unspendable: row.unspendable,
});

export async function deleteAllowance({ funding }: AllowanceHttpDeps, call: ClientCall): Promise<Response> {
  const ended = await endAllowance(funding.allowances, call.caller.accountId, actorOf(call));
  if (ended.ok) return Response.json({ allowance: null });
  if (ended.error.code === "no_allowance") return errorResponse("allowance_not_found", "this account has no allowance");
  const { unsettled, held } = ended.error;
  const message = `${unsettled} µ$ are used and not paid on the chain yet, ${held} µ$ are reserved for jobs under way; try again then`;
  return errorResponse("unsettled", message);
}
