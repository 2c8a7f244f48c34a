// Prepaid chats on real programs: a payment is taken once, buys one answer, and survives a crash at any moment.
import { expect, test } from "bun:test";
import { AccountRole, type IInstruction } from "@solana/web3.js";
import { getSetComputeUnitLimitInstruction, getSetComputeUnitPriceInstruction } from "@solana-program/compute-budget";
import { getTransferSolInstruction } from "@solana-program/system";
import { getApproveCheckedInstruction } from "@solana-program/token";
import { balanceOf, clientLedger, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import type { Requirements } from "../protocol/x402.ts";
import type { Address } from "../solana/chain.ts";
import { type FundingStage, fundingStage } from "./testing/funding-stage.ts";
import { partlySigned, payloadOf, paymentInstructions } from "./testing/x402-client.ts";
import { createPrepaid, type X402Deps } from "./x402.ts";

const HASH = "aa".repeat(32);

function depsOf(stage: FundingStage, change: Partial<X402Deps> = {}): X402Deps {
  const { db, clock, log, chain, settlement: signer, treasury } = stage;
  return {
    ...{ db, clock, log, chain, signer, treasury },
    ...{ commitment: "confirmed", minimum: 100n, repeatMs: 3_600_000, ...change },
  };
}

async function payer(stage: FundingStage, amount = 10_000n) {
  const owner = await stage.on.wallet(0n);
  const source = await stage.on.ata(owner.address);
  await stage.on.mintTo(source, amount);
  return { owner, source };
}
type Payer = Awaited<ReturnType<typeof payer>>;

const lifetimeOf = async ({ on }: FundingStage) =>
  (await on.rpc.getLatestBlockhash({ commitment: "confirmed" }).send()).value;

async function payment(
  stage: FundingStage,
  from: Payer,
  wanted: Requirements,
  change: (instructions: IInstruction[]) => IInstruction[] = (same) => same,
) {
  const instructions = change(paymentInstructions(from, wanted, stage.treasuryAccount));
  return payloadOf(wanted, await partlySigned(wanted.extra.feePayer as Address, instructions, await lifetimeOf(stage)));
}

const reasonOf = (result: { ok: true } | { ok: false; error: { reason: string } }) =>
  result.ok ? "settled" : result.error.reason;

test("a payment is settled, credited to an account of its own, and buys one answer", async () => {
  await using stage = await fundingStage();
  const prepaid = createPrepaid(depsOf(stage));
  const wanted = prepaid.requirementsFor(900n);
  expect(wanted).toMatchObject({ amount: "900", network: `solana:${stage.chain.genesisHash.slice(0, 32)}` });
  const from = await payer(stage);
  const paying = await payment(stage, from, wanted);
  const lamports = (await stage.on.rpc.getBalance(from.owner.address).send()).value;
  const settled = await prepaid.settle(paying, wanted, HASH);
  if (!settled.ok) throw new Error(settled.error.reason);
  expect(settled.value).toMatchObject({ payer: from.owner.address, amount: 900n });
  expect(await stage.on.balance(stage.treasuryAccount)).toBe(900n);
  expect((await stage.on.rpc.getBalance(from.owner.address).send()).value).toBe(lamports);
  const account = clientLedger(settled.value.accountId);
  expect((await balanceOf(stage.db, account)).available).toBe(900n);
  expect((await balanceOf(stage.db, SYSTEM_ACCOUNTS.x402)).balance).toBe(-900n);
  // While it is answered, and after that, it buys nothing more.
  expect(reasonOf(await prepaid.settle(paying, wanted, HASH))).toBe("duplicate_settlement");
  await settled.value.done(true);
  expect(reasonOf(await prepaid.settle(paying, wanted, HASH))).toBe("duplicate_settlement");
  expect((await balanceOf(stage.db, account)).available).toBe(0n);
  expect((await balanceOf(stage.db, SYSTEM_ACCOUNTS.fees)).balance).toBe(900n);
});

test("a payment that was not answered is good for the same request, for a while, and for no other", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const prepaid = createPrepaid(deps);
  const wanted = prepaid.requirementsFor(900n);
  const paying = await payment(stage, await payer(stage), wanted);
  const first = await prepaid.settle(paying, wanted, HASH);
  if (!first.ok) throw new Error(first.error.reason);
  await first.value.done(false);
  expect(reasonOf(await prepaid.settle(paying, wanted, "bb".repeat(32)))).toBe("payment_for_other_request");
  // Another process, after a crash.
  const again = await createPrepaid(deps).settle(paying, wanted, HASH);
  expect(again.ok && again.value.accountId).toBe(first.value.accountId);
  expect((await balanceOf(stage.db, clientLedger(first.value.accountId))).available).toBe(900n);
  expect(await stage.on.balance(stage.treasuryAccount)).toBe(900n);
  stage.clock.advance(3_600_001);
  expect(reasonOf(await createPrepaid(deps).settle(paying, wanted, HASH))).toBe("payment_too_old");
});

