// Receipt delivery: gives nodes on links the receipts of what they did and stores how far each vouches for its chain.
// Off the hot path: at most every second or 256 receipts, a page at a time. Pollers and workers have no part in it.
import { and, eq, gt, lt } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { nodeChains, receipts } from "../ledger/schema.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import { fromHex, toHex } from "../lib/hex.ts";
import type { Log } from "../lib/log.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import {
  MAX_RECEIPTS_PER_FRAME,
  type ReceiptDisputeFrame,
  type ReceiptHeadFrame,
  type ReceiptsFrame,
  sealReceipt,
} from "../protocol/receipt-frames.ts";
import { verifyHead } from "../protocol/receipt-signing.ts";
import type { Node, NodeChannel } from "./registry.ts";

/** What links say about receipts. Called for nodes that may work only, in the order of arrival. */
export type ReceiptListener = {
  /** How far the node vouches; it wants what comes after. */
  head(node: Node, frame: ReceiptHeadFrame): void;
  dispute(node: Node, frame: ReceiptDisputeFrame): void;
  lost(node: Node): void;
};

export type ReceiptDelivery = ReceiptListener & {
  /** Receipts of this node were committed. */
  settled(node: Pubkey, count?: number): void;
  /** Looks for receipts that other coordinators on this database issued, and for what could not be read when it was due. */
  look(): Promise<void>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
};

export type ReceiptDeliveryDeps = {
  db: Db;
  clock: Clock;
  log: Log;
  /** What a job's hashes are salted with: 32 bytes. */
  saltOf(jobId: string): Uint8Array;
};

/** New receipts wait for company so long. */
const GATHER_MS = 1_000;

type Link = {
  channel: NodeChannel;
  /** The last that the node vouches for, as far as it said over this link. */
  seq: number;
  /** A page is on its way, and the node has not answered it. */
  asked: boolean;
  /** There may be more than is known of, which waits for no company. */
  behind: boolean;
  /** Those that are known not to have been sent. */
  fresh: number;
  cancelGather: Cancel | null;
  /** What the node said last, while something before it is being handled. */
  next: ReceiptHeadFrame | null;
  working: boolean;
  /** It and this coordinator do not agree: nothing more is sent over this link. */
  stuck: boolean;
};

