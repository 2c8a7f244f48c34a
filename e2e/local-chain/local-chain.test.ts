// The local chain as a stock web3.js client sees it: what it must do as a cluster does.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  appendTransactionMessageInstructions,
  type Base64EncodedWireTransaction,
  type Blockhash,
  createTransactionMessage,
  generateKeyPairSigner,
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  type IInstruction,
  isSolanaError,
  type KeyPairSigner,
  type Nonce,
  pipe,
  SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  setTransactionMessageLifetimeUsingDurableNonce,
  signTransactionMessageWithSigners,
} from "@solana/web3.js";
import { getAddMemoInstruction } from "@solana-program/memo";
import {
  fetchNonce,
  getCreateAccountInstruction,
  getInitializeNonceAccountInstruction,
  getNonceSize,
} from "@solana-program/system";
import { getTransferCheckedInstruction } from "@solana-program/token";
import { createLocalChain, type LocalChain } from "./chain.ts";
import { type ChainServer, serveChain } from "./server.ts";
import { type ChainStage, chainStage } from "./stage.ts";
import { SYSTEM_PROGRAM } from "./vm.ts";

let chain: LocalChain;
let server: ChainServer;
let on: ChainStage;
beforeEach(async () => {
  chain = createLocalChain();
  server = serveChain(chain);
  on = await chainStage(server.url);
});
afterEach(() => server[Symbol.asyncDispose]());

const memo = (text: string) => getAddMemoInstruction({ memo: text });

async function signed(
  payer: KeyPairSigner,
  instructions: IInstruction[],
  lifetime: { blockhash: Blockhash; lastValidBlockHeight: bigint },
) {
  const transaction = await pipe(
    createTransactionMessage({ version: 0 }),
    (message) => setTransactionMessageFeePayerSigner(payer, message),
    (message) => setTransactionMessageLifetimeUsingBlockhash(lifetime, message),
    (message) => appendTransactionMessageInstructions(instructions, message),
    (message) => signTransactionMessageWithSigners(message),
  );
  return { wire: getBase64EncodedWireTransaction(transaction), signature: getSignatureFromTransaction(transaction) };
}
const latest = async () => (await on.rpc.getLatestBlockhash({ commitment: "processed" }).send()).value;
const sendRaw = (wire: Base64EncodedWireTransaction) =>
  on.rpc.sendTransaction(wire, { encoding: "base64", skipPreflight: true }).send();
const statusOf = async (signature: string) =>
  (await on.rpc.getSignatureStatuses([signature as never], { searchTransactionHistory: true }).send()).value[0];

describe("a payment", () => {
  test("is found by status, by reference key and as a transaction, with exact balances", async () => {
    const payer = await on.client({ amount: 25_000_000n, delegate: on.admin.address, allowed: 20_000_000n });
    const payee = await on.ata((await on.wallet(0n)).address);
    const reference = await generateKeyPairSigner();
    const { admin, mint } = on;
    const transfer = {
      source: payer.account,
      mint,
      destination: payee,
      authority: admin,
      amount: 880_000n,
      decimals: 6,
    };
    const instruction = getTransferCheckedInstruction(transfer);
    const referred = { ...instruction, accounts: [...instruction.accounts, { address: reference.address, role: 0 }] };
    const signature = await on.land(admin, [referred, memo("infernet:1:test")]);
    await on.finalize();

    expect(await statusOf(signature)).toMatchObject({ err: null, confirmationStatus: "finalized" });
    const [found] = await on.rpc.getSignaturesForAddress(reference.address).send();
    expect(found).toMatchObject({ signature, err: null, memo: "[15] infernet:1:test" });
    const asked = { encoding: "base64", maxSupportedTransactionVersion: 0, commitment: "finalized" } as const;
    const transaction = await on.rpc.getTransaction(signature as never, asked).send();
    expect(
      transaction?.meta?.postTokenBalances
        ?.map(({ uiTokenAmount }) => BigInt(uiTokenAmount.amount))
        .toSorted((a, b) => Number(a - b)),
    ).toEqual([880_000n, 24_120_000n]);
    expect(transaction?.meta?.fee).toBe(5_000n as never);
    expect((await on.token(payer.account))?.delegatedAmount).toBe(19_120_000n);
    const { value } = await on.rpc.getTokenAccountBalance(payee).send();
    expect(value).toMatchObject({ amount: "880000", decimals: 6, uiAmountString: "0.88" });
  });

  test("that fails lands, costs its fee and moves nothing", async () => {
    const payer = await on.client({ amount: 100n, delegate: on.admin.address, allowed: 50n });
    const payee = await on.ata((await on.wallet(0n)).address);
    const { admin, mint } = on;
    const before = (await on.rpc.getBalance(admin.address, { commitment: "processed" }).send()).value;
    const signature = await on.send(admin, [
      getTransferCheckedInstruction({
        ...{ source: payer.account, mint, destination: payee, authority: admin, amount: 51n, decimals: 6 },
      }),
    ]);
    expect((await statusOf(signature))?.err).toEqual({ InstructionError: [0n, { Custom: 1n }] } as never);
    expect(await on.balance(payee)).toBe(0n);
    const after = (await on.rpc.getBalance(admin.address, { commitment: "processed" }).send()).value;
    expect(before - after).toBe(5_000n);
  });
});

