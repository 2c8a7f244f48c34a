// Stakes, as operations of a coordinator: what nodes put up, and what their parties sign.
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { verifyWalletProof, type WalletProof, walletProofText } from "../protocol/wallet-proof.ts";
import type { Funding } from "../settlement/funding.ts";
import type { StakeRow } from "../settlement/funding-schema.ts";
import type { MovedStake } from "../settlement/stake-moves.ts";
import type { StakeMove, StakeTransactionRefusal, ToSign } from "../settlement/stake-transactions.ts";
import type { StakeRefusal } from "../settlement/stakes.ts";
import { ChainUnreachable } from "../solana/chain.ts";
import { type Answer, operation } from "./operation.ts";
import type { Admin, AdminError } from "./operations.ts";
import { STAKE_OPERATIONS, type StakeMoveView, type StakeRowView, type ToSignView } from "./stake-operations.ts";

/** Stakes of a running coordinator that settles on a chain. */
export type StakeDesk = Pick<Funding, "stakes" | "restake" | "chain" | "openAllowance" | "desk"> & { minimum: number };
export type StakeAdmin = Pick<Admin, keyof typeof STAKE_OPERATIONS>;
export type StakeAdminDeps = {
  clock: Pick<Clock, "nowMs">;
  /** This coordinator's. */
  pubkey: string;
  /** Null where there are no stakes. */
  desk: () => StakeDesk | null;
};

const NO_CHAIN: AdminError = {
  code: "not_available",
  message: "there are no stakes here: the coordinator does not run, or settles nothing on a chain",
  hint: 'set billing.mode = "solana", and start it',
};

export function stakeAdmin(deps: StakeAdminDeps): StakeAdmin {
  const { clock, pubkey: coordinator } = deps;
  /** The desk's answer; what the chain does not tell now is said. */
  async function at<T>(act: (desk: StakeDesk) => Answer<T>): Answer<T> {
    const desk = deps.desk();
    if (desk === null) return err(NO_CHAIN);
    try {
      return await act(desk);
    } catch (error) {
      if (!(error instanceof ChainUnreachable)) throw error;
      return err({ code: "not_available", message: `the chain does not answer now: ${error.message}` });
    }
  }
  const proofOf = (
    desk: StakeDesk,
    stake: { pubkey: string; wallet: string; token_account: string },
    issuedMs: number,
  ): WalletProof => ({
    ...{ purpose: "stake", subject: stake.pubkey, coordinator, issuedMs },
    ...{ wallet: stake.wallet, tokenAccount: stake.token_account, delegate: desk.stakes.settlement },
  });

  return {
    listStakes: operation(STAKE_OPERATIONS.listStakes, ({ node }) =>
      at(async ({ stakes, desk, minimum }) =>
        ok({
          stakes: (await desk.list(node)).map(view),
          minimum_micro_usd: minimum,
          settlement: stakes.settlement,
          arbiter: stakes.arbiter,
        }),
      ),
    ),
    openStake: operation(STAKE_OPERATIONS.openStake, ({ kind, wallet, amount_micro_usd: amount }) =>
      at(async ({ desk, stakes, openAllowance }) => {
        if (kind === "multisig") return signed(await desk.create(wallet));
        if (amount === undefined)
          return err({ code: "invalid", message: "amount_micro_usd: a pledge needs an amount" });
        const pledge = { wallet, delegate: stakes.settlement, deposit: BigInt(amount), cap: BigInt(amount) };
        return ok(signing({ ...(await openAllowance(pledge)), missing: [wallet] }));
      }),
    ),
    depositStake: operation(STAKE_OPERATIONS.depositStake, ({ pubkey, amount_micro_usd: amount }) =>
      at(async ({ desk }) => signed(await desk.deposit(pubkey, BigInt(amount)))),
    ),
    proveStake: operation(STAKE_OPERATIONS.proveStake, (stake) =>
      at(async (desk) => {
        const issuedMs = clock.nowMs();
        return ok({ text: walletProofText(proofOf(desk, stake, issuedMs)), issued_ms: issuedMs });
      }),
    ),
    registerStake: operation(STAKE_OPERATIONS.registerStake, (stake, by) =>
      at(async (desk) => {
        const { pubkey, wallet, token_account: tokenAccount, multisig = null, issued_ms: issuedMs, signature } = stake;
        const isProved = verifyWalletProof(proofOf(desk, stake, issuedMs ?? 0), signature ?? "", clock.nowMs());
        if (multisig === null && !isProved) return err(NOT_PROVED);
        const registered = await desk.desk.register({ nodePubkey: pubkey, wallet, tokenAccount, multisig }, by);
        if (!registered.ok) return err(refusal(registered.error));
        await desk.restake();
        return ok(view(registered.value));
      }),
    ),
    forgetStake: operation(STAKE_OPERATIONS.forgetStake, ({ pubkey }, by) =>
      at(async ({ desk, restake }) => {
        if (!(await desk.forget(pubkey, by))) return err(refusal({ code: "no_stake" }));
        await restake();
        return ok({ pubkey });
      }),
    ),
    releaseStake: operation(STAKE_OPERATIONS.releaseStake, (move, by) =>
      at(async ({ desk }) => signed(await desk.propose({ ...wanted(move), act: "release" }, by))),
    ),
    slashStake: operation(STAKE_OPERATIONS.slashStake, (move, by) =>
      at<Slashed>(async ({ desk }) => {
        const pledge = await desk.slash(wanted(move), by);
        if (pledge.ok) return ok({ ...pledge.value, sign: null });
        if (pledge.error.code !== "enforceable") return err(refusal(pledge.error));
        const sign = signed(await desk.propose({ ...wanted(move), act: "slash" }, by));
        return sign.ok ? ok({ id: null, sign: sign.value, repeated: false }) : err(sign.error);
      }),
    ),
    listStakeMoves: operation(STAKE_OPERATIONS.listStakeMoves, ({ pubkey, limit }) =>
      at(async ({ desk }) => ok({ moves: (await desk.moves(pubkey, limit)).map(moveView) })),
    ),
    submitStake: operation(STAKE_OPERATIONS.submitStake, ({ transaction }) =>
      at(async ({ desk }) => {
        const sent = await desk.submit(transaction);
        if (sent.ok) return ok({ signature: sent.value });
        switch (sent.error.code) {
          case "not_a_transaction":
            return err({ code: "invalid", message: "that is no transaction in base64" });
          case "unsigned":
            return err({ code: "conflict", message: `signatures are missing: ${sent.error.missing.join(", ")}` });
          case "refused":
            return err({ code: "conflict", message: `the chain refuses it: ${sent.error.failure.reason}` });
        }
      }),
    ),
  };
}

