// Allowances on real programs: what an account may spend follows the chain, and nothing is counted twice.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import { fundFrom } from "../ledger/funding.ts";
import { clientLedger, nodeLedger, post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import type { Address, FinalizedState } from "../solana/chain.ts";
import { allowanceOf, endAllowance, observeAllowance, registerAllowance } from "./allowances.ts";
import { allowancePayouts } from "./funding-schema.ts";
import { type FundingStage, fundingStage } from "./testing/funding-stage.ts";

const ME = LOCAL_ACCOUNT_ID;
const ACCOUNT = clientLedger(ME);

const depsOf = ({ db, clock, chain, settlement }: FundingStage, maxUnsettled = 1_000_000_000n) => ({
  ...{ db, clock, chain, maxUnsettled },
  settlement: settlement.address,
});

/** A client whose token account holds `amount`, of which the coordinator may spend `allowed`. */
async function client(stage: FundingStage, amount: bigint, allowed: bigint) {
  const made = await stage.on.client({ amount, delegate: stage.settlement.address, allowed });
  await stage.on.finalize();
  const delegate = stage.settlement.address;
  const wanted = { wallet: made.owner.address as Address, tokenAccount: made.account as Address, delegate };
  return { ...made, wanted: { accountId: ME, ...wanted } };
}

let uses = 0;
/** A job was done for so much: the node gets all of it. */
async function use({ db, clock }: FundingStage, amount: bigint, node = "n1") {
  const cause = `use/${uses++}`;
  const entries = [
    { account: ACCOUNT, amount: -amount },
    { account: nodeLedger(node), amount },
  ];
  const posted = await db.writer.transact((_, execute) =>
    post(execute, { kind: "settlement", cause, atMs: clock.nowMs(), entries }),
  );
  if (!posted.ok) throw new Error(posted.error);
}

let payouts = 0;
/** A payout of so much that takes it from the account; its transaction is made by `pay`. */
async function plan({ db }: FundingStage, source: string, amount: bigint): Promise<string> {
  const id = (payouts++).toString(16).padStart(32, "0");
  await db.writer.transact(async (_, execute) => {
    await execute(
      `insert into payouts (id, node, wallet, state, node_amount, fee, root, receipts, first_seq, created_ms)
       values (?, 'n1', 'w', 'due', ?, 0, '', 1, 1, ?)`,
      [id, amount, payouts],
    );
    await execute("insert into payout_legs (payout_id, source, node_amount, fee) values (?, ?, ?, 0)", [
      id,
      source,
      amount,
    ]);
  });
  return id;
}

async function pay({ chain, settlement, on }: FundingStage, id: string, source: string, amount: bigint) {
  const payer = settlement.address;
  const destination = (await on.ata((await on.wallet(0n)).address)) as Address;
  const marker = { payer, base: payer, seed: id, lamports: await chain.rentExempt(0) };
  const composed = await chain.compose({
    feePayer: payer,
    signers: [settlement],
    lifetime: await chain.lifetime(),
    instructions: [
      await chain.instructions.createMarker(marker),
      chain.instructions.transfer({ source: source as Address, destination, authority: payer, amount }),
    ],
  });
  if (!composed.ok || composed.value.signature === null) throw new Error("not composed");
  await chain.send(composed.value.wire);
  return composed.value.signature;
}

const markPaid = ({ db }: FundingStage, id: string, signature: string) =>
  db.writer.transact(async (_, execute) =>
    execute("update payouts set state = 'paid', signature = ?, ended_ms = 1 where id = ?", [signature, id]),
  );

test("what may be spent is what the chain says is there and approved, as it is final", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { wanted, owner, account } = await client(stage, 500n, 300n);
  const registered = await registerAllowance(deps, wanted, LOCAL_CALLER);
  if (!registered.ok) throw new Error(registered.error.code);
  expect((await stage.balance()).available).toBe(300n);
  await stage.on.approve(owner, account, stage.settlement.address, 450n);
  await observeAllowance(deps, ME);
  expect((await stage.balance()).available).toBe(300n);
  await stage.on.finalize();
  await observeAllowance(deps, ME);
  expect((await stage.balance()).available).toBe(450n);
  await stage.on.revoke(owner, account);
  await stage.on.finalize();
  expect(await observeAllowance(deps, ME)).toMatchObject({ spendable: 0, unspendable: "revoked" });
  expect((await stage.balance()).available).toBe(0n);
});