describe("a blockhash", () => {
  test("is good for 150 blocks, and not one more", async () => {
    const { admin } = on;
    const lifetime = await latest();
    const [inTime, late] = [await signed(admin, [memo("1")], lifetime), await signed(admin, [memo("2")], lifetime)];
    chain.advance(150);
    expect(chain.bank("processed").height).toBe(lifetime.lastValidBlockHeight);
    await sendRaw(inTime.wire);
    expect(await statusOf(inTime.signature)).not.toBeNull();
    const refused = await on.rpc
      .sendTransaction(late.wire, { encoding: "base64", preflightCommitment: "processed" })
      .send()
      .catch((error) => error.cause);
    expect(isSolanaError(refused, SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND)).toBe(true);
    await sendRaw(late.wire);
    expect(await statusOf(late.signature)).toBeNull();
  });

  test("is the same in every run of a test, and differs from that of every other block", async () => {
    const again = createLocalChain();
    const first = again.blockhashes.at(again.bank("processed").height);
    again.advance(1);
    const second = again.blockhashes.at(again.bank("processed").height);
    expect(second.blockhash).not.toBe(first.blockhash);
    expect(createLocalChain().blockhashes.at(first.height).blockhash).toBe(first.blockhash);
  });
});

describe("commitment", () => {
  test("finalized reads show what was, until it is final", async () => {
    const { admin } = on;
    const account = await on.ata(admin.address);
    await on.finalize();
    const signature = await on.mintTo(account, 7n);
    expect(await on.balance(account, "processed")).toBe(7n);
    expect(await on.balance(account, "finalized")).toBe(0n);
    expect((await statusOf(signature))?.confirmationStatus).toBe("confirmed");
    await on.advance(31);
    expect(await on.balance(account, "finalized")).toBe(7n);
    expect((await statusOf(signature))?.confirmationStatus).toBe("finalized");
  });

  test("an answer names the block it is true of, and none comes from before minContextSlot", async () => {
    const { context } = await on.rpc.getBalance(on.admin.address, { commitment: "finalized" }).send();
    const { absoluteSlot, blockHeight } = await on.rpc.getEpochInfo({ commitment: "finalized" }).send();
    expect(context.slot).toBe(absoluteSlot);
    expect(blockHeight).toBeLessThan(absoluteSlot);
    const tooNew = { encoding: "base64", commitment: "finalized", minContextSlot: absoluteSlot + 1n } as const;
    const refused = await on.rpc
      .getAccountInfo(on.admin.address, tooNew)
      .send()
      .catch((error) => error);
    expect(refused.message).toContain("Minimum context slot");
  });
});

describe("a fork", () => {
  test("makes a confirmed transaction vanish, with all it did", async () => {
    const account = await on.ata(on.admin.address);
    const before = chain.snapshot();
    const signature = await on.mintTo(account, 7n);
    await on.advance(5);
    expect((await statusOf(signature))?.confirmationStatus).toBe("confirmed");
    chain.restore(before);
    expect(await statusOf(signature)).toBeNull();
    expect(await on.balance(account)).toBe(0n);
    expect(chain.history.ofAddress(account)).toHaveLength(1);
  });

  test("knows blockhashes from before it, and none of the other branch", async () => {
    const { admin } = on;
    const old = await signed(admin, [memo("old")], await latest());
    const before = chain.snapshot();
    await sendRaw(old.wire);
    const lost = await signed(admin, [memo("lost")], await latest());
    chain.restore(before);
    await sendRaw(lost.wire);
    await sendRaw(old.wire);
    expect(await statusOf(lost.signature)).toBeNull();
    expect(await statusOf(old.signature)).not.toBeNull();
  });

  test("never undoes what is final, and slots never go back", async () => {
    const before = chain.snapshot();
    chain.advance(31);
    const slot = chain.bank("processed").slot;
    chain.restore(before);
    expect(chain.bank("processed").slot).toBe(slot);
    chain.advance(1);
    expect(() => chain.restore(before)).toThrow("is final");
  });
});