type Slashed = { id: string | null; sign: ToSignView | null; repeated: boolean };
type Wanted = { pubkey: string; amount_micro_usd: number; reason: string; id?: string | undefined };
const wanted = ({ pubkey, amount_micro_usd: amount, reason, id }: Wanted): StakeMove => ({
  ...{ nodePubkey: pubkey, amount: BigInt(amount), reason, request: id },
});

const NOT_PROVED: AdminError = {
  code: "invalid",
  message: "the wallet did not sign the proof, or longer ago than ten minutes",
  hint: "`infernet stake proof` prints the text; the wallet signs it as a message",
};

const view = (row: StakeRow): StakeRowView => ({
  node: row.nodePubkey as StakeRowView["node"],
  kind: row.kind,
  wallet: row.wallet,
  token_account: row.tokenAccount,
  multisig: row.multisig,
  arbiter: row.arbiter,
  amount_micro_usd: row.amount,
  unspendable: row.unspendable,
  balance_micro_usd: row.balance,
  cap_micro_usd: row.cap,
  observed_ms: row.observedMs,
});

const moveView = ({ amount, createdMs, sign, ...move }: MovedStake): StakeMoveView => ({
  ...{ id: move.id, act: move.act, reason: move.reason, state: move.state },
  ...{ signature: move.signature, error: move.error },
  amount_micro_usd: Number(amount),
  created_ms: createdMs,
  sign: sign && {
    ...{ transaction: sign.transaction, missing: sign.missing, last_valid_block_height: sign.lastValidHeight },
  },
});

const signing = ({ transaction, missing, lastValidBlockHeight, tokenAccount, multisig }: ToSign): ToSignView => ({
  transaction,
  missing,
  last_valid_block_height: Number(lastValidBlockHeight),
  token_account: tokenAccount ?? null,
  multisig: multisig ?? null,
});
const signed = (made: Result<ToSign, StakeTransactionRefusal>): Result<ToSignView, AdminError> =>
  made.ok ? ok(signing(made.value)) : err(refusal(made.error));

const ENDED = {
  done: "it moved already",
  failed: "it failed, and nothing moved",
  expired: "nobody signed it in time, and nothing moved",
} as const;

function refusal(error: StakeRefusal | StakeTransactionRefusal): AdminError {
  switch (error.code) {
    case "no_stake":
      return { code: "not_found", message: "this node has no stake here", hint: "`infernet stake status` lists them" };
    case "not_enforceable":
      return { code: "conflict", message: "this stake is a pledge: its owner takes it back by revoking the approval" };
    case "no_arbiter":
      return { code: "conflict", message: "an enforceable stake needs an arbiter", hint: "set stake.arbiter" };
    case "no_treasury":
      return { code: "conflict", message: "what is slashed has to go somewhere", hint: "set solana.treasury" };
    case "signers_alike":
      return { code: "invalid", message: "node, coordinator and arbiter must be three" };
    case "id_used":
      return {
        code: "conflict",
        message: "this id was used for something else",
        hint: "give each movement an id of its own; only a repeated one keeps its id",
      };
    case "over":
      return {
        code: "conflict",
        message: `what was asked for with this id has ended: ${ENDED[error.state]}`,
        hint: "ask again with another id, if it is still wanted",
      };
    case "token_account_taken":
      return { code: "conflict", message: "this token account is another node's stake, or pays for an account" };
    case "stake_there":
      return { code: "conflict", message: "this node has a stake already", hint: "`infernet stake forget` lets it go" };
    case "wrong_multisig":
      return {
        code: "invalid",
        message: "the multisig is not two of the node's wallet, this coordinator and the arbiter",
      };
    case "unspendable":
      return {
        code: "conflict",
        message: `nothing of it could be slashed, by what is final on the chain: ${error.why}`,
      };
  }
}
