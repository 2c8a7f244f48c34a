// Failures: what a settlement that cannot be paid is told, from the real Token program.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Address, Instruction, Prepare, TransactionFailure } from "./chain.ts";
import { failureOf } from "./failure.ts";
import { type SolanaStage, solanaStage } from "./testing/solana-stage.ts";

let on: SolanaStage;
let node: Address;
let fee: Address;
beforeAll(async () => {
  on = await solanaStage();
  node = await on.on.ata((await on.on.wallet(0n)).address);
  fee = await on.on.ata((await on.on.wallet(0n)).address);
});
afterAll(() => on[Symbol.asyncDispose]());

const client = (amount: bigint, allowed: bigint) => on.on.client({ amount, delegate: on.settlement.address, allowed });

const pay = (source: Address, amount: bigint, destination = node): Instruction =>
  on.chain.instructions.transfer({ source, destination, authority: on.settlement.address, amount });

async function failure(instructions: Instruction[], more: Partial<Prepare> = {}): Promise<TransactionFailure> {
  const prepared = await on.chain.prepare({
    ...{ feePayer: on.settlement.address, instructions, signers: [on.settlement] },
    ...more,
  });
  if (prepared.ok || prepared.error.code !== "would_fail") throw new Error("it would not fail");
  return prepared.error.failure;
}

describe("a settlement is refused before it is sent, and says which account is why", () => {
  test("when it asks for more than the allowance, in one transfer or in two", async () => {
    const { account } = await client(100n, 50n);
    expect(await failure([pay(account, 51n)])).toMatchObject({ reason: "allowance_exceeded", account, instruction: 0 });
    const both = await failure([pay(account, 44n), pay(account, 7n, fee)]);
    expect(both).toMatchObject({ reason: "allowance_exceeded", account, instruction: 1, code: 1 });
  });

  test("when the client drained the account", async () => {
    const { owner, account } = await client(100n, 50n);
    await on.on.transfer(owner, account, fee, 90n);
    expect(await failure([pay(account, 11n)])).toMatchObject({ reason: "balance_too_low", account });
  });

  test("when the client revoked the allowance, or gave it to somebody else", async () => {
    const { owner, account } = await client(100n, 50n);
    await on.on.revoke(owner, account);
    expect(await failure([pay(account, 1n)])).toMatchObject({ reason: "delegate_revoked", account, code: 4 });
    await on.on.approve(owner, account, on.on.admin.address, 50n);
    expect(await failure([pay(account, 1n)])).toMatchObject({ reason: "delegate_replaced", account });
  });

  test("one drained client among several is named", async () => {
    const [rich, poor] = [await client(100n, 100n), await client(1n, 100n)];
    const batch = [
      pay(rich.account, 10n),
      pay(rich.account, 1n, fee),
      pay(poor.account, 10n),
      pay(poor.account, 1n, fee),
    ];
    expect(await failure(batch)).toMatchObject({ reason: "balance_too_low", account: poor.account, instruction: 2 });
  });

  test("when the payee's token account is missing, or the payer's", async () => {
    const { account } = await client(100n, 50n);
    const missing = await on.on.ataOf((await on.on.wallet(0n)).address);
    expect(await failure([pay(account, 1n, missing)])).toMatchObject({ reason: "account_missing", account: missing });
    expect(await failure([pay(missing, 1n)])).toMatchObject({ reason: "account_missing", account: missing });
  });

  test("when the decimals are wrong, or the mint", async () => {
    const { account } = await client(100n, 50n);
    const right = pay(account, 1n);
    const data = new Uint8Array(right.data);
    data[9] = 9;
    expect(await failure([{ ...right, data }])).toMatchObject({ reason: "decimals_mismatch", code: 18 });
    const otherMint = await on.on.createMint(6);
    const other = await on.on.ata(on.settlement.address, otherMint);
    expect(await failure([pay(account, 1n, other)])).toMatchObject({ reason: "mint_mismatch", account: other });
  });

  test("when the account is frozen", async () => {
    const { account } = await client(100n, 50n);
    const frozen = on.local.vm.account(account);
    if (frozen === null) throw new Error("no such account");
    // A mint without a freeze authority, as the stage makes it, freezes nobody: the state is written.
    const data = new Uint8Array(frozen.data);
    data[108] = 2;
    on.local.vm.setAccount(account, { ...frozen, data });
    expect(await failure([pay(account, 1n)])).toMatchObject({ reason: "account_frozen", account, code: 17 });
  });

  test("when the fee payer has no SOL", async () => {
    const { account } = await client(100n, 50n);
    const broke = await on.signerOf(await on.on.wallet(0n));
    const more = { feePayer: broke.address, signers: [broke, on.settlement] };
    expect(await failure([pay(account, 1n)], more)).toMatchObject({ reason: "lamports_too_low", instruction: null });
  });
});

describe("a transaction that landed and failed", () => {
  test("is final, named, and has moved nothing", async () => {
    const { owner, account } = await client(100n, 50n);
    const prepared = await on.chain.prepare({
      ...{ feePayer: on.settlement.address, instructions: [pay(account, 40n)], signers: [on.settlement] },
    });
    if (!prepared.ok) throw new Error(prepared.error.code);
    await on.on.revoke(owner, account);
    expect((await on.chain.send(prepared.value.wire)).ok).toBe(true);
    on.local.finalize();
    const [status] = await on.chain.statuses([prepared.value.signature]);
    expect(status).toMatchObject({ commitment: "finalized", failure: { reason: "owner_mismatch", instruction: 2 } });
    expect((await on.chain.transaction(prepared.value.signature))?.changes).toEqual([]);
    expect(await on.on.balance(account)).toBe(100n);
  });

  test("is refused by a check before it is sent", async () => {
    const { owner, account } = await client(100n, 50n);
    const prepared = await on.chain.prepare({
      ...{ feePayer: on.settlement.address, instructions: [pay(account, 40n)], signers: [on.settlement] },
    });
    if (!prepared.ok) throw new Error(prepared.error.code);
    await on.on.revoke(owner, account);
    const sent = await on.chain.send(prepared.value.wire, { check: true });
    expect(sent).toMatchObject({
      ok: false,
      error: { code: "refused", failure: { reason: "delegate_revoked", account } },
    });
    on.local.advance(151);
    const late = await on.chain.send(prepared.value.wire, { check: true });
    expect(late).toMatchObject({ ok: false, error: { failure: { reason: "blockhash_expired" } } });
  });
});

test("an error of no known shape is `other`, with its text", () => {
  for (const error of ["NewError", { NewError: 3 }, { InstructionError: [1, "NewError"] }, null, 7, {}])
    expect(failureOf(error)).toMatchObject({ reason: "other", detail: JSON.stringify(error) });
});