describe("a durable nonce", () => {
  const instructionsOf = (text: string, amount: bigint) => [
    memo(text),
    getTransferCheckedInstruction({
      ...{ source: on.mint, mint: on.mint, destination: on.mint, authority: on.admin, amount, decimals: 6 },
    }),
  ];

  test("keeps a transaction alive, and is used up by one that fails", async () => {
    const { admin, rpc } = on;
    const account = await generateKeyPairSigner();
    const space = BigInt(getNonceSize());
    const lamports = await rpc.getMinimumBalanceForRentExemption(space).send();
    await on.land(admin, [
      getCreateAccountInstruction({
        payer: admin,
        newAccount: account,
        lamports,
        space,
        programAddress: SYSTEM_PROGRAM,
      }),
      getInitializeNonceAccountInstruction({ nonceAccount: account.address, nonceAuthority: admin.address }),
    ]);
    const nonceNow = async () =>
      (await fetchNonce(rpc, account.address, { commitment: "processed" })).data.blockhash as string as Nonce;
    const withNonce = async (instructions: IInstruction[], nonce: Nonce) => {
      const transaction = await pipe(
        createTransactionMessage({ version: 0 }),
        (message) => setTransactionMessageFeePayerSigner(admin, message),
        (message) => appendTransactionMessageInstructions(instructions, message),
        (message) =>
          setTransactionMessageLifetimeUsingDurableNonce(
            { nonce, nonceAccountAddress: account.address, nonceAuthorityAddress: admin.address },
            message,
          ),
        (message) => signTransactionMessageWithSigners(message),
      );
      return {
        wire: getBase64EncodedWireTransaction(transaction),
        signature: getSignatureFromTransaction(transaction),
      };
    };

    const first = await nonceNow();
    const late = await withNonce([memo("late")], first);
    chain.advance(5_000);
    await sendRaw(late.wire);
    expect(await statusOf(late.signature)).toMatchObject({ err: null });
    const second = await nonceNow();
    expect(second).not.toBe(first);
    const failing = await withNonce(instructionsOf("fails", 1n), second);
    const rival = await withNonce([memo("rival")], second);
    await sendRaw(failing.wire);
    expect((await statusOf(failing.signature))?.err).not.toBeNull();
    await sendRaw(rival.wire);
    expect(await statusOf(rival.signature)).toBeNull();
  });
});

describe("faults", () => {
  const paying = async () => signed(on.admin, [memo(`${Math.random()}`)], await latest());

  test("a dropped transaction is accepted and never lands", async () => {
    const { wire, signature } = await paying();
    server.faults.add({ fault: "drop", method: "sendTransaction" });
    expect(await sendRaw(wire)).toBe(signature);
    await on.advance(3);
    expect(await statusOf(signature)).toBeNull();
    await sendRaw(wire);
    expect(await statusOf(signature)).not.toBeNull();
  });

  test("a transaction lands although its sender was told of a time-out", async () => {
    const { wire, signature } = await paying();
    server.faults.add({ fault: "land-then-timeout", method: "sendTransaction" });
    expect((await sendRaw(wire).catch((error) => error)).context.statusCode).toBe(504);
    expect(await statusOf(signature)).not.toBeNull();
  });

  test("calls fail as often as asked, and statuses can be hidden", async () => {
    server.faults.add({ fault: "http503", times: 2 });
    const codes: unknown[] = [];
    for (let call = 0; call < 3; call += 1)
      codes.push(
        await on.rpc
          .getSlot()
          .send()
          .then(
            () => 200,
            (error) => error.context.statusCode,
          ),
      );
    expect(codes).toEqual([503, 503, 200]);
    const { wire, signature } = await paying();
    await sendRaw(wire);
    server.faults.add({ fault: "hide-status", method: "getSignatureStatuses" });
    expect(await statusOf(signature)).toBeNull();
    expect(await statusOf(signature)).not.toBeNull();
  });

  test("in the mempool a transaction waits for a block", async () => {
    chain.mode = "mempool";
    const { wire, signature } = await paying();
    await sendRaw(wire);
    expect(await statusOf(signature)).toBeNull();
    chain.advance(1);
    expect((await statusOf(signature))?.confirmationStatus).toBe("processed");
  });
});
