// Deposits on real programs: each payment credited once, whatever the chain and the RPC servers do.
import { expect, test } from "bun:test";
import { AccountRole, type KeyPairSigner } from "@solana/web3.js";
import { getTransferCheckedInstruction } from "@solana-program/token";
import { LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import { fundFrom } from "../ledger/funding.ts";
import { clientLedger, post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import type { Address } from "../solana/chain.ts";
import {
  checkDeposit,
  checkDueDeposits,
  type DepositDeps,
  depositOf,
  listDeposits,
  requestDeposit,
} from "./deposits.ts";
import { type FundingStage, fundingStage } from "./testing/funding-stage.ts";

const ME = LOCAL_ACCOUNT_ID;
const HOUR = 3_600_000;

const depsOf = ({ db, clock, chain, random, treasury }: FundingStage): DepositDeps => ({
  ...{ db, clock, chain, random, treasury },
  ttlMs: HOUR,
  pollMs: 5_000,
});

/** A payer with so much, and a way to pay like a wallet that read the URL. */
async function payer(stage: FundingStage, amount = 1_000_000n) {
  const { on } = stage;
  const owner = await on.wallet();
  const source = await on.ata(owner.address);
  await on.mintTo(source, amount);
  return { owner, source };
}

function payment(
  stage: FundingStage,
  from: { owner: KeyPairSigner; source: Address },
  amount: bigint,
  references: string[],
) {
  const { on, treasuryAccount } = stage;
  const mint = on.mint;
  const { owner: authority, source } = from;
  const transfer = getTransferCheckedInstruction({
    ...{ source, mint, authority, amount, decimals: 6 },
    destination: treasuryAccount,
  });
  const riding = references.map((reference) => ({ address: reference as Address, role: AccountRole.READONLY }));
  return { ...transfer, accounts: [...transfer.accounts, ...riding] };
}

async function request(stage: FundingStage, accountId = ME) {
  const asked = await requestDeposit(depsOf(stage), { accountId, amount: 300n });
  if (!asked.ok) throw new Error(asked.error.code);
  return asked.value;
}

const outcomes = async (stage: FundingStage, reference: string, accountId = ME) =>
  (await depositOf(stage, accountId, reference))?.payments.map(({ amount, refused }) => [amount, refused]);

test("a payment is credited once it is final, and once only", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const from = await payer(stage);
  const deposit = await request(stage);
  await stage.on.land(from.owner, [payment(stage, from, 300n, [deposit.reference])]);
  expect(await checkDeposit(deps, deposit)).toBe(0);
  await stage.on.finalize();
  expect(await checkDeposit(deps, deposit)).toBe(1);
  expect(await checkDeposit(deps, deposit)).toBe(0);
  expect((await stage.balance()).available).toBe(300n);
  // Forgetting how far it was changes nothing either.
  await stage.db.writer.transact(async (_, execute) => execute("update deposits set cursor = null", []));
  expect(await checkDeposit(deps, deposit)).toBe(0);
  expect((await stage.balance()).available).toBe(300n);
});

test("several payments to one reference are credited each, with what they brought", async () => {
  await using stage = await fundingStage();
  const from = await payer(stage);
  const deposit = await request(stage);
  for (const amount of [300n, 1n, 45n])
    await stage.on.land(from.owner, [payment(stage, from, amount, [deposit.reference])]);
  await stage.on.finalize();
  expect(await checkDeposit(depsOf(stage), deposit)).toBe(3);
  expect(await outcomes(stage, deposit.reference)).toEqual([
    [300, null],
    [1, null],
    [45, null],
  ]);
  expect((await stage.balance()).available).toBe(346n);
});

test("one payment that names two references is credited once", async () => {
  await using stage = await fundingStage();
  const other = await stage.account("other");
  const from = await payer(stage);
  const [mine, theirs] = [await request(stage), await request(stage, other)];
  await stage.on.land(from.owner, [payment(stage, from, 300n, [mine.reference, theirs.reference])]);
  await stage.on.finalize();
  expect(await checkDeposit(depsOf(stage), mine)).toBe(1);
  expect(await checkDeposit(depsOf(stage), theirs)).toBe(0);
  expect(await outcomes(stage, theirs.reference, other)).toEqual([[300, "credited_already"]]);
  expect((await stage.balance(other)).available).toBe(0n);
});

test("what brings the treasury nothing of the mint is told and not credited", async () => {
  await using stage = await fundingStage();
  const { on } = stage;
  const from = await payer(stage);
  const deposit = await request(stage);
  const elsewhere = await on.ata((await on.wallet(0n)).address);
  const transfer = payment(stage, from, 300n, [deposit.reference]);
  const astray = {
    ...transfer,
    accounts: transfer.accounts.map((each, at) => (at === 2 ? { ...each, address: elsewhere } : each)),
  };
  await on.land(from.owner, [astray]);
  const otherMint = await on.createMint(6);
  const [theirs, treasurys] = [await on.ata(from.owner.address, otherMint), await on.ata(stage.treasury, otherMint)];
  const wrong = getTransferCheckedInstruction({
    ...{ source: theirs, mint: otherMint, destination: treasurys, authority: from.owner, amount: 0n, decimals: 6 },
  });
  await on.land(from.owner, [
    { ...wrong, accounts: [...wrong.accounts, { address: deposit.reference as Address, role: AccountRole.READONLY }] },
  ]);
  await on.send(from.owner, [payment(stage, from, 2_000_000n, [deposit.reference])]);
  await on.finalize();
  expect(await checkDeposit(depsOf(stage), deposit)).toBe(0);
  expect(await outcomes(stage, deposit.reference)).toEqual([
    [0, "wrong_destination"],
    [0, "wrong_mint"],
    [0, "failed"],
  ]);
  expect((await stage.balance()).available).toBe(0n);
});

test("a payment that a fork took back is not credited", async () => {
  await using stage = await fundingStage();
  const from = await payer(stage);
  const deposit = await request(stage);
  const before = stage.local.snapshot();
  await stage.on.land(from.owner, [payment(stage, from, 300n, [deposit.reference])]);
  expect(await checkDeposit(depsOf(stage), deposit)).toBe(0);
  stage.local.restore(before);
  await stage.on.finalize();
  expect(await checkDeposit(depsOf(stage), deposit)).toBe(0);
  expect(await outcomes(stage, deposit.reference)).toEqual([]);
});

test("what an RPC server does not tell now is found the next time", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const from = await payer(stage);
  const deposit = await request(stage);
  for (const amount of [10n, 20n, 30n])
    await stage.on.land(from.owner, [payment(stage, from, amount, [deposit.reference])]);
  await stage.on.finalize();
  stage.server.faults.add({ method: "getSignaturesForAddress", fault: "http503", times: 20 });
  expect(await checkDeposit(deps, deposit).catch((error: unknown) => error)).toBeInstanceOf(Error);
  stage.server.faults.clear();
  // A server that knows the signature and not yet the transaction.
  let unknown = 2;
  const forgetful = {
    ...stage.chain,
    transaction: async (signature: Parameters<typeof stage.chain.transaction>[0]) =>
      unknown-- === 1 ? null : stage.chain.transaction(signature),
  };
  expect(await checkDeposit({ ...deps, chain: forgetful }, deposit)).toBe(1);
  expect(await checkDeposit(deps, deposit)).toBe(2);
  expect((await stage.balance()).available).toBe(60n);
});

