// Receipt book: the node's end of its receipts at one coordinator, over however many links. Checks each page of receipts
// against its own chain and what it saw, keeps them, and vouches for the chain by one signature a page. protocol/design.md
// tells what it does not accept.
import type { Clock } from "../../lib/clock.ts";
import { fromHex, toHex } from "../../lib/hex.ts";
import type { Log } from "../../lib/log.ts";
import type { Result } from "../../lib/result.ts";
import { nextTurn } from "../../lib/turns.ts";
import type { NodeFrame } from "../../protocol/frames.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import {
  type ReceiptKey,
  type ReceiptsFrame,
  type SealedReceipt,
  unsealReceipt,
} from "../../protocol/receipt-frames.ts";
import { jobIdText } from "../../protocol/receipt-json.ts";
import {
  brokenLink,
  type ChainHead,
  EMPTY_CHAIN,
  type OpenedReceipt,
  openPage,
  signHead,
  verifyReceiptKey,
} from "../../protocol/receipt-signing.ts";
import { receiptFault } from "./check-receipt.ts";
import type { PriceMemory } from "./price-memory.ts";
import type { ReceiptEntry, ReceiptFile } from "./receipt-file.ts";
import { type Witness, type Witnesses, witnesses } from "./witness.ts";

/** What a link asks of the book. Called in the order of arrival. */
export type ReceiptLink = Pick<Witnesses, "announced" | "dispatched" | "ended" | "cancelled" | "acknowledged"> & {
  /** The link works. `key`: absent where the coordinator issues no receipts. */
  opened(say: (frame: NodeFrame) => void, key: ReceiptKey | undefined): void;
  receipts(frame: ReceiptsFrame): void;
  closed(): void;
};

export type ReceiptBook = {
  /** One link's end. Replicas of a coordinator have one key and one chain: what came over one is known to all. */
  link(): ReceiptLink;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
};

export type ReceiptBookDeps = {
  clock: Clock;
  log: Log;
  node: { secretKey: Uint8Array; pubkey: Pubkey };
  coordinator: { pubkey: Pubkey; label: string };
  file: ReceiptFile;
  prices: PriceMemory;
};

/** Receipts that are checked in one turn of the event loop: about a millisecond. */
const CHECKED_AT_ONCE = 16;
/** Pages that wait; a coordinator sends one and waits for its answer. */
const MAX_WAITING = 4;

type Link = { say: (frame: NodeFrame) => void; key: ReceiptKey; disputed: boolean };
/** A receipt that this node vouches for, or what it holds against it. */
type Verdict = { entry: ReceiptEntry; head: ChainHead; witness: Witness | undefined } | { seq: number; reason: string };

