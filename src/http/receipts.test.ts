import { expect, test } from "bun:test";
import { booksOf, testNode } from "../admin/testing/books.ts";
import { exportDocumentSchema, linesOf } from "../protocol/receipt-export.ts";
import { receiptVerifier } from "../protocol/receipt-verifier.ts";
import { COORDINATOR, coordinatorStage } from "./testing/coordinator-stage.ts";

const NODE = testNode(1);

type Answer = {
  receipts: { attempt: string; verified_as: string; [field: string]: unknown }[];
  next_cursor?: string | null;
  error: { code: string };
};
const answerOf = async (response: Response) => (await response.json()) as Answer;

async function charged() {
  const on = await coordinatorStage();
  const books = booksOf(on.database.db);
  const job = async (account = "local", nodes = 1): Promise<string> => {
    await books.grant(account, 10_000n);
    const id = await books.begin(account, 1000n);
    if (id === null) throw new Error("no credit");
    await books.end(
      id,
      Array.from({ length: nodes }, () => ({ node: NODE.pubkey, gross: 103n })),
    );
    return id;
  };
  return Object.assign(on, { books, job });
}

test("a job's receipt is told with its salt, decoded, and as a document that verifies elsewhere", async () => {
  await using on = await charged();
  const job = await on.job("local", 2);
  const response = await on.call(`/api/v1/jobs/${job}/receipt`);
  expect(response.status).toBe(200);
  const answer = await answerOf(response);
  const verifier = receiptVerifier({ coordinator: COORDINATOR.pubkey, evidence: null });
  for (const line of linesOf(exportDocumentSchema.parse(answer))) expect(verifier.take(line)).toBeUndefined();
  expect(verifier.finish()).toMatchObject({ ok: true, value: { receipts: 2 } });
  expect(answer.receipts).toMatchObject([
    {
      attempt: `${job}.1`,
      model: "tiny",
      salt: expect.stringMatching(/^[0-9a-f]{64}$/),
      verified_as: "coordinator-only",
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      decoded: { job_id: job, gross: "103", fee: "12", node_amount: "91", fee_bps: 1200 },
    },
    { attempt: `${job}.2` },
  ]);
  await on.books.vouch(NODE);
  const again = await answerOf(await on.call(`/api/v1/jobs/${job}/receipt`));
  expect(again.receipts).toMatchObject([{ verified_as: "countersigned" }, { verified_as: "countersigned" }]);
});

test("another account's receipts are nobody's, and neither is what has none", async () => {
  await using on = await charged();
  const theirs = await on.job("other");
  for (const id of [theirs, Bun.randomUUIDv7(), "x", `${theirs}.1`, "%00"]) {
    const response = await on.call(`/api/v1/jobs/${id}/receipt`);
    expect([id, response.status, (await answerOf(response)).error.code]).toEqual([id, 404, "receipt_not_found"]);
  }
  expect((await answerOf(await on.call("/api/v1/receipts"))).receipts).toEqual([]);
  const others = await on.call("/api/v1/receipts", { headers: { authorization: `Bearer ${on.otherKey}` } });
  expect((await answerOf(others)).receipts).toHaveLength(1);
});

test("an account's receipts come newest first, by pages", async () => {
  await using on = await charged();
  const jobs = [await on.job(), await on.job(), await on.job()].sort().reverse();
  const page = async (query: string) => answerOf(await on.call(`/api/v1/receipts${query}`));
  const first = await page("?limit=2");
  const rest = await page(`?limit=2&cursor=${first.next_cursor}`);
  const attempts = [...first.receipts, ...rest.receipts].map(({ attempt }) => attempt);
  expect(attempts.toSorted().reverse()).toEqual(jobs.map((job) => `${job}.1`));
  expect([first.receipts.length, rest.receipts.length, rest.next_cursor]).toEqual([2, 1, null]);
  for (const query of ["?limit=0", "?limit=1000", "?limit=x", `?cursor=${"x".repeat(65)}`]) {
    expect((await on.call(`/api/v1/receipts${query}`)).status).toBe(400);
  }
});
