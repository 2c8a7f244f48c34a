// Receipt stage: a link stage whose coordinator charges and issues receipts, and whose node keeps a book of them.
import type { GenerateEnd } from "../../backends/backend.ts";
import type { TestDatabase } from "../../db/test-database.ts";
import { NO_LOG, recorder, spec } from "../../jobs/testing/stage.ts";
import { createTill, type Till } from "../../jobs/till.ts";
import { clientLedger, post, SYSTEM_ACCOUNTS } from "../../ledger/ledger.ts";
import { type ManualClock, manualClock } from "../../lib/clock.ts";
import { toHex } from "../../lib/hex.ts";
import type { Log } from "../../lib/log.ts";
import { ok } from "../../lib/result.ts";
import { receiptSigner, signReceiptKey } from "../../protocol/receipt-signing.ts";
import { ZERO_32 } from "../../protocol/receipts.ts";
import { type ReceiptDelivery, receiptDelivery } from "../../registry/receipt-delivery.ts";
import { openPriceMemory } from "../receipts/price-memory.ts";
import { type ReceiptBook, type ReceiptLink, receiptBook } from "../receipts/receipt-book.ts";
import { openReceiptFile, type ReceiptFile } from "../receipts/receipt-file.ts";
import { COORDINATOR, type LinkStage, linkStage, NODE, type TestNode, testNode } from "./link-stage.ts";

export const SIGNER = receiptSigner(new Uint8Array(32).fill(7));
const KEY = toHex(SIGNER.publicKey);
export const RECEIPT_KEY = { key: KEY, sig: signReceiptKey(COORDINATOR, KEY) };
/** What the node says that each chat used. */
export const USED: GenerateEnd = {
  finish: [{ index: 0, reason: "stop" }],
  usage: { prompt_tokens: 7, completion_tokens: 3 },
};
export const PRICES = { input: 1_000_000, output: 2_000_000 };

export const testTill = ({ db }: TestDatabase): Till =>
  createTill({
    db,
    issuer: {
      genesis: ZERO_32,
      mint: ZERO_32,
      coordinator: SIGNER.publicKey,
      feeBps: 1200,
      sign: SIGNER.sign,
      addressBytes: () => ZERO_32,
      payoutCoin: { coin: "USDC", network: "solana" },
    },
    saltKey: new Uint8Array(32).fill(9),
    highestPrice: PRICES,
    owner: "test",
    recordOwner: null,
  });

/** Gives the local account so many µ$. */
export const grant = ({ db }: TestDatabase, amount: bigint) =>
  db.writer.transact((_, execute) =>
    post(execute, {
      kind: "grant",
      cause: `grant/${crypto.randomUUID()}`,
      atMs: 0,
      entries: [
        { account: SYSTEM_ACCOUNTS.grants, amount: -amount },
        { account: clientLedger("local"), amount },
      ],
    }),
  );

export type ReceiptStage = LinkStage & {
  till: Till;
  receipts: ReceiptDelivery;
  clock: ManualClock;
  /** What each end logged as a warning or an error. */
  said: { coordinator: string[]; node: string[] };
  /** The node's end, on what its directory holds. */
  node(): Promise<BookedNode>;
  /** Chats side by side, from request to end, each answered with its text; their states. */
  chats(node: TestNode, texts: readonly string[], maxTokens?: number): Promise<string[]>;
  /** Until all that was settled is delivered and answered. */
  delivered(): Promise<void>;
};
export type BookedNode = TestNode & { book: ReceiptBook; receipts: ReceiptLink; file: ReceiptFile };

const logInto = (lines: string[]): Log => ({
  ...NO_LOG,
  warn: (text, fields) => void lines.push(`${text} ${JSON.stringify(fields)}`),
  error: (text, fields) => void lines.push(`${text} ${JSON.stringify(fields)}`),
});

export function receiptStage(database: TestDatabase): ReceiptStage {
  const clock = manualClock();
  const till = testTill(database);
  const said: ReceiptStage["said"] = { coordinator: [], node: [] };
  const receipts = receiptDelivery({ db: database.db, clock, log: logInto(said.coordinator), saltOf: till.saltOf });
  const on = linkStage(database, {
    clock,
    till,
    receipts: { key: RECEIPT_KEY, listener: receipts },
    onEnd(job) {
      for (const { record } of job.deliveries) receipts.settled(record.node);
    },
  });
  let book: ReceiptBook | null = null;
  const made: ReceiptStage = Object.assign(on, {
    till,
    receipts,
    clock,
    said,
    async node() {
      const log = logInto(said.node);
      const file = await openReceiptFile(database.directory, COORDINATOR.pubkey, log);
      const prices = await openPriceMemory({ clock, log }, database.directory, COORDINATOR.pubkey);
      const coordinator = { pubkey: COORDINATOR.pubkey, label: "test" };
      book = receiptBook({ clock, log, node: NODE, coordinator, file, prices });
      const link = book.link();
      const node = await testNode(on, { receipts: link, prices: PRICES, limit: 100 });
      return Object.assign(node, { book, receipts: link, file });
    },
    async chats(node: TestNode, texts: readonly string[], maxTokens = 100) {
      const bodyJson = JSON.stringify({ max_tokens: maxTokens, messages: [{ role: "user", content: "hello" }] });
      const before = node.generations.length;
      const taken = await Promise.all(texts.map(() => on.jobs.take(spec({ bodyJson, maxTokens }), recorder())));
      await on.turns();
      for (const [i, generation] of node.generations.slice(before).entries()) {
        const text = texts[i] ?? "";
        generation.say(text);
        generation.end(ok(USED));
      }
      await on.turns();
      await on.settle();
      await on.turns();
      return taken.map((job) => (job.ok ? job.value.state : job.error.code));
    },
    async delivered() {
      clock.advance(1_000);
      for (let i = 0; i < 8; i++) {
        await receipts.idle();
        await on.turns(2);
        await book?.idle();
        await on.turns(2);
        await on.settle();
      }
    },
  });
  return made;
}
