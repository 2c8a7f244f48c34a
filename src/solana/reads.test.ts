// Reads: what is final, what is not yet, and what never was; deposits found by their reference key.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Address } from "./chain.ts";
import { type SolanaStage, solanaStage } from "./testing/solana-stage.ts";

let on: SolanaStage;
beforeEach(async () => {
  on = await solanaStage();
});
afterEach(() => on[Symbol.asyncDispose]());

const newAddress = async (): Promise<Address> => (await on.on.wallet(0n)).address;

describe("a token account", () => {
  test("shows owner, amount and allowance once they are final, not before", async () => {
    const { owner, account } = await on.on.client({
      ...{ amount: 9_007_199_254_740_993n, delegate: on.settlement.address, allowed: 18_446_744_073_709_551_615n },
    });
    expect((await on.chain.finalized([account])).get(account)).toBeNull();
    on.local.finalize();
    const token = (await on.chain.finalized([account])).get(account)?.token;
    expect(token).toEqual({
      ...{ mint: on.on.mint, owner: owner.address, amount: 9_007_199_254_740_993n, frozen: false },
      ...{ delegate: on.settlement.address, delegatedAmount: 18_446_744_073_709_551_615n },
    });
    await on.on.revoke(owner, account);
    expect((await on.chain.finalized([account])).get(account)?.token?.delegate).toBe(on.settlement.address);
    on.local.finalize();
    expect((await on.chain.finalized([account])).get(account)?.token).toMatchObject({
      delegate: null,
      delegatedAmount: 0n,
    });
  });

  test("the associated one is found by its owner alone", async () => {
    const owner = await newAddress();
    const account = await on.chain.tokenAccountOf(owner);
    expect(account).toBe(await on.on.ataOf(owner));
    await on.land([await on.chain.instructions.createTokenAccount({ payer: on.settlement.address, owner })]);
    await on.land([await on.chain.instructions.createTokenAccount({ payer: on.settlement.address, owner })]);
    expect((await on.chain.finalized([account])).get(account)?.token).toMatchObject({ owner, amount: 0n });
  });

  test("one for an allowance is opened, approved, revoked and closed by its owner", async () => {
    const owner = await on.on.wallet(0n);
    const [ownerKey, account] = [await on.signerOf(owner), await on.signerOf(await on.on.wallet(0n))];
    const { instructions } = on.chain;
    const lamports = await on.chain.rentExempt(165);
    const payer = on.settlement.address;
    await on.land(
      [
        ...instructions.openTokenAccount({ payer, account: account.address, owner: owner.address, lamports }),
        instructions.approve({ source: account.address, owner: owner.address, delegate: payer, amount: 5n }),
      ],
      { signers: [ownerKey, account] },
    );
    const read = async () => (await on.chain.finalized([account.address])).get(account.address);
    expect((await read())?.token).toMatchObject({ owner: owner.address, delegate: payer, delegatedAmount: 5n });
    await on.land(
      [
        instructions.revoke({ source: account.address, owner: owner.address }),
        instructions.closeTokenAccount({ ...{ account: account.address, owner: owner.address, destination: payer } }),
      ],
      { signers: [ownerKey] },
    );
    expect(await read()).toBeNull();
  });
});

describe("finalized state", () => {
  test("carries a clock that is not ahead of it, for any number of accounts", async () => {
    const addresses = await Promise.all(Array.from({ length: 230 }, newAddress));
    const [first, last] = [addresses[0], addresses.at(-1)];
    if (first === undefined || last === undefined) throw new Error("no addresses");
    for (const address of [first, last]) on.local.airdrop(address, 1_000_000n);
    on.local.finalize();
    const state = await on.chain.finalized([...addresses, first]);
    expect(state.accounts.size).toBe(230);
    expect([state.get(first)?.lamports, state.get(last)?.lamports]).toEqual([1_000_000n, 1_000_000n]);
    expect([...state.accounts.values()].filter((account) => account === null)).toHaveLength(228);
    expect(state.stateSlot).toBeGreaterThanOrEqual(state.slot);
    expect(state.slot - state.blockHeight).toBe(100n);
    expect(() => state.get(on.chain.mint)).toThrow("was not asked for");
  });
});

