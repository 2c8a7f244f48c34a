// Transactions on the real programs: sizes, lookup tables, markers, multisigs, partial signatures, and bytes of strangers.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Address, Instruction, LookupTable, Signer, Wire } from "./chain.ts";
import { solanaSigner } from "./signer.ts";
import { type SolanaStage, solanaStage } from "./testing/solana-stage.ts";

let on: SolanaStage;
let authority: Address;
beforeAll(async () => {
  on = await solanaStage();
  authority = on.settlement.address;
});
afterAll(() => on[Symbol.asyncDispose]());

const MARKER_SEED = "0123456789abcdef0123456789abcdef";
const MEMO = `infernet:1:${MARKER_SEED}:${"ab".repeat(32)}`;

const transfer = (source: Address, destination: Address, amount: bigint) =>
  on.chain.instructions.transfer({ source, destination, authority, amount });

async function newSigner(sol = 0n): Promise<Signer> {
  return on.signerOf(await on.on.wallet(sol));
}
async function lookupTable(addresses: readonly Address[]): Promise<LookupTable> {
  const { slot } = await on.chain.finalized([]);
  const { instructions } = on.chain;
  const made = await instructions.createLookupTable({ payer: authority, authority, recentSlot: slot });
  await on.land([made.instruction]);
  for (let from = 0; from < addresses.length; from += 20)
    await on.land([
      instructions.extendLookupTable({
        ...{ table: made.address, payer: authority, authority, addresses: addresses.slice(from, from + 20) },
      }),
    ]);
  const table = await on.chain.lookupTable(made.address);
  if (table === null) throw new Error("no such table");
  return table;
}

describe("a batch of transfers out of an allowance", () => {
  const nodes: Address[] = [];
  let client: Address;
  let tables: LookupTable[];
  beforeAll(async () => {
    for (let count = 0; count < 48; count += 1) nodes.push(await on.on.ata((await on.on.wallet(0n)).address));
    client = (await on.on.client({ amount: 1_000_000n, delegate: authority, allowed: 1_000_000n })).account;
    tables = [await lookupTable([on.on.mint, client, ...nodes])];
  });

  /** The most transfers that fit beside `rest`; they are paid. */
  async function most(rest: readonly Instruction[], lookupTables: readonly LookupTable[]): Promise<number> {
    for (let count = nodes.length; count > 0; count -= 1) {
      const batch = nodes.slice(0, count).map((node) => transfer(client, node, 100n));
      const instructions = [...rest, ...batch];
      const what = { feePayer: authority, instructions, signers: [on.settlement], lookupTables };
      const prepared = await on.chain.prepare(what);
      if (!prepared.ok && prepared.error.code === "too_large") continue;
      const before = await on.on.balance(client);
      await on.land(instructions, { lookupTables });
      expect(before - (await on.on.balance(client))).toBe(100n * BigInt(count));
      return count;
    }
    return 0;
  }

  test("17 fit beside a memo of 80 bytes, and 47 with a lookup table", async () => {
    const rest = [on.chain.instructions.memo("m".repeat(80))];
    expect([await most(rest, []), await most(rest, tables)]).toEqual([17, 47]);
  });

  test("12 fit beside a payout's own memo and marker, and 35 with a lookup table", async () => {
    const payout = async (seed: string) => [
      await on.chain.instructions.createMarker({ payer: authority, base: authority, seed, lamports: 890_880n }),
      on.chain.instructions.memo(MEMO),
    ];
    expect([await most(await payout("a".repeat(32)), []), await most(await payout("b".repeat(32)), tables)]).toEqual([
      12, 35,
    ]);
  });
});

describe("a lookup table", () => {
  test("is made, used from the slot after, deactivated, and closed when nothing can use it any more", async () => {
    const [source, node] = [
      (await on.on.client({ amount: 10n, delegate: authority, allowed: 10n })).account,
      await on.on.ata((await newSigner()).address),
    ];
    const table = await lookupTable([on.on.mint, source, node]);
    await on.land([transfer(source, node, 1n)], { lookupTables: [table] });
    expect(await on.on.balance(node)).toBe(1n);
    const { instructions } = on.chain;
    await on.land([instructions.deactivateLookupTable({ table: table.address, authority })]);
    const off = await on.chain.lookupTable(table.address);
    expect(off).toMatchObject({ authority, addresses: table.addresses });
    expect(off?.deactivationSlot).toBeGreaterThan(0n);
    const close = instructions.closeLookupTable({ table: table.address, authority, destination: authority });
    const early = await on.chain.prepare({ feePayer: authority, instructions: [close], signers: [on.settlement] });
    expect(early).toMatchObject({ ok: false, error: { code: "would_fail" } });
    on.local.advance(513);
    await on.land([close]);
    expect(await on.chain.lookupTable(table.address)).toBeNull();
  });
});