export function receiptDelivery({ db, clock, log, saltOf }: ReceiptDeliveryDeps): ReceiptDelivery {
  const links = new Map<Pubkey, Link>();
  const underWay = new Set<Promise<void>>();

  const work = (node: Pubkey, link: Link, act: () => Promise<void>) => {
    link.working = true;
    const step = act()
      .catch((error: unknown) => {
        log.warn("receipts could not be handled now; they are tried again", { node, err: error });
        // With the next that is settled, or at the next look.
        link.asked = false;
      })
      .then(() => {
        underWay.delete(step);
        link.working = false;
        const { next } = link;
        link.next = null;
        if (next && links.get(node) === link) take(node, link, next);
      });
    underWay.add(step);
  };
  const take = (node: Pubkey, link: Link, frame: ReceiptHeadFrame) => {
    work(node, link, async () => {
      const wrong = await keepHead({ db }, node, frame);
      if (wrong !== undefined) {
        link.stuck = true;
        log.warn("a node vouches for receipts that are not those here; it is sent no more of them", {
          node,
          seq: frame.seq,
          reason: wrong,
        });
        return;
      }
      link.seq = frame.seq;
      link.asked = false;
      if (link.behind) await send(node, link);
      else if (link.fresh > 0) gather(node, link);
    });
  };
  const send = async (node: Pubkey, link: Link): Promise<void> => {
    link.cancelGather?.();
    link.cancelGather = null;
    if (link.asked || link.stuck) return;
    const fresh = link.fresh;
    const rows = await db.query(
      "select bytes, signature, attempt from receipts where node = ? and seq > ? order by seq limit ?",
      [node, link.seq, MAX_RECEIPTS_PER_FRAME],
    );
    if (links.get(node) !== link) return;
    const isFull = rows.length === MAX_RECEIPTS_PER_FRAME;
    link.fresh = isFull ? Math.max(0, link.fresh - rows.length) : link.fresh - fresh;
    // A full page and nothing known of what comes after it: who is behind stays so up to the first page that is not full.
    link.behind = isFull && (link.behind || link.fresh === 0);
    if (rows.length === 0) return;
    link.asked = true;
    const frame: ReceiptsFrame = {
      type: "receipts",
      receipts: rows.map(([bytes, signature, attempt]) =>
        sealReceipt(bytes as Uint8Array, signature as Uint8Array, toHex(saltOf(jobOf(attempt as string)))),
      ),
    };
    link.channel.send(JSON.stringify(frame));
  };
  const gather = (node: Pubkey, link: Link) => {
    if (link.asked || link.stuck) return;
    const sendNow = () => {
      link.cancelGather = null;
      // What is being handled sends by itself.
      if (!link.working) work(node, link, () => send(node, link));
    };
    if (link.fresh >= MAX_RECEIPTS_PER_FRAME) sendNow();
    else link.cancelGather ??= clock.after(GATHER_MS, sendNow);
  };

  return {
    head(node, frame) {
      if (!node.channel) return;
      let link = links.get(node.pubkey);
      if (link?.channel !== node.channel) {
        link?.cancelGather?.();
        link = newLink(node.channel);
        links.set(node.pubkey, link);
      }
      if (link.stuck) return;
      if (link.working) link.next = frame;
      else take(node.pubkey, link, frame);
    },
    dispute({ pubkey, name }, { seq, reason }) {
      const link = links.get(pubkey);
      if (!link || link.stuck) return;
      link.stuck = true;
      log.warn("a node disputes a receipt; it vouches for none from there on", { node: pubkey, name, seq, reason });
    },
    lost({ pubkey }) {
      links.get(pubkey)?.cancelGather?.();
      links.delete(pubkey);
    },
    settled(node, count = 1) {
      const link = links.get(node);
      if (!link) return;
      link.fresh += count;
      gather(node, link);
    },
    async look() {
      const rows = await db.read
        .select({ node: nodeChains.node })
        .from(nodeChains)
        .where(gt(nodeChains.seq, nodeChains.countersignedSeq));
      for (const { node } of rows) {
        const link = links.get(node as Pubkey);
        if (link) gather(node as Pubkey, link);
      }
    },
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

const newLink = (channel: NodeChannel): Link => ({
  channel,
  seq: 0,
  asked: false,
  behind: true,
  fresh: 0,
  cancelGather: null,
  next: null,
  working: false,
  stuck: false,
});

const jobOf = (attempt: string): string => attempt.slice(0, 36);

/** Stores the node's word where it goes further than the last; says what is wrong with it, if anything. */
async function keepHead({ db }: { db: Db }, node: Pubkey, frame: ReceiptHeadFrame): Promise<string | undefined> {
  const { seq, digest, sig } = frame;
  if (seq === 0) return undefined;
  const [row] = await db.read
    .select({ digest: receipts.digest, countersigned: nodeChains.countersignedSeq })
    .from(receipts)
    .innerJoin(nodeChains, eq(nodeChains.node, receipts.node))
    .where(and(eq(receipts.node, node), eq(receipts.seq, seq)));
  if (!row) return "there is no receipt of that number";
  if (toHex(row.digest) !== digest) return "that receipt has another digest";
  if (row.countersigned >= seq) return undefined;
  if (sig === undefined) return "it is not signed";
  if (!verifyHead(sig, { seq: BigInt(seq), digest: row.digest }, node)) return "the signature does not verify";
  // The node says it again at its next link, should this be lost.
  await db.writer.transact(
    (tx) =>
      tx
        .update(nodeChains)
        .set({ countersignedSeq: seq, countersignedSig: Buffer.from(fromHex(sig)) })
        .where(and(eq(nodeChains.node, node), lt(nodeChains.countersignedSeq, seq))),
    { durable: false },
  );
  return undefined;
}
