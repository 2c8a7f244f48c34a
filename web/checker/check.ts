// Check: what an export of receipts proves, in words for people: each thing that was looked at, and what the receipts
// say. The looking itself is the protocol's.
import { toHex } from "../../src/lib/hex.ts";
import type { ExportedReceipt, ExportLine } from "../../src/protocol/receipt-export.ts";
import { unsealReceipt } from "../../src/protocol/receipt-frames.ts";
import { jobIdText } from "../../src/protocol/receipt-json.ts";
import { exportLines } from "../../src/protocol/receipt-lines.ts";
import { CHECKS, type Check, type Fault, receiptVerifier, type Verified } from "../../src/protocol/receipt-verifier.ts";
import { decodeReceipt, textHash } from "../../src/protocol/receipts.ts";
import { type ChangedByte, changedByte } from "./changed-byte.ts";

export type CheckReport = {
  verdict: "verified" | "fault" | "unreadable";
  /** One sentence. */
  says: string;
  checks: { title: string; tone: "ok" | "warn" | "bad" | "off"; says: string }[];
  /** The first of them. */
  receipts: ReceiptSays[];
  /** How many were read in all. */
  count: number;
};
/** What a receipt says; amounts in µ$. */
export type ReceiptSays = {
  job: string;
  node: string;
  seq: string;
  /** As the file calls it, and whether the receipt's hash is that of this name. */
  model: string | null;
  isModelProven: boolean;
  modelHash: string;
  promptTokens: number;
  completionTokens: number;
  gross: bigint;
  nodeAmount: bigint;
  fee: bigint;
  finishedAtMs: number;
  /** It did not verify. */
  isFaulty: boolean;
};

const SHOWN = 100;
/** Receipts between two words of how far it is. */
const STEP = 50;

type Options = {
  /** The identity of the instance whose page asks. */
  own: string;
  /** Told now and then; its answer says whether to go on. */
  onProgress: (count: number) => Promise<boolean>;
};

/** Undefined where nobody waits for it any more. */
export async function check(pieces: AsyncIterable<string>, options: Options): Promise<CheckReport | undefined> {
  const verifier = receiptVerifier({ coordinator: null, evidence: null });
  const receipts: ReceiptSays[] = [];
  const signers: string[] = [];
  let count = 0;
  const lines = exportLines(pieces);
  const heads: ExportLine[] = [];
  for await (const line of lines) {
    if (!line.ok) return unreadable(line.error, receipts, count);
    if (line.value.t === "head") heads.push(line.value);
    const fault = verifier.take(line.value);
    if (line.value.t === "coordinator") signers.push(line.value.pubkey);
    if (line.value.t === "receipt") {
      count++;
      const says = receiptSays(line.value, fault !== undefined);
      if (says && (receipts.length < SHOWN || fault)) receipts.push(says);
      if (count % STEP === 0 && !(await options.onProgress(count))) return undefined;
    }
    if (fault?.check === "signature" && line.value.t === "receipt") {
      const after = await lines.next();
      const known = [...heads, ...(after.done !== true && after.value.ok ? [after.value.value] : [])];
      const changed = changedByte(unsealReceipt(line.value).bytes, digestsIn(known));
      if (changed) return faulty({ ...fault, message: changedWords(changed) }, receipts, count, signers, options.own);
    }
    if (fault) return faulty(fault, receipts, count, signers, options.own);
  }
  if (count === 0) return unreadable("there is no receipt in it", receipts, count);
  const done = verifier.finish();
  if (!done.ok) return faulty(done.error, receipts, count, signers, options.own);
  return verified(done.value, receipts, options.own);
}

/** Of receipts, as heads and the receipts after them name them. */
const digestsIn = (lines: readonly ExportLine[]): Set<string> =>
  new Set(
    lines.flatMap((line) => {
      if (line.t === "head") return line.digest;
      const decoded = line.t === "receipt" ? decodeReceipt(unsealReceipt(line).bytes) : undefined;
      return decoded?.ok ? toHex(decoded.value.previous) : [];
    }),
  );

const changedWords = ({ at, field, was, is }: ChangedByte): string =>
  `byte ${at}, in ${field}, was changed after it was signed: it is ${is} and was ${was}`;

/** Of bytes that hold together at all. */
function receiptSays(line: ExportedReceipt, isFaulty: boolean): ReceiptSays | undefined {
  const decoded = decodeReceipt(unsealReceipt(line).bytes);
  if (!decoded.ok) return undefined;
  const { jobId, node, seq, modelHash, promptTokens, completionTokens, gross, nodeAmount, fee, finishedAtMs } =
    decoded.value;
  return {
    job: jobIdText(jobId),
    node: toHex(node),
    seq: String(seq),
    model: line.model ?? null,
    isModelProven: line.model !== undefined && toHex(textHash(line.model)) === toHex(modelHash),
    modelHash: toHex(modelHash),
    ...{ promptTokens, completionTokens, gross, nodeAmount, fee, isFaulty },
    finishedAtMs: Number(finishedAtMs),
  };
}

