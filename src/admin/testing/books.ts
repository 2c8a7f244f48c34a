// Books for tests: a database in which accounts are granted, hold, pay and are paid, the way jobs do it.
import { eq, sql } from "drizzle-orm";
import { audit } from "../../accounts/audit.ts";
import { LOCAL_CALLER } from "../../accounts/caller.ts";
import { accounts } from "../../accounts/schema.ts";
import type { Db } from "../../db/open.ts";
import { identityOf } from "../../identity/keys.ts";
import { jobs } from "../../jobs/schema.ts";
import { type Budget, hold, release } from "../../ledger/holds.ts";
import { clientLedger, post, SYSTEM_ACCOUNTS } from "../../ledger/ledger.ts";
import { type Earned, type Issuer, settleOne } from "../../ledger/settlement.ts";
import { fromHex } from "../../lib/hex.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { receiptSigner, signHead } from "../../protocol/receipt-signing.ts";
import { textHash, ZERO_32 } from "../../protocol/receipts.ts";

/** When everything happens: 2026-03-04 05:06:07 UTC. */
export const NOON_MS = Date.UTC(2026, 2, 4, 5, 6, 7);

const signer = receiptSigner(new Uint8Array(32).fill(7));
const ISSUER: Issuer = {
  genesis: ZERO_32,
  coordinator: signer.publicKey,
  mint: ZERO_32,
  feeBps: 1200,
  sign: (digest) => signer.sign(digest),
  addressBytes: () => ZERO_32,
  payoutCoin: { coin: "USDC", network: "solana" },
};

export type TestNode = { pubkey: Pubkey; secret: Uint8Array };
/** A node's keys; the same for the same number. */
export function testNode(n: number): TestNode {
  const secret = new Uint8Array(32).fill(n + 1);
  const identity = identityOf(secret);
  if (!identity.ok) throw new Error("no key");
  return { pubkey: identity.value.pubkey, secret };
}

export function booksOf(db: Db, atMs: number = NOON_MS) {
  let granted = 0;
  const newJob = async (account: string, keyId: string | null = null): Promise<string> => {
    const id = Bun.randomUUIDv7("hex", atMs);
    const row = {
      id,
      accountId: account,
      keyId,
      kind: "async",
      model: "tiny",
      state: "queued",
      stream: false,
    } as const;
    await db.writer.transact((tx) => tx.insert(jobs).values({ ...row, createdMs: atMs }));
    return id;
  };
  return {
    newJob,
    async account(id: string): Promise<void> {
      const row = { id, kind: "user", name: id, createdMs: atMs } as const;
      await db.writer.transact((tx) => tx.insert(accounts).values(row).onConflictDoNothing());
    },
    async grant(account: string, amount: bigint): Promise<boolean> {
      granted += 1;
      const cause = `grant/${granted}`;
      const entries = [
        { account: SYSTEM_ACCOUNTS.grants, amount: -amount },
        { account: clientLedger(account), amount },
      ];
      return await db.writer.transact(async (tx, execute) => {
        const posted = await post(execute, { kind: "grant", cause, atMs, entries });
        if (posted.ok) {
          await audit(tx, { ...LOCAL_CALLER, atMs, action: "credits.granted", subject: clientLedger(account) });
        }
        return posted.ok;
      });
    },
    /** Holds for a new job; null where it may not. */
    async begin(
      account: string,
      amount: bigint,
      {
        budgets = [],
        keyId = null,
        owner = null,
      }: { budgets?: Budget[]; keyId?: string | null; owner?: string | null } = {},
    ): Promise<string | null> {
      const jobId = await newJob(account, keyId);
      const wanted = { jobId, account: clientLedger(account), amount, budgets, owner, atMs };
      const held = await db.writer.transact((_, execute) =>
        hold(execute, { ...wanted, price: { input: 1, output: 2 } }),
      );
      return held.ok ? jobId : null;
    },
    /** The job's end: each of `parts` is what one node earned gross. */
    async end(jobId: string, parts: readonly { node: string; gross: bigint }[]): Promise<void> {
      const earned = parts.map(
        ({ node, gross }, n): Earned => ({
          attempt: `${jobId}.${n + 1}`,
          node,
          gross,
          promptTokens: 3,
          completionTokens: 5,
          model: "tiny",
          modelHash: textHash("tiny"),
          outputHash: ZERO_32,
        }),
      );
      await db.writer.transact(async (tx, execute) => {
        const [job] = await tx.select().from(jobs).where(eq(jobs.id, jobId));
        const accountId = job?.accountId ?? "";
        const settlement = { jobId, accountId, requestHash: ZERO_32, finishedMs: atMs + 9, earned };
        const charged = await settleOne(execute, ISSUER, settlement);
        const end = { state: "completed", chargedMicroUsd: Number(charged), endedMs: atMs + 9 } as const;
        await tx
          .update(jobs)
          .set({ ...end, nodePubkey: parts[0]?.node ?? null, promptTokens: 3, completionTokens: 5 })
          .where(eq(jobs.id, jobId));
      });
    },
    async cancel(jobId: string): Promise<void> {
      await db.writer.transact(async (tx, execute) => {
        await release(execute, jobId);
        await tx
          .update(jobs)
          .set({ state: "cancelled", endedMs: atMs + 9 })
          .where(eq(jobs.id, jobId));
      });
    },
    /** The node signs for all of its receipts. */
    async vouch({ pubkey, secret }: TestNode): Promise<void> {
      const [row] = await db.query("select seq, digest from node_chains where node = ?", [pubkey]);
      const digest = new Uint8Array(row?.[1] as Uint8Array);
      const sig = fromHex(signHead(secret, { seq: BigInt(Number(row?.[0])), digest }));
      await db.writer.transact((tx) =>
        tx.run(sql`update node_chains set countersigned_seq = seq, countersigned_sig = ${sig} where node = ${pubkey}`),
      );
    },
  };
}