export function receiptBook(deps: ReceiptBookDeps): ReceiptBook {
  const { log, node, coordinator, file, prices } = deps;
  const seen = witnesses(deps);
  let steps: Promise<void> = Promise.resolve();
  /** The last that was written down as disputed: once is enough. */
  let disputedSeq = 0;

  const tell = ({ say }: Link) => {
    const { head } = file;
    if (head) say({ type: "receipt_head", ...head });
    else say({ type: "receipt_head", seq: 0, digest: toHex(EMPTY_CHAIN.digest) });
  };
  const takePage = async (of: Link, page: readonly SealedReceipt[], isOpen: () => boolean): Promise<void> => {
    const entries: ReceiptEntry[] = [];
    const before = chainHead(file);
    let head = before;
    let against: { seq: number; reason: string } | null = null;
    const opened = openPage(page.map(unsealReceipt), randomIndex(page.length));
    for (const [i, sealed] of page.entries()) {
      const one = opened[i];
      if (!one) break;
      if (i > 0 && i % CHECKED_AT_ONCE === 0) await nextTurn();
      const verdict = judge({ node, seen, key: of.key }, head, sealed, one);
      if (verdict === "known") continue;
      if ("reason" in verdict) {
        against = verdict;
        entries.push(...disputeEntry(sealed, verdict));
        break;
      }
      entries.push(verdict.entry);
      head = verdict.head;
      if (verdict.witness) seen.forget(verdict.witness);
    }
    if (head.seq > before.seq) entries.push({ t: "head", ...signed(head) });
    if (entries.length > 0) await file.append(file.key === of.key.key ? entries : [ownerEntry(of), ...entries]);
    if (!isOpen()) return;
    if (head.seq > before.seq || against === null) tell(of);
    if (against) dispute(of, against);
  };
  const signed = (head: ChainHead) => ({
    seq: Number(head.seq),
    digest: toHex(head.digest),
    sig: signHead(node.secretKey, head),
  });
  const ownerEntry = ({ key }: Link): ReceiptEntry => ({
    t: "coordinator",
    pubkey: coordinator.pubkey,
    ...key,
  });
  const disputeEntry = (sealed: SealedReceipt, { seq, reason }: { seq: number; reason: string }): ReceiptEntry[] => {
    if (seq === disputedSeq) return [];
    disputedSeq = seq;
    return [{ t: "disputed", ...sealed, reason }];
  };
  const dispute = (of: Link, { seq, reason }: { seq: number; reason: string }) => {
    of.disputed = true;
    log.error("a receipt is not what this node knows; it vouches for none from there on", {
      coordinator: coordinator.label,
      seq,
      reason,
    });
    of.say({ type: "receipt_dispute", seq: Math.max(1, seq), reason: reason.slice(0, 512) });
  };

  const newLink = (): ReceiptLink => {
    let link: Link | null = null;
    let waiting = 0;
    return {
      announced: seen.announced,
      // What is not compared later is not kept either.
      dispatched: (frame, message) => void (link && seen.dispatched(frame, message)),
      ended: seen.ended,
      cancelled: seen.cancelled,
      acknowledged: seen.acknowledged,
      opened(say, key) {
        link = null;
        if (!key) return;
        if (!verifyReceiptKey(key.sig, coordinator.pubkey, key.key)) {
          log.error("the coordinator's key for receipts is not certified by its own; no receipt is taken", {
            coordinator: coordinator.label,
          });
          return;
        }
        link = { say, key, disputed: false };
        const opened = link;
        // After what an earlier link brought and is still being written.
        steps = steps.then(() => {
          if (link === opened) tell(opened);
        });
      },
      receipts({ receipts }) {
        const of = link;
        if (!of || of.disputed || waiting >= MAX_WAITING) return;
        waiting++;
        steps = steps
          .then(() => (link === of ? takePage(of, receipts, () => link === of) : undefined))
          .catch((error: unknown) => {
            log.error("receipts could not be kept; they come again", { coordinator: coordinator.label, err: error });
          })
          .finally(() => {
            waiting--;
          });
      },
      closed() {
        link = null;
      },
    };
  };
  return { link: newLink, idle: async () => void (await Promise.all([steps, prices.idle()])) };
}

/** Which signature is looked at beside the last: nobody can know before. */
const randomIndex = (length: number): number => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % length;

const chainHead = ({ head }: ReceiptFile): ChainHead =>
  head ? { seq: BigInt(head.seq), digest: fromHex(head.digest) } : EMPTY_CHAIN;

type Judge = { node: { pubkey: Pubkey }; seen: Witnesses; key: ReceiptKey };

function judge(
  { node, seen, key }: Judge,
  head: ChainHead,
  sealed: SealedReceipt,
  opened: Result<OpenedReceipt, string>,
): Verdict | "known" {
  if (!opened.ok) return { seq: Number(head.seq) + 1, reason: opened.error };
  const { receipt, digest } = opened.value;
  const fault = (reason: string): Verdict => ({ seq: Number(receipt.seq), reason });
  if (toHex(receipt.coordinator) !== key.key) return fault("coordinator at byte 33 is not the certified key");
  if (toHex(receipt.node) !== node.pubkey) return fault("node at byte 121 is another node");
  if (receipt.seq < head.seq) return "known";
  if (receipt.seq === head.seq) {
    if (Buffer.compare(digest, head.digest) === 0) return "known";
    return fault("it is another receipt than the one of this number that this node vouched for");
  }
  const broken = brokenLink(head, receipt);
  if (broken !== undefined) return fault(broken);
  const candidates = seen.ofJob(jobIdText(receipt.jobId));
  const faults = candidates.map((witness) => receiptFault(receipt, fromHex(sealed.salt), witness));
  const fits = faults.indexOf(undefined);
  const [first] = faults;
  if (fits < 0 && first !== undefined) return fault(first);
  const witness = candidates[fits];
  const known = witness ? { attempt: witness.attempt, model: witness.model } : {};
  return { entry: { t: "receipt", ...sealed, ...known }, head: { seq: receipt.seq, digest }, witness };
}