test("of parallel requests with one payment, one is answered", async () => {
  await using stage = await fundingStage();
  const prepaid = createPrepaid(depsOf(stage));
  const wanted = prepaid.requirementsFor(900n);
  const paying = await payment(stage, await payer(stage), wanted);
  const results = await Promise.all(Array.from({ length: 10 }, () => prepaid.settle(paying, wanted, HASH)));
  expect(results.map(reasonOf).sort()).toEqual([...Array(9).fill("duplicate_settlement"), "settled"]);
  expect((await balanceOf(stage.db, SYSTEM_ACCOUNTS.x402)).balance).toBe(-900n);
});

test("of parallel payments of a wallet that is good for one, one is sent", async () => {
  await using stage = await fundingStage();
  const prepaid = createPrepaid(depsOf(stage));
  const wanted = prepaid.requirementsFor(900n);
  const from = await payer(stage, 1_000n);
  const payments = await Promise.all(Array.from({ length: 6 }, () => payment(stage, from, wanted)));
  const before = (await stage.on.rpc.getBalance(stage.settlement.address, { commitment: "processed" }).send()).value;
  const results = await Promise.all(payments.map((paying) => prepaid.settle(paying, wanted, HASH)));
  expect(results.map(reasonOf).sort()).toEqual(["settled", ...Array(5).fill("transaction_failed")]);
  const after = (await stage.on.rpc.getBalance(stage.settlement.address, { commitment: "processed" }).send()).value;
  // Two signatures and the least that can be bid.
  expect(before - after).toBe(10_001n);
});

test("killed after sending, the payment is credited by the next process, whether it is repeated or not", async () => {
  for (const repeats of [true, false]) {
    await using stage = await fundingStage();
    const deps = depsOf(stage);
    const wanted = createPrepaid(deps).requirementsFor(900n);
    const paying = await payment(stage, await payer(stage), wanted);
    const killed = {
      ...stage.chain,
      async send(wire: Parameters<typeof stage.chain.send>[0]) {
        await stage.chain.send(wire);
        throw new Error("killed");
      },
      statuses: () => new Promise<never>(() => {}),
    };
    void createPrepaid({ ...deps, chain: killed }).settle(paying, wanted, HASH);
    while ((await stage.on.balance(stage.treasuryAccount)) === 0n) await Bun.sleep(1);
    const next = createPrepaid(deps);
    if (repeats) expect(reasonOf(await next.settle(paying, wanted, HASH))).toBe("settled");
    else {
      await stage.on.finalize();
      await next.follow();
    }
    expect((await balanceOf(stage.db, SYSTEM_ACCOUNTS.x402)).balance).toBe(-900n);
  }
});