test("a long history is read page by page", async () => {
  await using stage = await fundingStage();
  const from = await payer(stage);
  const deposit = await request(stage);
  stage.local.mode = "mempool";
  for (let n = 0; n < 7; n++)
    await stage.on.send(from.owner, [payment(stage, from, BigInt(n + 1), [deposit.reference])]);
  await stage.on.advance(1);
  await stage.on.finalize();
  // As a server that gives three at a time, whatever is asked for.
  const pages: number[] = [];
  const small = {
    ...stage.chain,
    async history(address: Address, page: Parameters<typeof stage.chain.history>[1] = {}) {
      const all = await stage.chain.history(address, { ...page, limit: 3 });
      pages.push(all.length);
      return all.length === 3 ? [...all, ...(await this.rest(address, { ...page, before: all[2]?.signature }))] : all;
    },
    rest: (address: Address, page: object) => stage.chain.history(address, { ...page }),
  };
  expect(await checkDeposit({ ...depsOf(stage), chain: small }, deposit)).toBe(7);
  expect((await stage.balance()).available).toBe(28n);
});

test("requests are looked at when they are due, late payments are credited, and old ones when their account asks", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const { clock } = stage;
  const from = await payer(stage);
  const deposit = await request(stage);
  expect(await checkDueDeposits(deps)).toBe(0);
  clock.advance(30 * HOUR);
  await checkDueDeposits(deps);
  await stage.on.land(from.owner, [payment(stage, from, 7n, [deposit.reference])]);
  await stage.on.finalize();
  // Not due yet: it is an old one.
  expect(await checkDueDeposits(deps)).toBe(0);
  clock.advance(3 * HOUR);
  expect(await checkDueDeposits(deps)).toBe(1);
  clock.advance(100 * 24 * HOUR);
  await checkDueDeposits(deps);
  await stage.on.land(from.owner, [payment(stage, from, 8n, [deposit.reference])]);
  await stage.on.finalize();
  clock.advance(100 * 24 * HOUR);
  expect(await checkDueDeposits(deps)).toBe(0);
  expect(await checkDeposit(deps, deposit)).toBe(1);
  expect((await stage.balance()).available).toBe(15n);
});