test("what was used is subtracted once, wherever its payout stands", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { wanted, account } = await client(stage, 1_000n, 1_000n);
  await registerAllowance(deps, wanted, LOCAL_CALLER);
  const expectAvailable = async (amount: bigint) => {
    await observeAllowance(deps, ME);
    expect((await stage.balance()).available).toBe(amount);
  };
  await use(stage, 400n);
  await expectAvailable(600n);
  const id = await plan(stage, account, 400n);
  await expectAvailable(600n);
  // Landed, not final: the chain's final state still has it.
  const signature = await pay(stage, id, account, 400n);
  await expectAvailable(600n);
  await stage.on.finalize();
  // Final, and nobody has marked it as paid here.
  await expectAvailable(600n);
  await markPaid(stage, id, signature);
  await expectAvailable(600n);
  await use(stage, 100n);
  await expectAvailable(500n);
  expect(await allowanceOf(stage, ME)).toMatchObject({ spendable: 600, paidOut: 400 });
});

test("lamports that a client puts where a payout's marker is to be pay for nothing", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { wanted, account } = await client(stage, 1_000n, 1_000n);
  await registerAllowance(deps, wanted, LOCAL_CALLER);
  await use(stage, 400n);
  const marker = await stage.chain.markerAddress(stage.settlement.address, await plan(stage, account, 400n));
  await stage.on.fund(stage.on.admin, marker, 890_880n);
  await stage.on.finalize();
  await observeAllowance(deps, ME);
  expect(await allowanceOf(stage, ME)).toMatchObject({ spendable: 1_000, paidOut: 0 });
  expect((await stage.balance()).available).toBe(600n);
});

test("a payout that is marked as paid is not taken for paid by a server that is behind", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { wanted, account } = await client(stage, 1_000n, 1_000n);
  await registerAllowance(deps, wanted, LOCAL_CALLER);
  await use(stage, 400n);
  const id = await plan(stage, account, 400n);
  const marker = await stage.chain.markerAddress(stage.settlement.address, id);
  // A slot that nobody has looked at yet.
  await stage.on.advance(1);
  const before: FinalizedState = await stage.chain.finalized([account as Address, marker]);
  const signature = await pay(stage, id, account, 400n);
  await stage.on.finalize();
  await markPaid(stage, id, signature);
  const behind = { ...deps, chain: { ...stage.chain, finalized: async () => before } };
  await observeAllowance(behind, ME);
  expect((await stage.balance()).available).toBe(600n);
  // One that is up to date counts it, and what is older then changes nothing.
  await observeAllowance(deps, ME);
  await observeAllowance(behind, ME);
  expect(await allowanceOf(stage, ME)).toMatchObject({ spendable: 600, paidOut: 400 });
  expect((await stage.balance()).available).toBe(600n);
});

test("a payout whose marker's rent was taken back is counted by the slot of its payment", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { wanted, account } = await client(stage, 1_000n, 1_000n);
  await registerAllowance(deps, wanted, LOCAL_CALLER);
  await use(stage, 400n);
  const id = await plan(stage, account, 400n);
  const signature = await pay(stage, id, account, 400n);
  await stage.on.advance(200);
  await markPaid(stage, id, signature);
  const { address: base } = stage.settlement;
  const back = { base, seed: id, lamports: await stage.chain.rentExempt(0), destination: base };
  const reclaim = await stage.chain.prepare({
    feePayer: base,
    signers: [stage.settlement],
    instructions: [await stage.chain.instructions.reclaimMarker(back)],
  });
  if (!reclaim.ok) throw new Error(reclaim.error.code);
  await stage.chain.send(reclaim.value.wire);
  await stage.on.finalize();
  await observeAllowance(deps, ME);
  const counted = await stage.db.read.select().from(allowancePayouts);
  expect(counted).toMatchObject([{ payoutId: id, tokenAccount: account, amount: 400 }]);
  expect(await allowanceOf(stage, ME)).toMatchObject({ spendable: 600, paidOut: 400 });
  expect((await stage.balance()).available).toBe(600n);
});

