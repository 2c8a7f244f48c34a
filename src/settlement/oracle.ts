// Oracle: at the end of each epoch, what every node did and earned, as a list whose Merkle root goes onto the chain. Who
// has a leaf can show that it was published then and has not been changed since; not that what it says was true.
import { and, asc, desc, eq, lt } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import { SYSTEM_CALLER } from "../accounts/caller.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { toHex } from "../lib/hex.ts";
import { merkleProver, merkleRoot } from "../protocol/merkle.ts";
import { type OracleEpochRow, onceSends, oracleEpochs, oracleLeaves } from "./funding-schema.ts";
import { markerSeed } from "./markers.ts";
import { type OnceKind, planSend } from "./once.ts";

export type OracleDeps = {
  db: Db;
  clock: Pick<Clock, "nowMs">;
  epochMs: number;
  /** Secret: seeds of markers follow from it. */
  markerKey: Uint8Array;
};

/** What is published of a node. Whole numbers only, so that everybody writes them alike. */
type Score = {
  node: string;
  /** Attempts that ended in the epoch: in all, and well. */
  attempts: number;
  completed: number;
  /** Mean time from dispatch to the first piece, ms; null where there was none. */
  first_token_ms: number | null;
  receipts: number;
  /** µ$, decimal text. */
  gross: string;
  earned: string;
};

/** The bytes that are hashed: JSON without spaces, fields in this order. */
const leafText = (
  epoch: number,
  { node, attempts, completed, first_token_ms, receipts, gross, earned }: Score,
): string => JSON.stringify({ v: 1, epoch, node, attempts, completed, first_token_ms, receipts, gross, earned });

const digestOf = (leaf: string): Uint8Array => new Uint8Array(new Bun.CryptoHasher("sha256").update(leaf).digest());

/** Time for what ended at the very end of an epoch to be written. */
const GRACE_MS = 60_000;

/** Puts the last whole epoch together and plans its publication, once. Its number where that was now. */
export async function closeEpoch({ db, clock, epochMs, markerKey }: OracleDeps): Promise<number | null> {
  const epoch = Math.floor((clock.nowMs() - GRACE_MS) / epochMs) - 1;
  const known = await db.read.select().from(oracleEpochs).where(eq(oracleEpochs.epoch, epoch)).get();
  if (known || epoch < 0) return null;
  const startMs = epoch * epochMs;
  const endMs = startMs + epochMs;
  const leaves = (await scores(db, startMs, endMs)).map((score) => ({ score, leaf: leafText(epoch, score) }));
  const root = toHex(merkleRoot(leaves.map(({ leaf }) => digestOf(leaf))));
  const atMs = clock.nowMs();
  return await db.writer.transact(async (tx) => {
    const row = { epoch, startMs, endMs, nodes: leaves.length, root, createdMs: atMs };
    const stored = await tx.insert(oracleEpochs).values(row).onConflictDoNothing().returning();
    // Another coordinator on the same database did.
    if (stored.length === 0) return null;
    for (const [position, { score, leaf }] of leaves.entries())
      await tx.insert(oracleLeaves).values({ epoch, position, nodePubkey: score.node, leaf });
    const memo = `infernet:oracle:1:${epochMs}:${epoch}:${leaves.length}:${root}`;
    // The same epoch is published once, whatever became of the database.
    const id = markerSeed(markerKey, `oracle/${epochMs}/${epoch}`);
    await planSend(tx, { id, kind: "oracle", subject: `${epoch}`, amount: 0, memo, reason: "" }, atMs);
    return epoch;
  });
}

