import { expect, test } from "bun:test";
import { toBase58 } from "../lib/base58.ts";
import { fromHex, toHex } from "../lib/hex.ts";
import { merkleRoot } from "./merkle.ts";
import { checkPayout, type Expected, type PayoutReceipt } from "./payout-check.ts";
import { type PayoutJson, TREASURY_SOURCE } from "./payouts.ts";
import { receiptSigner, signReceiptKey } from "./receipt-signing.ts";
import { encodeReceipt, type Receipt, receiptDigest, splitGross, ZERO_32 } from "./receipts.ts";
import { pubkeyOf } from "./schnorr.ts";

const secret = (digit: number) => fromHex(`${digit}`.padStart(64, "0"));
const coordinator = { secretKey: secret(2), pubkey: pubkeyOf(secret(2)) };
const node = pubkeyOf(secret(3));
const signer = receiptSigner(secret(4));
const key = toHex(signer.publicKey);
const wallet = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T";
const CLIENTS = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(8)];
const expected: Expected = {
  coordinator: coordinator.pubkey,
  node,
  wallet,
  receiptKey: { key, sig: signReceiptKey(coordinator, key) },
};

/** A chain of receipts, of clients one after the other, with what a hostile coordinator may have changed. */
function chainOf(count: number, change: (at: number) => Partial<Receipt> = () => ({})): PayoutReceipt[] {
  let previous: Uint8Array = ZERO_32;
  return Array.from({ length: count }, (_, at) => {
    const gross = BigInt(1_000 * (at + 1));
    const receipt: Receipt = {
      ...{
        version: 1,
        genesis: ZERO_32,
        coordinator: signer.publicKey,
        jobId: new Uint8Array(16),
        seq: BigInt(at + 1),
      },
      ...{ previous, node: fromHex(node), nodeWallet: ZERO_32, client: CLIENTS[at % 2] ?? ZERO_32, mint: ZERO_32 },
      ...{ gross, ...splitGross(gross, 1_200), feeBps: 1_200, promptTokens: 1, completionTokens: 1 },
      ...{ modelHash: ZERO_32, requestHash: ZERO_32, outputHash: ZERO_32, finishedAtMs: 0n },
      ...change(at),
    };
    const bytes = encodeReceipt(receipt);
    previous = receiptDigest(bytes);
    return { seq: at + 1, bytes, signature: signer.sign(previous) };
  });
}

function payoutOf(receipts: readonly PayoutReceipt[], change: Partial<PayoutJson> = {}): PayoutJson {
  const root = toHex(merkleRoot(receipts.map(({ bytes }) => receiptDigest(bytes))));
  // 1000 + 3000 of the first client, 2000 + 4000 of the second, by 12 %.
  const [a, b] = CLIENTS.map((client) => toBase58(client));
  return {
    ...{
      id: "00".repeat(16),
      state: "planned",
      node_amount: 8_800,
      fee: 1_200,
      receipts: receipts.length,
      root,
      wallet,
    },
    legs: [
      { source: a ?? "", node_amount: 3_520, fee: 480 },
      { source: b ?? "", node_amount: 5_280, fee: 720 },
    ],
    ...{ reason: null, trouble: null, created_ms: 0, ended_ms: null, signature: null },
    ...change,
  };
}

const said = (payout: PayoutJson, receipts: readonly PayoutReceipt[], over: Partial<Expected> = {}) => {
  const checked = checkPayout(payout, receipts, { ...expected, ...over });
  return checked.ok ? "right" : checked.error;
};

test("a payout of a node's receipts, whole and in order, is right", () => {
  const receipts = chainOf(4);
  expect(checkPayout(payoutOf(receipts), receipts, expected)).toEqual({ ok: true, value: { firstSeq: 1, lastSeq: 4 } });
});

test("the treasury may pay what no named account does", () => {
  const receipts = chainOf(4);
  const legs = [{ source: TREASURY_SOURCE, node_amount: 8_800, fee: 1_200 }];
  expect(said(payoutOf(receipts, { legs }), receipts)).toBe("right");
});

test("receipts of other payouts may be missing in between", () => {
  const [one, , three] = chainOf(3);
  if (!one || !three) throw new Error("three receipts");
  const legs = [{ source: toBase58(CLIENTS[0] ?? ZERO_32), node_amount: 3_520, fee: 480 }];
  expect(said(payoutOf([one, three], { node_amount: 3_520, fee: 480, legs }), [one, three])).toBe("right");
});

const whole = chainOf(4);
const WRONG: [name: string, told: string, payout: PayoutJson, receipts?: PayoutReceipt[], over?: Partial<Expected>][] =
  [
    [
      "another wallet",
      "not to this node's wallet",
      payoutOf(whole, { wallet: "So11111111111111111111111111111111111111112" }),
    ],
    ["less than the receipts say", "its receipts say 8800", payoutOf(whole, { node_amount: 8_799 })],
    ["a higher fee", "its receipts say 1200", payoutOf(whole, { fee: 1_201 })],
    ["another root", "its root is not that", payoutOf(whole, { root: "00".repeat(32) })],
    ["a receipt fewer", "its root is not that", payoutOf(whole), whole.slice(0, 3)],
    ["the order turned", "does not come after", payoutOf(whole), whole.toReversed()],
    [
      "a source that pays less",
      "its receipts say 3520",
      payoutOf(whole, { legs: payoutOf(whole).legs.map((leg, at) => (at === 0 ? { ...leg, node_amount: 1 } : leg)) }),
    ],
    ["a source left out", "nobody pays 5280", payoutOf(whole, { legs: payoutOf(whole).legs.slice(0, 1) })],
    ["no receipts", "it has no receipts", payoutOf([], { node_amount: 0, fee: 0, legs: [] }), []],
    [
      "a receipt of another node",
      "another node's",
      payoutOf(whole),
      chainOf(4, (at) => (at === 2 ? { node: ZERO_32 } : {})),
    ],
    [
      "a receipt of another chain",
      "is not the digest of receipt 2",
      payoutOf(whole),
      chainOf(4, (at) => (at === 2 ? { previous: ZERO_32 } : {})),
    ],
    [
      "a forged signature",
      "receipt 1:",
      payoutOf(whole),
      whole.map((each) => ({ ...each, signature: new Uint8Array(64) })),
    ],
    ["a key that was not certified", "did not certify", payoutOf(whole), whole, { coordinator: node }],
  ];
for (const [name, told, payout, receipts = whole, over = {}] of WRONG) {
  test(`refused: ${name}`, () => expect(said(payout, receipts, over)).toContain(told));
}
