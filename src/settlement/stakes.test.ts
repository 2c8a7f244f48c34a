// Stakes on real programs: what a pledge and an enforceable stake do, and what nobody can do alone.
import { expect, test } from "bun:test";
import type { KeyPairSigner } from "@solana/web3.js";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { balanceOf, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import { type Address, ChainUnreachable, type Wire } from "../solana/chain.ts";
import { advanceSends, type OnceKinds } from "./once.ts";
import { slashKind, slashPledge } from "./pledge-slash.ts";
import { stakeMoves } from "./stake-moves.ts";
import { followProposals, proposeStakeTransfer } from "./stake-proposals.ts";
import {
  createStakeTransaction,
  type StakeTransactionDeps,
  submitStakeTransaction,
  type ToSign,
} from "./stake-transactions.ts";
import { forgetStake, observeStakes, registerStake, stakeOf, stakeRule } from "./stakes.ts";
import { type FundingStage, fundingStage } from "./testing/funding-stage.ts";

const NODE = "ab".repeat(32);

function depsOf({ db, clock, chain, random, settlement, treasury }: FundingStage, arbiter: Address | null = null) {
  const signer = settlement;
  return {
    db,
    clock,
    chain,
    random,
    signer,
    treasury,
    arbiter,
    settlement: settlement.address,
  } satisfies StakeTransactionDeps & Parameters<typeof observeStakes>[0];
}

const kindsOf = (deps: StakeTransactionDeps): OnceKinds => {
  const slash = slashKind(deps);
  return { slash, oracle: slash };
};
const stepsOf = async (stage: FundingStage, deps: ReturnType<typeof depsOf>, times = 1) => {
  for (let n = 0; n < times; n++) await advanceSends({ ...deps, log: stage.log }, kindsOf(deps));
};

async function pledge(stage: FundingStage, amount = 1_000n) {
  const made = await stage.on.client({ amount, delegate: stage.settlement.address, allowed: amount });
  await stage.on.finalize();
  const stake = { nodePubkey: NODE, wallet: made.owner.address as Address, tokenAccount: made.account as Address };
  const registered = await registerStake(depsOf(stage), { ...stake, multisig: null }, LOCAL_CALLER);
  if (!registered.ok) throw new Error(registered.error.code);
  return made;
}

const slashed = async ({ db }: FundingStage) => (await balanceOf(db, SYSTEM_ACCOUNTS.slashed)).balance;
const sendState = async ({ db }: FundingStage) => (await db.query("select state from once_sends"))[0]?.[0];

test("a pledge counts for as long as it is there, and a node without enough of it is told why it has no work", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const reason = async () => (await stakeRule(deps, 1_000n, "own")).reasonOf(NODE);
  expect(await reason()).toContain("has nothing at stake");
  const { owner, account } = await pledge(stage);
  expect(await reason()).toBeNull();
  await stage.on.revoke(owner, account);
  await observeStakes(deps);
  // Not final yet.
  expect(await reason()).toBeNull();
  await stage.on.finalize();
  await observeStakes(deps);
  expect(await reason()).toBe("it has 0 µ$ at stake (revoked); this network asks for 1000 µ$");
  expect((await stakeRule(deps, 1_000n, NODE)).reasonOf(NODE)).toBeNull();
  expect((await stakeRule(deps, 0n, null)).reasonOf(NODE)).toBeNull();
  expect(await forgetStake(deps, NODE, LOCAL_CALLER)).toBe(true);
  expect(await stakeOf(stage, NODE)).toBeUndefined();
});

test("a pledge that is registered while the chain falls silent is there, with what it is worth", async () => {
  await using stage = await fundingStage();
  const made = await stage.on.client({ amount: 900n, delegate: stage.settlement.address, allowed: 700n });
  await stage.on.finalize();
  let looks = 0;
  const finalized: typeof stage.chain.finalized = async (addresses) => {
    looks += 1;
    if (looks > 1) throw new ChainUnreachable("silent");
    return await stage.chain.finalized(addresses);
  };
  const stake = { nodePubkey: NODE, wallet: made.owner.address as Address, tokenAccount: made.account as Address };
  const deps = { ...depsOf(stage), chain: { ...stage.chain, finalized } };
  const registered = await registerStake(deps, { ...stake, multisig: null }, LOCAL_CALLER);
  expect(registered).toMatchObject({ ok: true, value: { amount: 700, balance: 900, cap: 700 } });
  expect(await stakeOf(stage, NODE)).toEqual(registered.ok ? registered.value : undefined);
});