describe("a payout's marker", () => {
  test("lets one transaction in, whatever its blockhash and signature, and gives its rent back", async () => {
    const node = await on.on.ata((await newSigner()).address);
    const { account } = await on.on.client({ amount: 100n, delegate: authority, allowed: 100n });
    const lamports = await on.chain.rentExempt(0);
    expect(lamports).toBe(890_880n);
    const { instructions } = on.chain;
    const marker = { base: authority, seed: MARKER_SEED, lamports };
    const payout = async () => [
      await instructions.createMarker({ ...marker, payer: authority }),
      transfer(account, node, 88n),
      instructions.memo(MEMO),
    ];
    await on.land(await payout());
    const address = await on.chain.markerAddress(authority, MARKER_SEED);
    expect((await on.chain.finalized([address])).get(address)).toMatchObject({ lamports, token: null });
    on.local.advance(200);
    const again = await on.chain.prepare({
      feePayer: authority,
      instructions: await payout(),
      signers: [on.settlement],
    });
    expect(again).toMatchObject({ error: { failure: { reason: "account_exists", instruction: 0 } } });
    expect(await on.on.balance(node)).toBe(88n);
    await on.land([await instructions.reclaimMarker({ ...marker, destination: authority })]);
    expect((await on.chain.finalized([address])).get(address)).toBeNull();
  });
});

describe("a multisig", () => {
  test("is read back, and pays with two of three: neither the node nor the coordinator alone", async () => {
    const [node, arbiter, account] = [await newSigner(), await newSigner(), await newSigner()];
    const { instructions } = on.chain;
    const signers = [node.address, authority, arbiter.address];
    const lamports = await on.chain.rentExempt(355);
    const what = { payer: authority, account: account.address, required: 2, signers, lamports };
    await on.land(instructions.createMultisig(what), { signers: [account] });
    expect(await on.chain.multisig(account.address)).toEqual({ required: 2, signers });
    await on.land([await instructions.createTokenAccount({ payer: authority, owner: account.address })]);
    const stake = await on.chain.tokenAccountOf(account.address);
    await on.on.mintTo(stake, 100n);
    const treasury = await on.on.ata(authority);
    const slash = (by: Address[]) =>
      instructions.transfer({
        ...{ source: stake, destination: treasury, authority: account.address, amount: 30n, multisigSigners: by },
      });
    const alone = await on.chain.prepare({
      ...{ feePayer: authority, instructions: [slash([authority])], signers: [on.settlement] },
    });
    expect(alone).toMatchObject({ error: { failure: { reason: "signature_missing" } } });
    await on.land([slash([authority, arbiter.address])], { signers: [arbiter] });
    expect(await on.on.balance(stake)).toBe(70n);
  });
});

describe("bids", () => {
  const instructions = () => [on.chain.instructions.memo("bid")];
  const bid = async (recent: bigint[]) => {
    on.local.recentPriorityFees = recent;
    const prepared = await on.chain.prepare({
      ...{ feePayer: authority, instructions: instructions(), signers: [on.settlement] },
    });
    if (!prepared.ok) throw new Error(prepared.error.code);
    return prepared.value;
  };
  test("the configured percentile of what the last blocks paid, and never more than the cap", async () => {
    const { budget, fee } = await bid([100n, 0n, 200n, 300n]);
    expect(budget.microLamports).toBe(300n);
    expect(budget.units).toBeLessThan(200_000);
    expect(fee).toBe(5_000n + (BigInt(budget.units) * 300n + 999_999n) / 1_000_000n);
    const dear = await bid([10n ** 12n]);
    expect(dear.fee).toBeLessThanOrEqual(5_000n + 100_000n);
    expect(dear.fee).toBeGreaterThan(5_000n + 99_000n);
    expect((await bid([])).budget.microLamports).toBe(0n);
  });

  test("what is paid is what was said", async () => {
    on.local.recentPriorityFees = [5_000n];
    const { signature, fee } = await on.land([on.chain.instructions.memo("paid")]);
    expect((await on.chain.transaction(signature))?.fee).toBe(fee);
    on.local.recentPriorityFees = [0n];
  });
});