/** Of all nodes that did anything, by public key. */
async function scores({ query }: Db, startMs: number, endMs: number): Promise<Score[]> {
  const found = new Map<string, Score>();
  const of = (node: string): Score => {
    const known = found.get(node);
    if (known) return known;
    const none = { node, attempts: 0, completed: 0, first_token_ms: null, receipts: 0, gross: "0", earned: "0" };
    found.set(node, none);
    return none;
  };
  const tries = await query(
    `select json_extract(a.value, '$.node'), count(*), sum(json_extract(a.value, '$.outcome') = 'completed'),
       avg(json_extract(a.value, '$.first_delta_ms') - json_extract(a.value, '$.dispatched_ms'))
     from jobs, json_each(jobs.attempts) a
     where jobs.ended_ms >= ? and jobs.ended_ms < ? and json_extract(a.value, '$.ended_ms') is not null group by 1`,
    [startMs, endMs],
  );
  for (const [node, attempts, completed, first] of tries as [string, number, number, number | null][])
    Object.assign(of(node), {
      ...{ attempts: Number(attempts), completed: Number(completed) },
      first_token_ms: first === null ? null : Math.max(0, Math.round(first)),
    });
  const earned = await query(
    "select node, count(*), sum(gross), sum(node_amount) from receipts where finished_ms >= ? and finished_ms < ? group by 1",
    [startMs, endMs],
  );
  for (const [node, receipts, gross, amount] of earned as [string, number, number, number][])
    Object.assign(of(node), { receipts: Number(receipts), gross: `${gross}`, earned: `${amount}` });
  return [...found.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** An epoch's root in a memo: it cannot fail but for want of lamports, and then waits. */
export const oracleKind: OnceKind = {
  instructions: async () => [],
  givesUp: () => false,
  async done(tx, _, { subject, signature, memo }, atMs) {
    const after = { memo, signature };
    await audit(tx, { ...SYSTEM_CALLER, atMs, action: "oracle.published", subject: `epoch/${subject}`, after });
  },
};

/** What is told of an epoch; `signature` once it is final on the chain. */
export type PublishedEpoch = OracleEpochRow & { memo: string | null; signature: string | null };

/** Newest first. */
export async function listEpochs({ db }: { db: Db }, limit: number, before?: number): Promise<PublishedEpoch[]> {
  const where = before === undefined ? undefined : lt(oracleEpochs.epoch, before);
  const rows = await db.read.select().from(oracleEpochs).where(where).orderBy(desc(oracleEpochs.epoch)).limit(limit);
  return await Promise.all(rows.map((row) => published(db, row)));
}

async function published(db: Db, row: OracleEpochRow): Promise<PublishedEpoch> {
  const ofEpoch = and(eq(onceSends.kind, "oracle"), eq(onceSends.subject, `${row.epoch}`));
  const send = await db.read.select().from(onceSends).where(ofEpoch).get();
  return { ...row, memo: send?.memo ?? null, signature: send?.state === "done" ? send.signature : null };
}

export type Leaf = { node: string; leaf: string };

/** An epoch with its leaves, in order. */
export async function showEpoch(
  { db }: { db: Db },
  epoch: number,
): Promise<(PublishedEpoch & { leaves: Leaf[] }) | null> {
  const row = await db.read.select().from(oracleEpochs).where(eq(oracleEpochs.epoch, epoch)).get();
  return row ? { ...(await published(db, row)), leaves: await leavesOf(db, epoch) } : null;
}

const leavesOf = async (db: Db, epoch: number): Promise<Leaf[]> =>
  db.read
    .select({ node: oracleLeaves.nodePubkey, leaf: oracleLeaves.leaf })
    .from(oracleLeaves)
    .where(eq(oracleLeaves.epoch, epoch))
    .orderBy(asc(oracleLeaves.position));

export type LeafProof = PublishedEpoch & { leaf: string; digest: string; index: number; path: string[] };

/** A node's leaf with its audit path (RFC 6962 §2.1.1). */
export async function proveLeaf({ db }: { db: Db }, epoch: number, node: string): Promise<LeafProof | null> {
  const mine = and(eq(oracleLeaves.epoch, epoch), eq(oracleLeaves.nodePubkey, node));
  const leaf = await db.read.select().from(oracleLeaves).where(mine).get();
  const row = await db.read.select().from(oracleEpochs).where(eq(oracleEpochs.epoch, epoch)).get();
  if (!leaf || !row) return null;
  const digests = (await leavesOf(db, epoch)).map((each) => digestOf(each.leaf));
  const path = merkleProver(digests)(leaf.position).map(toHex);
  return {
    ...(await published(db, row)),
    leaf: leaf.leaf,
    digest: toHex(digestOf(leaf.leaf)),
    index: leaf.position,
    path,
  };
}