test("what does anything but pay is refused before it is signed", async () => {
  await using stage = await fundingStage();
  const prepaid = createPrepaid(depsOf(stage));
  const wanted = prepaid.requirementsFor(900n);
  const from = await payer(stage);
  const feePayer = wanted.extra.feePayer as Address;
  const elsewhere = await stage.on.ata((await stage.on.wallet(0n)).address);
  const reasonFor = async (change: (instructions: IInstruction[]) => IInstruction[], accepted = {}) => {
    const paying = await payment(stage, from, wanted, change);
    return reasonOf(await prepaid.settle({ ...paying, accepted: { ...wanted, ...accepted } }, wanted, HASH));
  };
  const replaced = (at: number, one: IInstruction) => (all: IInstruction[]) => all.with(at, one);
  const transferWith = (change: object) => (all: IInstruction[]) =>
    all.with(2, paymentInstructions(from, { ...wanted, ...change }, stage.treasuryAccount)[2] as IInstruction);
  const other = await payer(stage);
  const mint = stage.on.mint;
  const approve = getApproveCheckedInstruction({
    ...{ source: from.source, mint, delegate: feePayer, owner: from.owner, amount: 5n, decimals: 6 },
  });
  const steal = getTransferSolInstruction({
    source: { address: feePayer } as never,
    destination: from.owner.address,
    amount: 1n,
  });
  const cases: [string, string | Promise<string>][] = [
    ["invalid_exact_svm_payload_amount_insufficient", reasonFor(transferWith({ amount: "899" }))],
    [
      "invalid_exact_svm_payload_recipient_mismatch",
      reasonFor((all) => all.with(2, paymentInstructions(from, wanted, elsewhere)[2] as IInstruction)),
    ],
    [
      "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction_too_high",
      reasonFor(replaced(1, getSetComputeUnitPriceInstruction({ microLamports: 50_001n }))),
    ],
    [
      "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction",
      reasonFor(replaced(0, getSetComputeUnitLimitInstruction({ units: 200_001 }))),
    ],
    ["invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction", reasonFor((all) => all.slice(1))],
    ["invalid_exact_svm_payload_transaction_instructions_length", reasonFor((all) => all.slice(0, 2))],
    ["invalid_exact_svm_payload_transaction_instructions_length", reasonFor((all) => [...all, ...all])],
    [
      "invalid_exact_svm_payload_transaction_fee_payer_included_in_instruction_accounts",
      reasonFor((all) => [
        ...all,
        { ...steal, accounts: steal.accounts.map(({ address, role }) => ({ address, role })) },
      ]),
    ],
    [
      "invalid_exact_svm_payload_transaction_fee_payer_included_in_instruction_accounts",
      reasonFor((all) => [...all, approve]),
    ],
    [
      "invalid_exact_svm_payload_no_transfer_instruction",
      reasonFor((all) =>
        all.with(2, {
          ...(all[2] as IInstruction),
          accounts: [...(all[2]?.accounts ?? []), { address: elsewhere, role: AccountRole.READONLY }],
        }),
      ),
    ],
    [
      "invalid_exact_svm_payload_unknown_instruction",
      reasonFor((all) => [...all, paymentInstructions(other, wanted, elsewhere)[2] as IInstruction]),
    ],
    ["unsupported_scheme", reasonFor((all) => all, { scheme: "upto" })],
    ["invalid_network", reasonFor((all) => all, { network: "solana:other" })],
  ];
  for (const [reason, found] of cases) expect(await found).toBe(reason);
  expect(await stage.db.query("select count(*) from x402_payments")).toEqual([[0]]);
});

test("bytes that are no payment, that nobody signed or that pay no fee are refused", async () => {
  await using stage = await fundingStage();
  const prepaid = createPrepaid(depsOf(stage));
  const wanted = prepaid.requirementsFor(900n);
  const from = await payer(stage);
  const settle = async (transaction: string) =>
    reasonOf(await prepaid.settle(payloadOf(wanted, transaction), wanted, HASH));
  expect(await settle("AAAA")).toBe("invalid_payload");
  expect(await settle("not base64 at all")).toBe("invalid_payload");
  const good = (await payment(stage, from, wanted)).payload.transaction;
  const bytes = Buffer.from(good, "base64");
  // The payer's signature is the second of two.
  bytes.writeUInt8(bytes.readUInt8(70) ^ 1, 70);
  expect(await settle(bytes.toString("base64"))).toBe("invalid_exact_svm_payload_signers");
  const instructions = paymentInstructions(from, wanted, stage.treasuryAccount);
  const own = await partlySigned(from.owner.address, instructions, await lifetimeOf(stage));
  expect(await settle(own)).toBe("fee_payer_not_managed_by_facilitator");
});

test("what would fail is not sent, and costs this coordinator nothing", async () => {
  await using stage = await fundingStage();
  const prepaid = createPrepaid(depsOf(stage));
  const wanted = prepaid.requirementsFor(900n);
  const poor = await payer(stage, 10n);
  const before = (await stage.on.rpc.getBalance(stage.settlement.address).send()).value;
  expect(reasonOf(await prepaid.settle(await payment(stage, poor, wanted), wanted, HASH))).toBe("transaction_failed");
  const late = await payment(stage, await payer(stage), wanted);
  await stage.on.advance(200);
  expect(reasonOf(await prepaid.settle(late, wanted, HASH))).toBe("transaction_expired");
  expect((await stage.on.rpc.getBalance(stage.settlement.address).send()).value).toBe(before);
});