test("a fork that takes a payment back does not make credit", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { wanted, account } = await client(stage, 1_000n, 1_000n);
  await registerAllowance(deps, wanted, LOCAL_CALLER);
  await use(stage, 400n);
  const id = await plan(stage, account, 400n);
  const before = stage.local.snapshot();
  await pay(stage, id, account, 400n);
  stage.local.restore(before);
  await stage.on.finalize();
  await observeAllowance(deps, ME);
  expect(await allowanceOf(stage, ME)).toMatchObject({ spendable: 1_000, paidOut: 0 });
  expect((await stage.balance()).available).toBe(600n);
});

test("an RPC fault changes nothing", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { wanted } = await client(stage, 1_000n, 1_000n);
  await registerAllowance(deps, wanted, LOCAL_CALLER);
  stage.server.faults.add({ method: "getMultipleAccounts", fault: "http503", times: 50 });
  const fault = await observeAllowance(deps, ME).catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(Error);
  expect((await stage.balance()).available).toBe(1_000n);
});

test("no account has more than max_unsettled used or reserved", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage, 250n);
  const { wanted, account } = await client(stage, 1_000n, 1_000n);
  await registerAllowance(deps, wanted, LOCAL_CALLER);
  expect((await stage.balance()).available).toBe(250n);
  await use(stage, 200n);
  await observeAllowance(deps, ME);
  expect((await stage.balance()).available).toBe(50n);
  await pay(stage, await plan(stage, account, 200n), account, 200n);
  await stage.on.finalize();
  await observeAllowance(deps, ME);
  expect((await stage.balance()).available).toBe(250n);
});

test("what is held stays held, though the chain has less", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { wanted, owner, account } = await client(stage, 1_000n, 1_000n);
  await registerAllowance(deps, wanted, LOCAL_CALLER);
  await stage.db.writer.transact(async (_, execute) =>
    execute("update ledger_accounts set held = 300 where id = ?", [ACCOUNT]),
  );
  await stage.on.revoke(owner, account);
  await stage.on.finalize();
  await observeAllowance(deps, ME);
  expect(await stage.balance()).toEqual({ balance: 300n, held: 300n, available: 0n });
});

test("a token account pays for one account, and an account is paid for in one way", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const other = await stage.account("other");
  const { wanted } = await client(stage, 1_000n, 1_000n);
  await registerAllowance(deps, wanted, LOCAL_CALLER);
  const taken = await registerAllowance(deps, { ...wanted, accountId: other }, LOCAL_CALLER);
  expect(taken.ok ? "ok" : taken.error.code).toBe("token_account_taken");
  const granted = await stage.db.writer.transact((_, execute) => fundFrom(execute, ACCOUNT, "credits"));
  expect(granted).toEqual({ ok: false, error: { code: "other_funding", funding: "allowance" } });
  const rich = clientLedger(other);
  await stage.db.writer.transact(async (_, execute) => {
    await fundFrom(execute, rich, "credits");
    await post(execute, {
      ...{ kind: "grant", cause: "g", atMs: 0 },
      entries: [
        { account: SYSTEM_ACCOUNTS.grants, amount: -5n },
        { account: rich, amount: 5n },
      ],
    });
  });
  const second = await client(stage, 10n, 10n);
  const refused = await registerAllowance(deps, { ...second.wanted, accountId: other }, LOCAL_CALLER);
  expect(refused.ok ? "ok" : refused.error).toEqual({ code: "other_funding", funding: "credits" });
});

