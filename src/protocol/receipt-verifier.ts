// Receipt verifier: goes through an export line by line and trusts nothing in it: each receipt's signature, layout and
// split, each node's chain, what nodes vouched for, and what payouts paid. Needs no network and keeps little in memory.
import { fromHex, toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { merkleRoot, payoutMemo, verifyMerkleProof } from "./merkle.ts";
import { pubkeySchema } from "./primitives.ts";
import type {
  ExportedCoordinator,
  ExportedHead,
  ExportedPayout,
  ExportedReceipt,
  ExportLine,
} from "./receipt-export.ts";
import { unsealReceipt } from "./receipt-frames.ts";
import { jobIdText } from "./receipt-json.ts";
import { brokenLink, openReceipt, verifyHead, verifyReceiptKey } from "./receipt-signing.ts";
import { decodeReceipt, type Receipt, saltedHasher } from "./receipts.ts";

/** What the bytes of one job are to be: each is compared where it is given. */
export type Evidence = { salt: Uint8Array | null; request: Uint8Array | null; output: Uint8Array | null };

export type VerifierOptions = {
  /** The only identity whose receipts are accepted; null: any, as the export says. */
  coordinator: string | null;
  evidence: Evidence | null;
};

/** What an export proves. */
export type Verified = {
  receipts: number;
  /** Those that their node vouches for, as far as the export shows; the others are the coordinator's word alone. */
  countersigned: number;
  nodes: number;
  /** Identities of the coordinators that signed. */
  coordinators: string[];
  /** Sums over the receipts, µ$. */
  gross: bigint;
  nodeAmount: bigint;
  fee: bigint;
  /** Receipts that are not here, between others of their chain. */
  missing: bigint;
  /** Payouts whose root is that of their receipts here, each with the memo that its transaction carries. */
  payouts: { id: string; memo: string; transaction: string | null; receipts: number }[];
  /** Payouts of which not every receipt is here, and no proof. */
  unprovenPayouts: number;
  requestMatched: number;
  outputMatched: number;
};

/**
 * What is looked at: who certified the signing key; each receipt's own bytes; its signature; its place among those of its
 * node; the node's word for it; what paid it; and whether it is about these texts.
 */
export const CHECKS = ["key", "bytes", "signature", "order", "countersignature", "payout", "evidence"] as const;
export type Check = (typeof CHECKS)[number];

/** The first thing that is wrong: what was looked at, which receipt, and which field of it. */
export type Fault = { check: Check; receipt: string | null; message: string };

export type ReceiptVerifier = {
  take(line: ExportLine): Fault | undefined;
  finish(): Result<Verified, Fault>;
};

type Chain = {
  head: { seq: bigint; digest: Uint8Array };
  /** Receipts up to the head, without a gap, that no node's word covers yet. */
  uncovered: number;
};
type Payout = { of: ExportedPayout; digests: Uint8Array[]; proven: number };

export function receiptVerifier({ coordinator: only, evidence }: VerifierOptions): ReceiptVerifier {
  const done: Verified = {
    receipts: 0,
    countersigned: 0,
    nodes: 0,
    coordinators: [],
    gross: 0n,
    nodeAmount: 0n,
    fee: 0n,
    missing: 0n,
    payouts: [],
    unprovenPayouts: 0,
    requestMatched: 0,
    outputMatched: 0,
  };
  let signer: ExportedCoordinator | null = null;
  const chains = new Map<string, Chain>();
  /** Of the last coordinator; by the digest of the receipt that they end with. */
  const heads = new Map<string, ExportedHead>();
  const payouts = new Map<string, Payout>();
  const nodes = new Set<string>();
  /** The receipt read last, which a head in a node's own file stands behind. */
  let last: { digest: string; receipt: Receipt; chain: Chain } | null = null;

  const takeCoordinator = (line: ExportedCoordinator): Fault | undefined => {
    const fault = (message: string): Fault => ({ check: "key", receipt: null, message });
    if (only !== null && line.pubkey !== only) return fault(`coordinator ${line.pubkey} is not the one asked for`);
    if (!verifyReceiptKey(line.sig, line.pubkey, line.key))
      return fault(`the receipt key ${line.key} is not certified by coordinator ${line.pubkey}`);
    signer = line;
    heads.clear();
    if (!done.coordinators.includes(line.pubkey)) done.coordinators.push(line.pubkey);
    return undefined;
  };

  const cover = (chain: Chain, receipt: Receipt, digest: Uint8Array, head: ExportedHead): string | undefined => {
    const node = pubkeySchema.parse(toHex(receipt.node));
    if (BigInt(head.seq) !== receipt.seq) return `the head of seq ${head.seq} has the digest of seq ${receipt.seq}`;
    if (!verifyHead(head.sig, { seq: receipt.seq, digest }, node))
      return `the countersignature of seq ${head.seq} is not that of node ${node}`;
    done.countersigned += chain.uncovered;
    chain.uncovered = 0;
    return undefined;
  };

  const follow = (receipt: Receipt, digest: Uint8Array): Result<Chain, string> => {
    const node = toHex(receipt.node);
    nodes.add(node);
    const key = `${signer?.pubkey}/${node}`;
    const chain = chains.get(key);
    if (!chain) {
      const begun = { head: { seq: receipt.seq, digest }, uncovered: 1 };
      chains.set(key, begun);
      const isFirst = receipt.seq === 1n;
      if (isFirst && receipt.previous.some((byte) => byte !== 0)) return err("previous at byte 89 of a first receipt");
      return ok(begun);
    }
    if (receipt.seq <= chain.head.seq) return err(`seq ${receipt.seq} at byte 81 comes after ${chain.head.seq}`);
    const gap = receipt.seq - chain.head.seq - 1n;
    if (gap > 0n) {
      if (signer?.whole === true)
        return err(
          `seq ${receipt.seq} at byte 81 follows ${chain.head.seq}: ${gap === 1n ? "1 receipt is" : `${gap} receipts are`} missing`,
        );
      done.missing += gap;
      chain.uncovered = 0;
    } else {
      const broken = brokenLink(chain.head, receipt);
      if (broken !== undefined) return err(broken);
    }
    chain.head = { seq: receipt.seq, digest };
    chain.uncovered++;
    return ok(chain);
  };

  const compare = (receipt: Receipt, salt: string | undefined): string | undefined => {
    if (!evidence) return undefined;
    const salted = evidence.salt ?? (salt === undefined ? null : fromHex(salt));
    if (!salted) return "there is no salt to compare its hashes with";
    const hash = (bytes: Uint8Array) => new Uint8Array(saltedHasher(salted).update(bytes).digest());
    if (evidence.request) {
      if (!same(hash(evidence.request), receipt.requestHash)) return "request_hash at byte 315 is of another request";
      done.requestMatched++;
    }
    if (evidence.output) {
      if (!same(hash(evidence.output), receipt.outputHash)) return "output_hash at byte 347 is of another output";
      done.outputMatched++;
    }
    return undefined;
  };

  const count = (line: ExportedReceipt, receipt: Receipt, digest: Uint8Array): string | undefined => {
    done.receipts++;
    done.gross += receipt.gross;
    done.nodeAmount += receipt.nodeAmount;
    done.fee += receipt.fee;
    const payout = line.payout === undefined ? undefined : payouts.get(line.payout);
    if (!payout) return undefined;
    if (payout.of.node !== toHex(receipt.node)) return `payout ${payout.of.id} pays another node`;
    if (!line.proof) {
      payout.digests.push(digest);
      return undefined;
    }
    const { index, path } = line.proof;
    const proof = { index, count: payout.of.receipts, path: path.map(fromHex) };
    if (!verifyMerkleProof(fromHex(payout.of.root), digest, proof)) return `the proof for payout ${payout.of.id} fails`;
    payout.proven++;
    return undefined;
  };

  const takeReceipt = (line: ExportedReceipt): Fault | undefined => {
    const { bytes, signature } = unsealReceipt(line);
    const opened = openReceipt(bytes, signature);
    if (!opened.ok) {
      const check = decodeReceipt(bytes).ok ? "signature" : "bytes";
      return { check, receipt: line.attempt ?? `number ${done.receipts + 1} of the export`, message: opened.error };
    }
    const { receipt, digest } = opened.value;
    const fault = (check: Check, message: string): Fault => ({ check, receipt: nameOf(receipt), message });
    if (!signer) return fault("key", "no coordinator is named before it");
    if (toHex(receipt.coordinator) !== signer.key)
      return fault("key", `coordinator at byte 33 is not the key that ${signer.pubkey} certified`);
    if (line.attempt !== undefined && !line.attempt.startsWith(`${jobIdText(receipt.jobId)}.`))
      return fault("bytes", `job_id at byte 65 is not that of attempt ${line.attempt}`);
    const chain = follow(receipt, digest);
    if (!chain.ok) return fault("order", chain.error);
    const unpaid = count(line, receipt, digest);
    if (unpaid !== undefined) return fault("payout", unpaid);
    const unlike = compare(receipt, line.salt);
    if (unlike !== undefined) return fault("evidence", unlike);
    const hex = toHex(digest);
    last = { digest: hex, receipt, chain: chain.value };
    const head = heads.get(hex);
    const uncovered = head && cover(chain.value, receipt, digest, head);
    return uncovered === undefined ? undefined : fault("countersignature", uncovered);
  };

  const takeHead = (head: ExportedHead): Fault | undefined => {
    if (last?.digest !== head.digest) {
      heads.set(head.digest, head);
      return undefined;
    }
    const wrong = cover(last.chain, last.receipt, fromHex(head.digest), head);
    return wrong === undefined
      ? undefined
      : { check: "countersignature", receipt: nameOf(last.receipt), message: wrong };
  };

  /** Each page of an export names the payouts of its receipts. */
  const takePayout = (line: ExportedPayout): Fault | undefined => {
    const { of } = payouts.get(line.id) ?? { of: null };
    if (!of) payouts.set(line.id, { of: line, digests: [], proven: 0 });
    else if (of.root !== line.root || of.node !== line.node || of.receipts !== line.receipts)
      return { check: "payout", receipt: null, message: `payout ${line.id} is told in two ways` };
    return undefined;
  };

  return {
    take(line) {
      switch (line.t) {
        case "coordinator":
          return takeCoordinator(line);
        case "head":
          return takeHead(line);
        case "payout":
          return takePayout(line);
        case "receipt":
          return takeReceipt(line);
        case "disputed":
          return undefined;
      }
    },
    finish() {
      for (const { of, digests, proven } of payouts.values()) {
        const isWhole = digests.length === of.receipts;
        if (isWhole && toHex(merkleRoot(digests)) !== of.root)
          return err({
            check: "payout",
            receipt: null,
            message: `the root of payout ${of.id} is not that of its receipts`,
          });
        if (!isWhole && proven === 0) done.unprovenPayouts++;
        else {
          const memo = payoutMemo(of.id, fromHex(of.root));
          done.payouts.push({
            id: of.id,
            memo,
            transaction: of.transaction,
            receipts: isWhole ? digests.length : proven,
          });
        }
      }
      return ok({ ...done, nodes: nodes.size });
    },
  };
}

const nameOf = (receipt: Receipt): string =>
  `${jobIdText(receipt.jobId)} (seq ${receipt.seq} of node ${toHex(receipt.node).slice(0, 16)})`;

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