test("an account that spends credits cannot ask for a deposit, and nobody sees another's", async () => {
  await using stage = await fundingStage();
  const account = clientLedger(ME);
  await stage.db.writer.transact(async (_, execute) => {
    await fundFrom(execute, account, "credits");
    await post(execute, {
      ...{ kind: "grant", cause: "g", atMs: 0 },
      entries: [
        { account: SYSTEM_ACCOUNTS.grants, amount: -5n },
        { account, amount: 5n },
      ],
    });
  });
  const refused = await requestDeposit(depsOf(stage), { accountId: ME, amount: null });
  expect(refused.ok || refused.error).toEqual({ code: "other_funding", funding: "credits" });
  const other = await stage.account("other");
  const { reference } = await request(stage, other);
  expect(await depositOf(stage, ME, reference)).toBeNull();
  expect(await listDeposits(stage, other, 10)).toHaveLength(1);
});

test("a reference that strangers name hundreds of times is worked off bit by bit, and holds nobody else up", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const from = await payer(stage);
  const [spammed, honest] = [await request(stage), await request(stage)];
  stage.local.mode = "mempool";
  for (let n = 0; n < 230; n++)
    await stage.on.send(from.owner, [payment(stage, from, BigInt(n + 1), [spammed.reference])]);
  await stage.on.advance(1);
  await stage.on.send(from.owner, [payment(stage, from, 500n, [honest.reference])]);
  await stage.on.advance(1);
  await stage.on.finalize();
  stage.clock.advance(10_000);
  expect(await checkDueDeposits(deps)).toBe(101);
  // The rest is due at once.
  expect(await checkDueDeposits(deps)).toBe(100);
  // What was dealt with stays dealt with, wherever an RPC server gives out.
  let asked = 0;
  const failing = {
    ...stage.chain,
    async transaction(signature: Parameters<typeof stage.chain.transaction>[0]) {
      asked += 1;
      if (asked > 10) throw new Error("away");
      return stage.chain.transaction(signature);
    },
  };
  expect(await checkDeposit({ ...deps, chain: failing }, spammed).catch((fault) => fault.message)).toBe("away");
  expect(await checkDeposit(deps, spammed)).toBe(20);
  expect((await stage.balance()).available).toBe(500n + (230n * 231n) / 2n);
});

test("an account has a hundred requests open at most", async () => {
  await using stage = await fundingStage();
  for (let n = 0; n < 100; n++) await request(stage);
  const refused = await requestDeposit(depsOf(stage), { accountId: ME, amount: null });
  expect(refused).toEqual({ ok: false, error: { code: "too_many_deposits", most: 100 } });
  stage.clock.advance(HOUR + 1);
  await request(stage);
});
