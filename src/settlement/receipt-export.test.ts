import { expect, test } from "bun:test";
import { eq, inArray } from "drizzle-orm";
import { booksOf, testNode } from "../admin/testing/books.ts";
import { testDatabase } from "../db/test-database.ts";
import { findReceipts, newestReceipts } from "../ledger/receipts.ts";
import { receipts } from "../ledger/schema.ts";
import { toHex } from "../lib/hex.ts";
import { merkleRoot } from "../protocol/merkle.ts";
import { type ExportLine, exportLineSchema, linesOf } from "../protocol/receipt-export.ts";
import { receiptVerifier } from "../protocol/receipt-verifier.ts";
import { exportPage, receiptDocument } from "./receipt-export.ts";
import { payouts } from "./schema.ts";
import { testArchive } from "./testing/test-archive.ts";

const ONE = testNode(1);
const TWO = testNode(2);

async function issued() {
  const database = await testDatabase();
  const { db } = database;
  const books = booksOf(db);
  const archive = testArchive(db);
  const job = async (account: string, nodes: readonly { pubkey: string }[]): Promise<string> => {
    const id = await books.begin(account, 1000n);
    if (id === null) throw new Error("no credit");
    await books.end(
      id,
      nodes.map(({ pubkey: node }) => ({ node, gross: 100n })),
    );
    return id;
  };
  await books.account("rich");
  for (const account of ["local", "rich"]) await books.grant(account, 1_000_000n);
  const all = async (filter: { node?: string; account?: string; sinceMs?: number } = {}, limit = 2) => {
    const lines: ExportLine[] = [];
    for (let after: Parameters<typeof exportPage>[1]["after"] = null; ; ) {
      const page = await exportPage(archive, { ...filter, after, limit }, { salts: false });
      lines.push(...page.lines);
      if (page.next === null) return lines;
      after = page.next;
    }
  };
  /** Pays these receipts of a node. */
  const pay = async (node: string, seqs: number[]) => {
    const rows = await db.read.select().from(receipts).where(inArray(receipts.seq, seqs)).orderBy(receipts.seq);
    const mine = rows.filter((row) => row.node === node);
    const id = "cd".repeat(16);
    const root = toHex(merkleRoot(mine.map(({ digest }) => new Uint8Array(digest))));
    await db.writer.transact(async (tx) => {
      const sums = { nodeAmount: 1, fee: 0, receipts: mine.length, firstSeq: seqs[0] ?? 0 };
      const paid = { state: "paid", createdMs: 1, endedMs: 2, signature: "5sig" } as const;
      await tx.insert(payouts).values({ id, node, wallet: "w", root, ...sums, ...paid });
      for (const { attempt } of mine)
        await tx.update(receipts).set({ payoutId: id }).where(eq(receipts.attempt, attempt));
    });
    return id;
  };
  return { ...database, archive, books, job, all, pay };
}

function verified(lines: readonly ExportLine[]) {
  const verifier = receiptVerifier({ coordinator: null, evidence: null });
  for (const line of lines) {
    const fault = verifier.take(exportLineSchema.parse(JSON.parse(JSON.stringify(line))));
    if (fault) throw new Error(fault.message);
  }
  const done = verifier.finish();
  if (!done.ok) throw new Error(done.error.message);
  return done.value;
}

test("an export has every chain, page by page, and verifies elsewhere", async () => {
  await using on = await issued();
  for (let i = 0; i < 3; i++) await on.job("local", [ONE]);
  for (let i = 0; i < 2; i++) await on.job("rich", [ONE, TWO]);
  await on.books.vouch(ONE);
  const lines = await on.all();
  expect(lines[0]).toMatchObject({ t: "coordinator", whole: true });
  expect(verified(lines)).toMatchObject({ receipts: 7, nodes: 2, countersigned: 5, missing: 0n });
  expect(JSON.stringify(lines)).not.toContain("salt");
});

test("a part of it says so, and what was paid is proven receipt by receipt", async () => {
  await using on = await issued();
  await on.job("rich", [ONE]);
  await on.job("local", [ONE]);
  await on.job("rich", [ONE]);
  const id = await on.pay(ONE.pubkey, [1, 2, 3]);
  const rich = await on.all({ account: "account/rich" });
  expect(rich[0]).toMatchObject({ whole: false });
  expect(verified(rich)).toMatchObject({
    receipts: 2,
    missing: 1n,
    payouts: [{ id, receipts: 2, transaction: "5sig" }],
  });
  // All of them are here: the root is computed.
  expect(verified(await on.all())).toMatchObject({ missing: 0n, payouts: [{ id, receipts: 3 }] });
  expect(verified(await on.all({ node: TWO.pubkey }))).toMatchObject({ receipts: 0 });
  expect(verified(await on.all({ sinceMs: Number.MAX_SAFE_INTEGER }))).toMatchObject({ receipts: 0 });
});

test("one job is one document, with the salt for whoever may have it", async () => {
  await using on = await issued();
  const job = await on.job("local", [ONE, TWO]);
  const others = await on.job("local", [ONE]);
  await on.pay(ONE.pubkey, [1, 2]);
  const found = await findReceipts(on.archive, { job });
  expect(found.map(({ attempt }) => attempt)).toEqual([`${job}.1`, `${job}.2`]);
  const document = await receiptDocument(on.archive, found, { salts: true });
  expect(document.receipts[0]?.salt).toBe(toHex(on.archive.saltOf(job)));
  expect(verified(linesOf(document))).toMatchObject({ receipts: 2, payouts: [{ receipts: 1 }] });
  expect(await findReceipts(on.archive, { attempt: `${others}.1` })).toHaveLength(1);
  expect(await findReceipts(on.archive, { node: ONE.pubkey, seq: 2 })).toMatchObject([{ attempt: `${others}.1` }]);
  expect(await findReceipts(on.archive, { job }, "account/rich")).toEqual([]);
});

test("the newest come first, from the one before on, and of one account or node alone", async () => {
  await using on = await issued();
  const jobs = [];
  for (const account of ["local", "rich", "local"]) jobs.push(`${await on.job(account, [ONE])}.1`);
  jobs.sort().reverse();
  const attempts = async (filter: Omit<Parameters<typeof newestReceipts>[1], "limit">, limit = 9) =>
    (await newestReceipts(on.archive, { ...filter, limit })).map(({ attempt }) => attempt);
  expect(await attempts({})).toEqual(jobs);
  expect(await attempts({}, 2)).toEqual(jobs.slice(0, 2));
  expect(await attempts({ before: jobs[1] })).toEqual(jobs.slice(2));
  expect(await attempts({ account: "account/local" })).toHaveLength(2);
  expect(await attempts({ node: TWO.pubkey })).toEqual([]);
});