test("a pledge is slashed once, and booked once it is final", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { account } = await pledge(stage);
  const planned = await slashPledge(deps, { nodePubkey: NODE, amount: 300n, reason: "forged answers" }, LOCAL_CALLER);
  expect(planned.ok).toBe(true);
  await stepsOf(stage, deps, 3);
  expect(await stage.on.balance(account)).toBe(700n);
  expect(await slashed(stage)).toBe(0n);
  await stage.on.finalize();
  await stepsOf(stage, deps, 3);
  expect(await stage.on.balance(account)).toBe(700n);
  expect(await stage.on.balance(stage.treasuryAccount)).toBe(300n);
  expect(await slashed(stage)).toBe(300n);
  await observeStakes(deps);
  expect((await stakeOf(stage, NODE))?.amount).toBe(700);
});

test("asked for twice with the same request, at once or later, a pledge is slashed once", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { account } = await pledge(stage);
  const move = { nodePubkey: NODE, amount: 300n, reason: "forged answers", request: "form-1" };
  const both = await Promise.all([slashPledge(deps, move, LOCAL_CALLER), slashPledge(deps, move, LOCAL_CALLER)]);
  expect(both.map((one) => one.ok && one.value.repeated).toSorted()).toEqual([false, true]);
  for (let round = 0; round < 3; round++) {
    await stepsOf(stage, deps, 2);
    await stage.on.finalize();
  }
  expect(await slashPledge(deps, move, LOCAL_CALLER)).toMatchObject({ ok: true, value: { repeated: true } });
  await stepsOf(stage, deps, 2);
  expect([await stage.on.balance(account), await slashed(stage)]).toEqual([700n, 300n]);
  expect(await slashPledge(deps, { ...move, amount: 301n }, LOCAL_CALLER)).toMatchObject({
    error: { code: "id_used" },
  });
  const [move1, ...others] = await stakeMoves(deps, NODE, 10);
  expect([move1, others]).toEqual([
    expect.objectContaining({ act: "slash", amount: 300n, state: "done", sign: null, signature: expect.any(String) }),
    [],
  ]);
});

test("killed between signing and sending, dropped, or rolled back: it is slashed once all the same", async () => {
  for (const trouble of ["killed", "dropped", "fork", "timeout"] as const) {
    await using stage = await fundingStage();
    const deps = depsOf(stage);
    const { account } = await pledge(stage);
    await slashPledge(deps, { nodePubkey: NODE, amount: 300n, reason: "r" }, LOCAL_CALLER);
    if (trouble === "killed") {
      const killed = { ...deps, chain: { ...stage.chain, send: () => Promise.reject(new Error("killed")) } };
      await stepsOf(stage, killed);
    } else if (trouble === "fork") {
      const before = stage.local.snapshot();
      await stepsOf(stage, deps);
      stage.local.restore(before);
    } else {
      const fault = trouble === "dropped" ? "drop" : "land-then-timeout";
      stage.server.faults.add({ method: "sendTransaction", fault, times: 2 });
      await stepsOf(stage, deps);
    }
    for (let round = 0; round < 12; round++) {
      await stage.on.advance(40);
      await stepsOf(stage, deps);
    }
    expect([trouble, await stage.on.balance(account), await slashed(stage)]).toEqual([trouble, 700n, 300n]);
  }
});