describe("a transaction of a stranger", () => {
  const chargeOf = async (payer: Signer, source: Address, destination: Address, signers: Signer[]) => {
    const { instructions } = on.chain;
    const composed = await on.chain.compose({
      feePayer: authority,
      instructions: [
        instructions.transfer({ source, destination, authority: payer.address, amount: 1_000n }),
        instructions.memo("inf_job"),
      ],
      signers,
      lifetime: await on.chain.lifetime(),
      budget: { units: 30_000, microLamports: 1n },
    });
    if (!composed.ok) throw new Error(composed.error.code);
    return composed.value;
  };
  const payment = async () => {
    const owner = await on.on.wallet(0n);
    const source = await on.on.ata(owner.address);
    await on.on.mintTo(source, 5_000n);
    const payer = await on.signerOf(owner);
    return { payer, source, destination: await on.on.ata((await newSigner()).address) };
  };

  test("is read, found to lack the fee payer's signature, cosigned and settled", async () => {
    const { payer, source, destination } = await payment();
    const partial = await chargeOf(payer, source, destination, [payer]);
    expect(partial).toMatchObject({ signature: null, complete: false });
    const read = await on.chain.decode(partial.wire);
    if (read?.instructions == null) throw new Error("not readable");
    expect(read).toMatchObject({ version: 0, feePayer: authority, lookupTables: [], signature: null });
    expect([...read.signers]).toEqual([
      [authority, "missing"],
      [payer.address, "signed"],
    ]);
    const { mint } = on.chain;
    expect(read.instructions.map(on.chain.instructions.read)).toEqual([
      { kind: "unit_limit", units: 30_000 },
      { kind: "unit_price", microLamports: 1n },
      {
        ...{ kind: "transfer", source, mint, destination, authority: payer.address, amount: 1_000n, decimals: 6 },
        more: [],
      },
      { kind: "memo", text: "inf_job", signers: [] },
    ]);
    const full = await on.chain.cosign(partial.wire, on.settlement);
    expect(full.complete).toBe(true);
    expect(await on.chain.send(full.wire, { check: true })).toEqual({ ok: true, value: full.signature as never });
    on.local.finalize();
    expect((await on.chain.transaction(full.signature as never))?.changes).toContainEqual(
      expect.objectContaining({ account: destination, amount: 1_000n }),
    );
  });

  test("with a forged signature is told from one that is signed, and refused by the chain", async () => {
    const { payer, source, destination } = await payment();
    const { wire } = await chargeOf(payer, source, destination, [payer, on.settlement]);
    const bytes = Buffer.from(wire, "base64");
    // The count, the fee payer's 64 bytes, then the payer's signature.
    bytes[1 + 64 + 3] = (bytes[1 + 64 + 3] ?? 0) ^ 1;
    const forged = bytes.toString("base64") as Wire;
    expect((await on.chain.decode(forged))?.signers.get(payer.address)).toBe("invalid");
    expect((await on.chain.send(forged)).ok).toBe(true);
    on.local.finalize();
    expect(await on.on.balance(destination)).toBe(0n);
  });

  test("is not cosigned by a key that it does not name", async () => {
    const { payer, source, destination } = await payment();
    const { wire } = await chargeOf(payer, source, destination, [payer]);
    const stranger = await solanaSigner(new Uint8Array(32).fill(9));
    expect(String(await on.chain.cosign(wire, stranger).catch((fault) => fault))).toContain("does not ask");
  });

  test("that is none, or was changed anywhere, never passes for a signed one", async () => {
    const { payer, source, destination } = await payment();
    const { wire } = await chargeOf(payer, source, destination, [payer, on.settlement]);
    const bytes = new Uint8Array(Buffer.from(wire, "base64"));
    const isSigned = async (candidate: Uint8Array) => {
      const read = await on.chain.decode(Buffer.from(candidate).toString("base64"));
      return read !== null && [...read.signers.values()].every((state) => state === "signed");
    };
    expect(await isSigned(bytes)).toBe(true);
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 0x10 : byte));
      expect(await isSigned(changed)).toBe(false);
    }
    expect(await isSigned(new Uint8Array([...bytes, 0]))).toBe(false);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 1300 }), async (random) => !(await isSigned(random))),
      { numRuns: 200 },
    );
    for (const text of ["", "!", "AAAA", "A".repeat(5_000)]) expect(await on.chain.decode(text)).toBeNull();
  });
});

test("instructions that this house does not write read as `other`, cut short or not", () => {
  const { read, memo } = on.chain.instructions;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(5), (data, accounts) => {
      const known = [transfer(authority, authority, 1n), memo("x")].map(({ program }) => program);
      for (const program of [...known, authority, "11111111111111111111111111111111" as Address]) {
        const instruction: Instruction = {
          ...{ program, data },
          accounts: Array.from({ length: accounts }, () => ({ address: authority, signer: false, writable: false })),
        };
        expect(["other", "memo", "transfer", "create_marker"]).toContain(read(instruction).kind);
      }
    }),
  );
});
