import { expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { type TestDatabase, testDatabase } from "../../db/test-database.ts";
import { nodeChains, receipts } from "../../ledger/schema.ts";
import { toHex } from "../../lib/hex.ts";
import { MAX_RECEIPTS_PER_FRAME } from "../../protocol/receipt-frames.ts";
import { verifyHead } from "../../protocol/receipt-signing.ts";
import { decodeReceipt, encodeReceipt, type Receipt, receiptDigest } from "../../protocol/receipts.ts";
import { NODE, testNode } from "../testing/link-stage.ts";
import { grant, PRICES, RECEIPT_KEY, type ReceiptStage, receiptStage, SIGNER } from "../testing/receipt-stage.ts";
import { keptReceipts, type ReceiptEntry } from "./receipt-file.ts";

async function staged(): Promise<{ database: TestDatabase; on: ReceiptStage } & AsyncDisposable> {
  const database = await testDatabase();
  await grant(database, 1_000_000_000n);
  return { database, on: receiptStage(database), [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

const chain = async ({ db }: TestDatabase) =>
  (await db.read.select().from(nodeChains).where(eq(nodeChains.node, NODE.pubkey)))[0];
const entriesIn = async ({ directory }: TestDatabase): Promise<ReceiptEntry[]> => {
  const entries: ReceiptEntry[] = [];
  for await (const file of keptReceipts(directory)) entries.push(...file.entries);
  return entries;
};
const seqs = (messages: readonly string[]) =>
  messages.flatMap((text) => JSON.parse(text)).filter(({ type }) => type === "receipts");

/** Rewrites a stored receipt as a coordinator could that does not play fair: consistently, and signed. */
async function forge({ db }: TestDatabase, seq: number, change: (receipt: Receipt) => Partial<Receipt>): Promise<void> {
  await db.writer.transact(async (tx, execute) => {
    await execute("drop trigger if exists receipts_fixed", []);
    const where = eq(receipts.seq, seq);
    const [row] = await tx.select().from(receipts).where(where);
    const read = decodeReceipt(new Uint8Array(row!.bytes));
    if (!read.ok) throw new Error(read.error);
    const bytes = encodeReceipt({ ...read.value, ...change(read.value) });
    const digest = receiptDigest(bytes);
    const blobs = { bytes: Buffer.from(bytes), digest: Buffer.from(digest) };
    await tx
      .update(receipts)
      .set({ ...blobs, signature: Buffer.from(SIGNER.sign(digest)) })
      .where(where);
  });
}

test("a node vouches for what it did, and the coordinator keeps its word", async () => {
  await using made = await staged();
  const { on, database } = made;
  const node = await on.node();
  await on.chats(node, ["one", "two", "three"]);
  await on.delivered();
  const row = await chain(database);
  expect(row).toMatchObject({ seq: 3, countersignedSeq: 3 });
  const sig = toHex(row!.countersignedSig!);
  expect(verifyHead(sig, { seq: 3n, digest: row!.digest }, NODE.pubkey)).toBe(true);
  expect(node.file.head).toEqual({ seq: 3, digest: toHex(row!.digest), sig });
  expect(on.said).toEqual({ coordinator: [], node: [] });
  const entries = await entriesIn(database);
  expect(entries.map(({ t }) => t)).toEqual(["coordinator", "receipt", "receipt", "receipt", "head"]);
  expect(entries[1]).toMatchObject({ model: "m" });
});

test("receipts wait for company: many jobs within a second are one page and one signature", async () => {
  await using made = await staged();
  const { on } = made;
  const node = await on.node();
  for (let i = 0; i < 5; i++) await on.chats(node, [`${i} a`, `${i} b`]);
  expect(seqs(on.wire.fromCoordinator)).toHaveLength(0);
  await on.delivered();
  expect(seqs(on.wire.fromCoordinator).map(({ receipts: page }) => page.length)).toEqual([10]);
  const heads = on.wire.fromNode.flatMap((text) => JSON.parse(text)).filter(({ type }) => type === "receipt_head");
  // One to ask, one to answer.
  expect(heads.map(({ seq }) => seq)).toEqual([0, 10]);
});

test("a node gets what it missed, page by page", async () => {
  await using made = await staged();
  const { on, database } = made;
  // An older version, which asks for no receipts.
  const count = MAX_RECEIPTS_PER_FRAME + 6;
  const first = await testNode(on, { prices: PRICES, limit: count });
  await on.chats(
    first,
    Array.from({ length: count }, (_, i) => `text ${i}`),
  );
  on.wire.cut();
  await on.turns();
  await first.client.stop(0);
  const second = await on.node();
  await on.delivered();
  expect(seqs(on.wire.fromCoordinator).map(({ receipts: page }) => page.length)).toEqual([count - 6, 6]);
  expect(second.file.head?.seq).toBe(count);
  expect(await chain(database)).toMatchObject({ seq: count, countersignedSeq: count });
});

test("what the node said as its link broke is said again, and nothing is sent twice", async () => {
  await using made = await staged();
  const { on, database } = made;
  const node = await on.node();
  await on.chats(node, ["one"]);
  on.wire.tamper = (text) => (text.includes("receipt_head") ? null : text);
  await on.delivered();
  expect(await chain(database)).toMatchObject({ seq: 1, countersignedSeq: 0 });
  on.wire.cut();
  await on.turns();
  on.clock.advance(1_000);
  await on.turns();
  await on.delivered();
  expect(on.wires).toHaveLength(2);
  expect(seqs(on.wire.fromCoordinator)).toEqual([]);
  expect(await chain(database)).toMatchObject({ seq: 1, countersignedSeq: 1 });
});

test("what comes over two links of one coordinator is kept once, and both are told how far the node vouches", async () => {
  await using made = await staged();
  const { on, database } = made;
  const node = await on.node();
  const other = node.book.link();
  const told: unknown[] = [];
  other.opened((frame) => void told.push("seq" in frame && frame.seq), RECEIPT_KEY);
  await on.chats(node, ["one", "two"]);
  await on.delivered();
  const page = on.wire.fromCoordinator.flatMap((text) => JSON.parse(text)).find(({ type }) => type === "receipts");
  other.receipts(page);
  await node.book.idle();
  expect(told).toEqual([0, 2]);
  expect((await entriesIn(database)).filter(({ t }) => t === "receipt")).toHaveLength(2);
  // The other link goes; this one is heard as before.
  other.closed();
  await on.chats(node, ["three"]);
  await on.delivered();
  expect(await chain(database)).toMatchObject({ seq: 3, countersignedSeq: 3 });
});

test("a node that lost its file begins anew, with all of its chain", async () => {
  await using made = await staged();
  const { on, database } = made;
  const node = await on.node();
  await on.chats(node, ["one", "two"]);
  await on.delivered();
  await node.client.stop(0);
  await Bun.$`rm -r ${database.directory}/receipts`.quiet();
  const again = await on.node();
  await on.delivered();
  expect(again.file.head).toMatchObject({ seq: 2 });
  expect(on.said).toEqual({ coordinator: [], node: [] });
});

const other = new Uint8Array(32).fill(1);
for (const [what, change, reason] of [
  ["less than it asked for", ({ gross }) => ({ gross: gross - 1n, nodeAmount: 0n, fee: 0n, feeBps: 0 }), "gross"],
  [
    "fewer tokens of its answer",
    () => ({ completionTokens: 2 }),
    "completion_tokens 2 at byte 279; this node counted 3",
  ],
  ["fewer tokens of its prompt", () => ({ promptTokens: 6 }), "prompt_tokens 6 at byte 275; this node counted 7"],
  ["more tokens than it counted", () => ({ completionTokens: 4 }), "completion_tokens 4 at byte 279"],
  ["another request", () => ({ requestHash: other }), "request_hash at byte 315"],
  ["another answer", () => ({ outputHash: other }), "output_hash at byte 347"],
  ["another node", () => ({ node: other }), "node at byte 121"],
  ["another coordinator's key", () => ({ coordinator: other }), "signature"],
  ["another receipt before it", () => ({ previous: other }), "previous at byte 89"],
  ["a gap before it", ({ seq }) => ({ seq: seq + 1n }), "seq 3 at byte 81 follows 1"],
] as [string, (receipt: Receipt) => Partial<Receipt>, string][]) {
  test(`a node does not vouch for a receipt that tells of ${what}, nor for any after it`, async () => {
    await using made = await staged();
    const { on, database } = made;
    const node = await on.node();
    await on.chats(node, ["one", "two", "three"]);
    await forge(database, 2, (receipt) => {
      const changed = { ...receipt, ...change(receipt) };
      // The split is right again, whatever the gross.
      return { ...changed, fee: 0n, nodeAmount: changed.gross, feeBps: 0 };
    });
    await on.delivered();
    expect(node.file.head).toMatchObject({ seq: 1 });
    expect(await chain(database)).toMatchObject({ seq: 3, countersignedSeq: 1 });
    expect(on.said.node.join("\n")).toContain(reason);
    expect(on.said.coordinator.join("\n")).toContain(reason);
    const entries = await entriesIn(database);
    expect(entries.filter(({ t }) => t === "disputed")).toHaveLength(1);
    // It is said once, and what is settled later is not sent over this link any more.
    const pages = seqs(on.wire.fromCoordinator).length;
    await on.chats(node, ["four"]);
    await on.delivered();
    expect(seqs(on.wire.fromCoordinator)).toHaveLength(pages);
  });
}

test("fewer tokens than the node claimed are no fault where no more bytes passed, or the bound was met", async () => {
  await using made = await staged();
  const { on, database } = made;
  const node = await on.node();
  expect([await on.chats(node, ["x"]), await on.chats(node, ["four"], 2)]).toEqual([["completed"], ["completed"]]);
  await on.delivered();
  expect(on.said.node).toEqual([]);
  expect(await chain(database)).toMatchObject({ seq: 2, countersignedSeq: 2 });
});

test("a chain that turns out to be another than the one vouched for is refused on both sides", async () => {
  await using made = await staged();
  const { on, database } = made;
  const node = await on.node();
  await on.chats(node, ["one"]);
  await on.delivered();
  await node.client.stop(0);
  await forge(database, 1, () => ({ outputHash: other }));
  await on.node();
  await on.delivered();
  expect(on.said.coordinator.join("\n")).toContain("that receipt has another digest");
  expect(await chain(database)).toMatchObject({ seq: 1, countersignedSeq: 1 });
});

test("a key that the coordinator's own did not certify is not taken", async () => {
  await using made = await staged();
  const { on, database } = made;
  const node = await on.node();
  on.wire.cut();
  const saying = (frames: unknown[]) => frames;
  node.receipts.opened((frame) => void saying([frame]), { key: "00".repeat(32), sig: "00".repeat(64) });
  await node.book.idle();
  expect(on.said.node.join("\n")).toContain("not certified");
  expect(await entriesIn(database)).toEqual([]);
});