test("somebody else's token account, one of another mint and one without approval are refused", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { wanted, owner, account } = await client(stage, 1_000n, 1_000n);
  const codeOf = async (change: object) => {
    const result = await registerAllowance(deps, { ...wanted, ...change }, LOCAL_CALLER);
    return !result.ok && result.error.code === "unspendable" ? result.error.why : "registered";
  };
  expect(await codeOf({ wallet: stage.treasury })).toBe("other_owner");
  expect(await codeOf({ delegate: stage.treasury })).toBe("other_delegate");
  expect(await codeOf({ tokenAccount: stage.on.mint })).toBe("gone");
  await stage.on.revoke(owner, account);
  await stage.on.finalize();
  expect(await codeOf({})).toBe("revoked");
});

test("an allowance ends once everything is paid, and leaves nothing behind", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { wanted, account } = await client(stage, 1_000n, 1_000n);
  await registerAllowance(deps, wanted, LOCAL_CALLER);
  await use(stage, 400n);
  expect(await endAllowance(deps, ME, LOCAL_CALLER)).toEqual({
    ok: false,
    error: { code: "unsettled", unsettled: 400n, held: 0n },
  });
  await pay(stage, await plan(stage, account, 400n), account, 400n);
  await stage.on.finalize();
  expect((await endAllowance(deps, ME, LOCAL_CALLER)).ok).toBe(true);
  expect(await stage.balance()).toEqual({ balance: 0n, held: 0n, available: 0n });
  expect((await registerAllowance(deps, wanted, LOCAL_CALLER)).ok).toBe(true);
  expect((await stage.balance()).available).toBe(600n);
});

test("property: what was used and what may be used is never more than there was", async () => {
  await using stage = await fundingStage();
  const step = fc.oneof(
    fc.record({ kind: fc.constant("use" as const), amount: fc.bigInt(1n, 120n) }),
    fc.record({ kind: fc.constant("plan" as const) }),
    fc.record({ kind: fc.constant("pay" as const) }),
    fc.record({ kind: fc.constant("mark" as const) }),
    fc.record({ kind: fc.constant("advance" as const), blocks: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant("look" as const) }),
  );
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const accountId = await stage.account(`p${run++}`);
      const { wanted, account } = await client(stage, 1_000n, 1_000n);
      const deps = depsOf(stage);
      await registerAllowance(deps, { ...wanted, accountId }, LOCAL_CALLER);
      let [used, planned] = [0n, 0n];
      const due: { id: string; amount: bigint }[] = [];
      const landed: { id: string; signature: string }[] = [];
      for (const one of steps) {
        if (one.kind === "use" && one.amount <= (await stage.balance(accountId)).available) {
          await useFor(stage, accountId, one.amount);
          used += one.amount;
        } else if (one.kind === "plan" && used > planned) {
          due.push({ id: await plan(stage, account, used - planned), amount: used - planned });
          planned = used;
        } else if (one.kind === "pay") {
          const next = due.shift();
          if (next) landed.push({ id: next.id, signature: await pay(stage, next.id, account, next.amount) });
        } else if (one.kind === "mark") {
          const next = landed[0];
          if (next && (await isFinal(stage, next.id))) {
            landed.shift();
            await markPaid(stage, next.id, next.signature);
          }
        } else if (one.kind === "advance") await stage.on.advance(one.blocks);
        else await observeAllowance(deps, accountId);
        expect((await stage.balance(accountId)).available + used).toBeLessThanOrEqual(1_000n);
      }
      await stage.on.finalize();
      await observeAllowance(deps, accountId);
      expect((await stage.balance(accountId)).available + used).toBe(1_000n);
    }),
    { numRuns: 12 },
  );
});

async function useFor({ db, clock }: FundingStage, accountId: string, amount: bigint) {
  const entries = [
    { account: clientLedger(accountId), amount: -amount },
    { account: nodeLedger("n1"), amount },
  ];
  await db.writer.transact((_, execute) =>
    post(execute, { kind: "settlement", cause: `use/${uses++}`, atMs: clock.nowMs(), entries }),
  );
}

async function isFinal({ chain, settlement }: FundingStage, id: string): Promise<boolean> {
  const marker = await chain.markerAddress(settlement.address, id);
  return (await chain.finalized([marker])).get(marker) !== null;
}