test("lamports of a stranger at the marker's address do not make a slash that never was", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { account } = await pledge(stage);
  await slashPledge(deps, { nodePubkey: NODE, amount: 300n, reason: "r" }, LOCAL_CALLER);
  // It is sent and lost; whoever saw it knows where its marker is to be.
  stage.server.faults.add({ method: "sendTransaction", fault: "drop", times: 1 });
  await stepsOf(stage, deps);
  const seed = String((await stage.db.query("select id from once_sends"))[0]?.[0]);
  await stage.on.fund(stage.on.admin, await stage.chain.markerAddress(stage.settlement.address, seed), 890_880n);
  await stage.on.finalize();
  await stepsOf(stage, deps);
  // What was signed may still land for all that is known.
  expect(await sendState(stage)).toBe("signed");
  await stage.on.advance(200);
  await stepsOf(stage, deps);
  expect([await sendState(stage), await stage.on.balance(account), await slashed(stage)]).toEqual([
    "failed",
    1_000n,
    0n,
  ]);
});

test("a pledge that was revoked in time is not slashed, and that is said", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { owner, account } = await pledge(stage);
  await slashPledge(deps, { nodePubkey: NODE, amount: 300n, reason: "r" }, LOCAL_CALLER);
  await stage.on.revoke(owner, account);
  await stepsOf(stage, deps);
  expect(await sendState(stage)).toBe("failed");
  expect(await slashed(stage)).toBe(0n);
});

/** Adds a signature, as a wallet does. */
async function signedBy(stage: FundingStage, { transaction }: ToSign, owner: KeyPairSigner): Promise<string> {
  const signer = { address: owner.address as Address, keyPair: owner.keyPair };
  return (await stage.chain.cosign(transaction as Wire, signer)).wire;
}

async function enforceable(stage: FundingStage, amount = 1_000n) {
  const [node, arbiter] = [await stage.on.wallet(), await stage.on.wallet()];
  await stage.on.finalize();
  const deps = depsOf(stage, arbiter.address as Address);
  const created = await createStakeTransaction(deps, node.address as Address);
  if (!created.ok) throw new Error(created.error.code);
  expect(created.value.missing).toEqual([node.address]);
  const sent = await submitStakeTransaction(deps, await signedBy(stage, created.value, node));
  if (!sent.ok) throw new Error(JSON.stringify(sent.error));
  const { multisig, tokenAccount } = created.value;
  if (!multisig || !tokenAccount) throw new Error("no accounts");
  await stage.on.mintTo(tokenAccount, amount);
  await stage.on.finalize();
  const stake = { nodePubkey: NODE, wallet: node.address as Address, tokenAccount, multisig };
  const registered = await registerStake(deps, stake, LOCAL_CALLER);
  if (!registered.ok) throw new Error(registered.error.code);
  expect(registered.value).toMatchObject({ kind: "multisig", amount: Number(amount) });
  return { deps, node, arbiter, tokenAccount, multisig };
}

test("of an enforceable stake neither takes anything alone; two release it, two slash it", async () => {
  await using stage = await fundingStage();
  const { deps, node, arbiter, tokenAccount, multisig } = await enforceable(stage);
  const proposal = { nodePubkey: NODE, amount: 400n, reason: "agreed" };
  const release = await proposeStakeTransfer(deps, { ...proposal, act: "release" }, LOCAL_CALLER);
  const slash = await proposeStakeTransfer(deps, { ...proposal, act: "slash", amount: 250n }, LOCAL_CALLER);
  if (!release.ok || !slash.ok) throw new Error("refused");
  expect([release.value.missing, slash.value.missing]).toEqual([[node.address], [arbiter.address]]);
  expect(await submitStakeTransaction(deps, slash.value.transaction)).toMatchObject({
    ok: false,
    error: { code: "unsigned" },
  });
  // The node alone, signing for itself twice.
  const own = await stage.on.ata(node.address);
  const alone = await stage.chain.compose({
    feePayer: node.address as Address,
    signers: [{ address: node.address as Address, keyPair: node.keyPair }],
    lifetime: await stage.chain.lifetime(),
    instructions: [
      stage.chain.instructions.transfer({
        ...{ source: tokenAccount, destination: own as Address, authority: multisig, amount: 1n },
        multisigSigners: [node.address as Address],
      }),
    ],
  });
  if (!alone.ok) throw new Error(alone.error.code);
  expect(await submitStakeTransaction(deps, alone.value.wire)).toMatchObject({ ok: false, error: { code: "refused" } });
  expect((await submitStakeTransaction(deps, await signedBy(stage, release.value, node))).ok).toBe(true);
  expect((await submitStakeTransaction(deps, await signedBy(stage, slash.value, arbiter))).ok).toBe(true);
  expect(await stage.on.balance(tokenAccount)).toBe(350n);
  expect(await stage.on.balance(own)).toBe(400n);
  expect(await stage.on.balance(stage.treasuryAccount)).toBe(250n);
  await followProposals(deps);
  expect(await slashed(stage)).toBe(0n);
  await stage.on.finalize();
  await followProposals(deps);
  await followProposals(deps);
  expect(await slashed(stage)).toBe(250n);
  await observeStakes(deps);
  expect((await stakeOf(stage, NODE))?.amount).toBe(350);
});

