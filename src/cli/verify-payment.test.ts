// Verify payment, over real programs: what a node believes of a payment, and what it does not.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { getAddMemoInstruction } from "@solana-program/memo";
import { getTransferCheckedInstruction } from "@solana-program/token";
import { createLocalChain } from "../../e2e/local-chain/chain.ts";
import { type ChainServer, serveChain } from "../../e2e/local-chain/server.ts";
import { type ChainStage, chainStage } from "../../e2e/local-chain/stage.ts";
import { fromHex } from "../lib/hex.ts";
import { payoutMemo } from "../protocol/merkle.ts";
import type { PayoutJson } from "../protocol/payouts.ts";
import { verifyPayment } from "./verify-payment.ts";

const [id, root] = ["ab".repeat(16), "cd".repeat(32)];
const local = createLocalChain();
let server: ChainServer;
let on: ChainStage;
let paid: PayoutJson;
beforeAll(async () => {
  server = serveChain(local);
  on = await chainStage(server.url);
  const { mint, admin } = on;
  local.finalize();
  const source = await on.ata(admin.address);
  await on.mintTo(source, 1_000n);
  const { address: wallet } = await on.wallet(0n);
  const transfer = { source, mint, destination: await on.ata(wallet), authority: admin, amount: 880n, decimals: 6 };
  const memo = payoutMemo(id, fromHex(root));
  const signature = await on.land(admin, [getTransferCheckedInstruction(transfer), getAddMemoInstruction({ memo })]);
  paid = {
    ...{ id, root, wallet, signature, node_amount: 880, fee: 120, state: "paid", receipts: 1, legs: [] },
    ...{ reason: null, trouble: null, created_ms: 0, ended_ms: 1 },
  };
});
afterAll(() => server[Symbol.asyncDispose]());

const never = async (): Promise<void> => undefined;
const said = (payout: PayoutJson, { url = server.url, genesis = local.genesisHash, sleep = never } = {}) =>
  verifyPayment({ rpcUrl: url, genesis, mint: on.mint }, payout, sleep).then(
    () => "it is",
    (fault: Error & { exitCode?: number }) => `${fault.exitCode} ${fault.message}`,
  );

test("a payment counts once it is final, also by a server that is behind the coordinator's", async () => {
  expect(await said(paid)).toContain("1 payout abababababababababababababababab is said to be paid by");
  const sleep = async () => local.finalize();
  expect(await said(paid, { sleep })).toBe("it is");
  expect(await said(paid)).toBe("it is");
});

test("of other money, to another wallet, for other receipts, or by nothing at all it is none", async () => {
  local.finalize();
  expect(await said({ ...paid, node_amount: 881 })).toContain("880 of 881 units");
  expect(await said({ ...paid, wallet: on.admin.address })).toContain("of 880 units");
  expect(await said({ ...paid, root: "ce".repeat(32) })).toContain("is for other receipts");
  expect(await said({ ...paid, id: "ac".repeat(16) })).toContain("is for other receipts");
  expect(await said({ ...paid, signature: null })).toContain("paid by nothing");
});

test("a server that does not answer, or is of another cluster, tells nothing", async () => {
  expect(await said(paid, { url: "http://127.0.0.1:9" })).toContain("3 the chain cannot be reached");
  expect(await said(paid, { genesis: "1".repeat(44) })).toContain("3 solana.rpc_urls lead to another cluster");
  server.faults.add({ method: "getTransaction", fault: "http503", times: 9 });
  expect(await said(paid)).toContain("3 the chain cannot be asked");
  server.faults.clear();
});