const receiptCount = (n: number | bigint): string => `${n} ${n === 1 || n === 1n ? "receipt" : "receipts"}`;
const shortKey = (key: string): string => `${key.slice(0, 8)}…${key.slice(-8)}`;
const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

const unreadable = (why: string, receipts: ReceiptSays[], count: number): CheckReport => ({
  verdict: "unreadable",
  says: `This is no export of receipts: ${why}.`,
  checks: [],
  receipts,
  count,
});

const TITLES: Readonly<Record<Check, string>> = {
  key: "The coordinator's key",
  bytes: "What each receipt says",
  signature: "The coordinator's signatures",
  order: "Their order",
  countersignature: "The nodes' word",
  payout: "Payouts",
  evidence: "Request and answer",
};
/** Nobody gives the page a request to compare with. */
const SHOWN_CHECKS = CHECKS.filter((check) => check !== "evidence");

function whose(signers: readonly string[], own: string): CheckReport["checks"][number] {
  const title = "Whose they are";
  const [first = ""] = signers;
  const others = signers.filter((signer) => signer !== own);
  if (others.length === 0) return { title, tone: "ok", says: `This network's: ${shortKey(own)}.` };
  const says = `Another network's: ${shortKey(others[0] ?? first)}. This one is ${shortKey(own)}. What they say is as true as that coordinator is.`;
  return { title, tone: "warn", says };
}

function faulty(
  fault: Fault,
  receipts: ReceiptSays[],
  count: number,
  signers: readonly string[],
  own: string,
): CheckReport {
  const before = Math.max(0, count - 1);
  return {
    verdict: "fault",
    says:
      fault.receipt === null ? sentence(fault.message) : `Receipt ${fault.receipt} does not verify: ${fault.message}.`,
    checks: [
      ...SHOWN_CHECKS.map((check) => {
        const title = TITLES[check];
        if (check === fault.check) return { title, tone: "bad", says: sentence(fault.message) } as const;
        if (check === "key" && signers.length > 0)
          return { title, tone: "ok", says: "Certified by its identity." } as const;
        const says = before === 0 ? "Not looked at." : `Good for the ${receiptCount(before)} before it.`;
        return { title, tone: "off", says } as const;
      }),
      ...(signers.length > 0 ? [whose(signers, own)] : []),
    ],
    receipts,
    count,
  };
}

function verified(done: Verified, receipts: ReceiptSays[], own: string): CheckReport {
  const only = done.receipts - done.countersigned;
  const all = receiptCount(done.receipts);
  const says: Record<Exclude<Check, "evidence">, Omit<CheckReport["checks"][number], "title">> = {
    key: { tone: "ok", says: `Certified by ${done.coordinators.map(shortKey).join(", ")}.` },
    bytes: { tone: "ok", says: "387 bytes each, and every split of an amount adds up." },
    signature: { tone: "ok", says: `${done.receipts} of ${all} signed by that key.` },
    order:
      done.missing === 0n
        ? { tone: "ok", says: "None is missing between others of its node." }
        : { tone: "off", says: `${receiptCount(done.missing)} between them not in this part.` },
    countersignature:
      only === 0
        ? { tone: "ok", says: `${done.countersigned} of ${all} vouched for by their node.` }
        : {
            tone: "warn",
            says: `${only} of ${all} coordinator-only: no word of their node is here. ${done.countersigned} countersigned.`,
          },
    payout: payouts(done),
  };
  return {
    verdict: "verified",
    says: `${all} of ${done.nodes} ${done.nodes === 1 ? "node" : "nodes"} verified: everything in ${done.receipts === 1 ? "it" : "them"} is as it was signed.`,
    checks: [
      ...SHOWN_CHECKS.map((check) => ({ title: TITLES[check], ...says[check as keyof typeof says] })),
      whose(done.coordinators, own),
    ],
    receipts,
    count: done.receipts,
  };
}

function payouts({ payouts: proven, unprovenPayouts }: Verified): { tone: "ok" | "off"; says: string } {
  if (proven.length === 0 && unprovenPayouts === 0) return { tone: "off", says: "None is named here." };
  const unproven = unprovenPayouts > 0 ? ` ${unprovenPayouts} not proven: not all of their receipts are here.` : "";
  const roots = `${proven.length} whose root is that of ${proven.length === 1 ? "its" : "their"} receipts.`;
  return { tone: proven.length > 0 ? "ok" : "off", says: `${proven.length > 0 ? roots : ""}${unproven}`.trim() };
}