test("what lands between the clock and the state is seen, never taken for expired", async () => {
  const { instructions } = on.chain;
  const base = on.settlement.address;
  const marker = await on.chain.markerAddress(base, "seed");
  const prepared = await on.chain.prepare({
    ...{ feePayer: base, signers: [on.settlement] },
    instructions: [await instructions.createMarker({ payer: base, base, seed: "seed", lamports: 890_880n })],
  });
  if (!prepared.ok) throw new Error(prepared.error.code);
  const { wire, lastValidBlockHeight } = prepared.value;
  let calls = 0;
  for (const { faults } of on.servers)
    faults.choose = () => {
      calls += 1;
      if (calls !== 2) return undefined;
      on.local.submit(new Uint8Array(Buffer.from(wire, "base64")));
      on.local.advance(200);
      return undefined;
    };
  const state = await on.chain.finalized([marker]);
  expect(calls).toBe(2);
  expect(on.local.bank("finalized").height).toBeGreaterThan(lastValidBlockHeight);
  expect({ there: state.get(marker) !== null, expired: state.blockHeight > lastValidBlockHeight }).toEqual({
    ...{ there: true, expired: false },
  });
});

describe("a deposit", () => {
  test("is found by its reference, with what came in, its memo and who paid; a failed one moved nothing", async () => {
    const treasury = await on.on.ata(await newAddress());
    const reference = await newAddress();
    const payer = await on.on.wallet(1n);
    const source = await on.on.ata(payer.address);
    await on.on.mintTo(source, 1_000n);
    const { instructions } = on.chain;
    const pay = (amount: bigint) => [
      instructions.transfer({
        source,
        destination: treasury,
        authority: payer.address,
        amount,
        references: [reference],
      }),
      instructions.memo("deposit"),
    ];
    const signers = [await on.signerOf(payer)];
    const { signature } = await on.land(pay(600n), { signers });
    const lifetime = await on.chain.lifetime();
    const failing = await on.chain.compose({
      ...{ feePayer: on.settlement.address, instructions: pay(601n), signers: [on.settlement, ...signers], lifetime },
    });
    if (!failing.ok) throw new Error(failing.error.code);
    await on.chain.send(failing.value.wire);
    expect(await on.chain.history(reference)).toHaveLength(1);
    on.local.finalize();

    const [newest, oldest] = await on.chain.history(reference);
    expect(newest).toMatchObject({ signature: failing.value.signature, failed: true });
    expect(oldest).toMatchObject({ signature, failed: false, memo: "[7] deposit" });
    expect(await on.chain.history(reference, { before: newest?.signature ?? signature })).toEqual([oldest as never]);
    expect(await on.chain.history(reference, { until: signature, limit: 5 })).toEqual([newest as never]);

    const landed = await on.chain.transaction(signature);
    expect(landed?.memos).toEqual(["deposit"]);
    expect(landed?.accounts).toContain(reference);
    expect(landed?.changes.toSorted((a, b) => Number(a.amount - b.amount))).toEqual([
      { account: source, owner: payer.address, amount: -600n },
      { account: treasury, owner: expect.any(String), amount: 600n },
    ]);
    const failed = await on.chain.transaction(failing.value.signature ?? signature);
    expect(failed).toMatchObject({ changes: [], failure: { reason: "insufficient_funds", instruction: 0 } });
  });

  test("in a token of another mint is no change of this one's", async () => {
    const [otherMint, destination] = [await on.on.createMint(6), await newAddress()];
    const account = await on.on.ata(destination, otherMint);
    on.local.finalize();
    const [made] = await on.chain.history(account);
    if (made === undefined) throw new Error("not in the history");
    expect((await on.chain.transaction(made.signature))?.changes).toEqual([]);
  });
});

describe("a signature's status", () => {
  test("goes from confirmed to finalized, and is unknown after a fork", async () => {
    const instructions = [on.chain.instructions.memo("once")];
    const feePayer = on.settlement.address;
    const prepared = await on.chain.prepare({ feePayer, instructions, signers: [on.settlement] });
    if (!prepared.ok) throw new Error(prepared.error.code);
    const { wire, signature } = prepared.value;
    const before = on.local.snapshot();
    await on.chain.send(wire);
    expect(await on.chain.statuses([signature])).toMatchObject([{ commitment: "confirmed", failure: null }]);
    expect(await on.chain.transaction(signature)).toBeNull();
    on.local.restore(before);
    expect(await on.chain.statuses([signature])).toEqual([null]);
    await on.chain.send(wire);
    on.local.finalize();
    expect(await on.chain.statuses([signature])).toMatchObject([{ commitment: "finalized", failure: null }]);
    on.local.advance(5_000);
    expect(await on.chain.statuses([signature, signature])).toHaveLength(2);
    expect((await on.chain.statuses([signature]))[0]?.commitment).toBe("finalized");
  });
});