test("a payment that never lands expires, one that lands late is credited", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const prepaid = createPrepaid(deps);
  const wanted = prepaid.requirementsFor(900n);
  stage.local.mode = "mempool";
  const wait = async (settling: Promise<unknown>) => {
    let over = false;
    void settling.then(() => (over = true));
    while (!over) {
      stage.clock.advance(1_000);
      await Bun.sleep(1);
    }
  };
  const slow = payment(stage, await payerIn(stage), wanted);
  const settling = prepaid.settle(await slow, wanted, HASH);
  await wait(settling);
  expect(reasonOf(await settling)).toBe("settlement_pending");
  await stage.on.advance(1);
  await stage.on.finalize();
  await prepaid.follow();
  expect((await balanceOf(stage.db, SYSTEM_ACCOUNTS.x402)).balance).toBe(-900n);
  expect(reasonOf(await prepaid.settle(await slow, wanted, HASH))).toBe("settled");
  const lost = await payment(stage, await payerIn(stage), wanted);
  stage.server.faults.choose = (method) => (method === "sendTransaction" ? "drop" : undefined);
  const dropping = prepaid.settle(lost, wanted, HASH);
  await wait(dropping);
  await stage.on.advance(400);
  await prepaid.follow();
  expect(reasonOf(await prepaid.settle(lost, wanted, HASH))).toBe("transaction_expired");
});

/** The stage's own transactions want blocks of their own. */
async function payerIn(stage: FundingStage): Promise<Payer> {
  stage.local.mode = "instant";
  const made = await payer(stage);
  stage.local.mode = "mempool";
  return made;
}

test("a payment that a server far behind did not know is credited when it is asked for again", async () => {
  await using stage = await fundingStage();
  const deps = depsOf(stage);
  const prepaid = createPrepaid(deps);
  const wanted = prepaid.requirementsFor(900n);
  const paying = await payment(stage, await payer(stage), wanted);
  // Sent, and then the process is gone.
  const statuses = async () => [null];
  const after = (): never => {
    throw new Error("killed");
  };
  const dying = createPrepaid({ ...deps, clock: { ...stage.clock, after }, chain: { ...stage.chain, statuses } });
  expect(await dying.settle(paying, wanted, HASH).catch((fault) => fault.message)).toBe("killed");
  expect(await stage.on.balance(stage.treasuryAccount)).toBe(900n);
  await stage.on.advance(400);
  const behind = { ...stage.chain, statuses, transaction: async () => null };
  await createPrepaid({ ...deps, chain: behind }).follow();
  expect(await stage.db.query("select state from x402_payments")).toEqual([["expired"]]);
  expect((await balanceOf(stage.db, SYSTEM_ACCOUNTS.x402)).balance).toBe(0n);
  expect(reasonOf(await prepaid.settle(paying, wanted, HASH))).toBe("settled");
  expect((await balanceOf(stage.db, SYSTEM_ACCOUNTS.x402)).balance).toBe(-900n);
});

test("a fork that takes a payment back takes back what is left of its credit", async () => {
  await using stage = await fundingStage();
  const prepaid = createPrepaid(depsOf(stage));
  const wanted = prepaid.requirementsFor(900n);
  const paying = await payment(stage, await payer(stage), wanted);
  const before = stage.local.snapshot();
  const settled = await prepaid.settle(paying, wanted, HASH);
  if (!settled.ok) throw new Error(settled.error.reason);
  await settled.value.done(false);
  stage.local.restore(before);
  // Its blockhash may be of the other fork: it is sent again in vain until it is too old.
  stage.server.faults.choose = (method) => (method === "sendTransaction" ? "drop" : undefined);
  await prepaid.follow();
  expect((await balanceOf(stage.db, clientLedger(settled.value.accountId))).available).toBe(900n);
  await stage.on.advance(400);
  await prepaid.follow();
  expect((await balanceOf(stage.db, clientLedger(settled.value.accountId))).available).toBe(0n);
  expect((await balanceOf(stage.db, SYSTEM_ACCOUNTS.x402)).balance).toBe(0n);
  expect(reasonOf(await prepaid.settle(paying, wanted, HASH))).toBe("transaction_expired");
});
