// Stakes with the compiled file on real programs: a node without its stake has no work, and two of three move it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Base64EncodedWireTransaction,
  getBase58Decoder,
  getBase64EncodedWireTransaction,
  getBase64Encoder,
  getTransactionDecoder,
  type KeyPairSigner,
  partiallySignTransaction,
  signBytes,
} from "@solana/web3.js";
import { SYSTEM_ACCOUNTS } from "../src/ledger/ledger.ts";
import { commandJson } from "./harness/instance.ts";
import { faultsOf } from "./harness/money.ts";
import { type Json, MODEL, openPaidWorld, type PaidWorld, waitOnChain } from "./harness/paid-world.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

type Address = Awaited<ReturnType<PaidWorld["on"]["ata"]>>;
const chat = { model: MODEL, messages: [{ role: "user", content: "Hello?" }], max_tokens: 2 };

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const stake = (world: PaidWorld, ...args: string[]): Promise<Json> =>
  commandJson<Json>(stage.executable, world.coordinator.dataDirectory, ["stake", ...args]);

/** A wallet's part of a transaction. */
async function signed(owner: KeyPairSigner, transaction: string): Promise<Base64EncodedWireTransaction> {
  const read = getTransactionDecoder().decode(getBase64Encoder().encode(transaction));
  return getBase64EncodedWireTransaction(await partiallySignTransaction([owner.keyPair], read));
}

async function wallet({ on }: PaidWorld, amount: bigint): Promise<KeyPairSigner> {
  const owner = await on.wallet();
  const main = await on.ata(owner.address);
  await on.mintTo(main, amount);
  await on.finalize();
  return owner;
}

const statusOfChat = async ({ ask }: PaidWorld) =>
  (await ask("/v1/chat/completions", { method: "POST", body: chat })).status;

describe("a pledge", () => {
  test("brings a node into routing, its revocation takes it out, and it can be slashed", async () => {
    const world = await openPaidWorld(stage, "[stake]\nminimum = 1000000\n");
    const { on } = world;
    const deposit = await world.ask("/api/v1/funding/deposits", { method: "POST", body: {} });
    expect(deposit.status).toBe(201);
    await world.books.grant(1_000_000);
    expect((await stake(world, "status")).minimum_micro_usd).toBe(1_000_000);
    const waiting = await Promise.race([statusOfChat(world), Bun.sleep(300).then(() => "waits")]);
    expect([404, 429, 503, "waits"]).toContain(waiting);
    const owner = await wallet(world, 5_000_000n);
    const opening = await stake(world, "open", "pledge", owner.address, "3");
    expect(opening.missing).toEqual([owner.address]);
    await stake(world, "submit", await signed(owner, opening.transaction));
    await on.finalize();
    const { nodes } = await commandJson<Json>(stage.executable, world.coordinator.dataDirectory, ["nodes", "list"]);
    const [{ pubkey }] = nodes;
    const account = ["--wallet", owner.address, "--account", opening.token_account];
    const { text, issued_ms } = await stake(world, "proof", pubkey, ...account);
    const signature = await signBytes(owner.keyPair.privateKey, new TextEncoder().encode(text));
    const proof = ["--issued", `${issued_ms}`, "--signature", getBase58Decoder().decode(signature)];
    expect((await stake(world, "register", pubkey, ...account, ...proof)).amount_micro_usd).toBe(3_000_000);
    await waitFor("the node to have work", async () => (await statusOfChat(world)) === 200);
    await stake(world, "slash", pubkey, "0.5", "--reason", "forged answers");
    await waitOnChain(world, "the slash to be in the books", async () => {
      const { balance } = await world.books.sum(SYSTEM_ACCOUNTS.slashed);
      return balance === 500_000;
    });
    expect(await on.balance(world.treasuryAccount)).toBe(500_000n);
    await on.revoke(owner, opening.token_account as Address);
    await waitOnChain(world, "the revocation to be seen", async () => {
      const [row] = (await stake(world, "status")).stakes;
      return row.unspendable === "revoked";
    });
    expect(faultsOf(await world.books.check())).toEqual([]);
  });
});

describe("an enforceable stake", () => {
  test("is opened by the wallet, slashed with the arbiter, released with the node", async () => {
    const arbiter = Promise.withResolvers<KeyPairSigner>();
    const world = await openPaidWorld(stage, async (chain) => {
      const third = await chain.wallet();
      arbiter.resolve(third);
      return `[stake]\narbiter = "${third.address}"\n`;
    });
    const { on } = world;
    const owner = await wallet(world, 5_000_000n);
    const opening = await stake(world, "open", "multisig", owner.address);
    await stake(world, "submit", await signed(owner, opening.transaction));
    await on.finalize();
    const { nodes } = await commandJson<Json>(stage.executable, world.coordinator.dataDirectory, ["nodes", "list"]);
    const [{ pubkey }] = nodes;
    const account = ["--wallet", owner.address, "--account", opening.token_account, "--multisig", opening.multisig];
    await stake(world, "register", pubkey, ...account);
    const more = await stake(world, "deposit", pubkey, "2");
    await stake(world, "submit", await signed(owner, more.transaction));
    const held = () => on.balance(opening.token_account as Address);
    expect(await held()).toBe(2_000_000n);
    const slash = await stake(world, "slash", pubkey, "0.5", "--reason", "forged answers");
    const alone = await stage.run(world.coordinator, ["stake", "submit", slash.transaction]);
    expect([alone.code === 0, alone.stderr.includes("signatures are missing")]).toEqual([false, true]);
    await stake(world, "submit", await signed(await arbiter.promise, slash.transaction));
    const release = await stake(world, "release", pubkey, "1", "--reason", "it leaves");
    await stake(world, "submit", await signed(owner, release.transaction));
    expect(await held()).toBe(500_000n);
    await waitOnChain(world, "the slash to be in the books", async () => {
      const { balance } = await world.books.sum(SYSTEM_ACCOUNTS.slashed);
      return balance === 500_000;
    });
    expect(faultsOf(await world.books.check())).toEqual([]);
  });
});