test("asked for twice with the same request, an enforceable stake has one proposal, told with who must sign it", async () => {
  await using stage = await fundingStage();
  const { deps, node, arbiter } = await enforceable(stage);
  const release = { nodePubkey: NODE, act: "release", amount: 400n, reason: "agreed", request: "form-1" } as const;
  const both = await Promise.all([1, 2].map(() => proposeStakeTransfer(deps, release, LOCAL_CALLER)));
  await stage.on.advance(2);
  const later = await proposeStakeTransfer(deps, release, LOCAL_CALLER);
  const told = [...both, later].map((one) => (one.ok ? one.value : null));
  expect(new Set(told.map((one) => one?.transaction)).size).toBe(1);
  const other = await proposeStakeTransfer(deps, { ...release, act: "slash" }, LOCAL_CALLER);
  expect(other).toMatchObject({ ok: false, error: { code: "id_used" } });
  stage.clock.advance(1);
  await proposeStakeTransfer(deps, { ...release, act: "slash", amount: 5n, request: "form-2" }, LOCAL_CALLER);
  const moves = await stakeMoves(deps, NODE, 10);
  expect(moves.map(({ act, state, sign }) => [act, state, sign?.missing])).toEqual([
    ["slash", "signing", [arbiter.address]],
    ["release", "signing", [node.address]],
  ]);
  expect(moves[1]?.sign?.transaction).toBe(told[0]?.transaction ?? "");
  expect((await stage.db.query("select count(*) from audit_log where action = 'stake.proposed'"))[0]?.[0]).toBe(2);
  expect((await stakeMoves(deps, NODE, 1)).length).toBe(1);
});

test("a proposal that nobody signs expires", async () => {
  await using stage = await fundingStage();
  const { deps } = await enforceable(stage);
  const slash = { nodePubkey: NODE, act: "slash", amount: 1n, reason: "r", request: "form-1" } as const;
  await proposeStakeTransfer(deps, slash, LOCAL_CALLER);
  await stage.on.advance(400);
  await followProposals(deps);
  expect(await stage.db.query("select state from stake_proposals")).toEqual([["expired"]]);
  // Nobody is given what can land no more, as if it were to be signed.
  const again = await proposeStakeTransfer(deps, slash, LOCAL_CALLER);
  expect(again).toEqual({ ok: false, error: { code: "over", state: "expired" } });
});

test("an enforceable stake may be registered while nothing is in it yet", async () => {
  await using stage = await fundingStage();
  await enforceable(stage, 0n);
  expect(await stakeOf(stage, NODE)).toMatchObject({ amount: 0, balance: 0, cap: null, unspendable: null });
});

test("a multisig of others, or of two that are one, is no stake", async () => {
  await using stage = await fundingStage();
  const { deps, tokenAccount, multisig } = await enforceable(stage);
  const stranger = (await stage.on.wallet(0n)).address as Address;
  const other = { nodePubkey: "cd".repeat(32), wallet: stranger, tokenAccount, multisig };
  const refused = await registerStake(deps, other, LOCAL_CALLER);
  expect(refused.ok || refused.error.code).toBe("wrong_multisig");
  const alike = await createStakeTransaction(deps, stage.settlement.address);
  expect(alike.ok || alike.error.code).toBe("signers_alike");
});
