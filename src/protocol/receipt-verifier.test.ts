import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromHex, toHex } from "../lib/hex.ts";
import { merkleProver, merkleRoot, payoutMemo } from "./merkle.ts";
import { pubkeySchema } from "./primitives.ts";
import type { ExportLine } from "./receipt-export.ts";
import { sealReceipt } from "./receipt-frames.ts";
import { receiptSigner, signHead, signReceiptKey } from "./receipt-signing.ts";
import { type Fault, receiptVerifier, type VerifierOptions } from "./receipt-verifier.ts";
import { encodeReceipt, receiptDigest, saltedHasher, splitGross, ZERO_32 } from "./receipts.ts";
import { pubkeyOf } from "./schnorr.ts";

const secret = (n: number) => fromHex(String(n).padStart(64, "0"));
const COORDINATOR = { secretKey: secret(2), pubkey: pubkeyOf(secret(2)) };
const SIGNER = receiptSigner(new Uint8Array(32).fill(7));
const KEY = toHex(SIGNER.publicKey);
const SALT = new Uint8Array(32).fill(3);
const hash = (text: string) => new Uint8Array(saltedHasher(SALT).update(text).digest());
const OWNER: ExportLine = {
  t: "coordinator",
  pubkey: COORDINATOR.pubkey,
  key: KEY,
  sig: signReceiptKey(COORDINATOR, KEY),
};

type Issued = { line: ExportLine & { t: "receipt" }; seq: number; digest: Uint8Array };

/** A node's first receipts. */
function chain(node: number, count: number): Issued[] {
  const issued: Issued[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const bytes = encodeReceipt({
      version: 1,
      genesis: ZERO_32,
      coordinator: SIGNER.publicKey,
      jobId: new Uint8Array(16).fill(seq),
      seq: BigInt(seq),
      previous: issued.at(-1)?.digest ?? ZERO_32,
      node: fromHex(pubkeyOf(secret(node))),
      nodeWallet: ZERO_32,
      client: ZERO_32,
      mint: ZERO_32,
      gross: 1000n + BigInt(seq),
      ...splitGross(1000n + BigInt(seq), 1200),
      feeBps: 1200,
      promptTokens: 1,
      completionTokens: 2,
      modelHash: ZERO_32,
      requestHash: hash("request"),
      outputHash: hash(`output ${seq}`),
      finishedAtMs: 5n,
    });
    const digest = receiptDigest(bytes);
    issued.push({ line: { t: "receipt", ...sealReceipt(bytes, SIGNER.sign(digest), toHex(SALT)) }, seq, digest });
  }
  return issued;
}
const headOf = (node: number, { seq, digest }: Issued): ExportLine => ({
  t: "head",
  seq,
  digest: toHex(digest),
  sig: signHead(secret(node), { seq: BigInt(seq), digest }),
});
const A = chain(3, 6);
const B = chain(4, 3);
const lines = (issued: readonly Issued[]) => issued.map(({ line }) => line);
const WHOLE: ExportLine[] = [
  { ...OWNER, whole: true } as ExportLine,
  headOf(3, A[3]!),
  headOf(4, B[2]!),
  ...lines(A),
  ...lines(B),
];

const ANY: VerifierOptions = { coordinator: null, evidence: null };
function run(given: readonly ExportLine[], options: VerifierOptions = ANY) {
  const verifier = receiptVerifier(options);
  for (const line of given) {
    const fault = verifier.take(line);
    if (fault) return fault;
  }
  const done = verifier.finish();
  return done.ok ? done.value : done.error;
}
const faultOf = (given: readonly ExportLine[], options?: VerifierOptions): string =>
  (run(given, options) as Fault).message;

describe("an export", () => {
  test("is verified, and what nodes vouch for is told apart", () => {
    expect(run(WHOLE)).toMatchObject({
      receipts: 9,
      countersigned: 7,
      nodes: 2,
      coordinators: [COORDINATOR.pubkey],
      missing: 0n,
      gross: 9027n,
    });
  });

  test("fails with any one sign of any receipt, signature or head changed", () => {
    const texts = fc.integer({ min: 1, max: WHOLE.length - 1 });
    fc.assert(
      fc.property(texts, fc.nat(), fc.boolean(), (i, where, inSignature) => {
        const line = WHOLE[i]!;
        const [name, text] =
          line.t === "head" ? ["sig", line.sig] : line.t === "receipt" ? receiptText(line, inSignature) : ["", ""];
        const at = where % text.replace(/=+$/, "").length;
        const other =
          text[at] === "A" || text[at] === "a" ? "b" : text[at] === "0" ? "1" : line.t === "head" ? "0" : "A";
        const changed = text.slice(0, at) + other + text.slice(at + 1);
        const same = Buffer.from(changed, "base64").equals(Buffer.from(text, "base64"));
        const given = WHOLE.with(i, { ...line, [name]: changed } as ExportLine);
        if (line.t === "head" || !same) expect(run(given)).toHaveProperty("message");
      }),
      { numRuns: 300 },
    );
  });

  test("that claims to be whole fails where a receipt is left out, but for the last of a chain", () => {
    for (let i = 3; i < WHOLE.length; i++) {
      const given = WHOLE.toSpliced(i, 1);
      const isLast = i === 8 || i === 11;
      const isFirst = i === 3 || i === 9;
      const result = run(given);
      // A file may begin anywhere; the number of its first receipt says what is not in it.
      if (isLast || isFirst) expect(result).toMatchObject({ receipts: 8 });
      else expect(result).toMatchObject({ message: expect.stringContaining("1 receipt is missing") });
    }
  });

  test("of a part counts what is missing, and nobody's word reaches over a gap", () => {
    const [head, ...rest] = [headOf(3, A[5]!), ...lines(A).toSpliced(2, 1)];
    expect(run([OWNER, head!, ...rest])).toMatchObject({ receipts: 5, missing: 1n, countersigned: 3 });
  });

  test("fails where receipts come twice, or in another order", () => {
    const [first, second] = lines(A);
    expect(faultOf([OWNER, first!, first!])).toContain("seq 1 at byte 81 comes after 1");
    expect(faultOf([OWNER, second!, first!])).toContain("seq 1 at byte 81 comes after 2");
  });

  test("fails where its coordinator is another one, or did not certify the key", () => {
    expect(faultOf(WHOLE, { ...ANY, coordinator: pubkeyOf(secret(9)) })).toContain("is not the one asked for");
    const forged = { ...OWNER, pubkey: pubkeySchema.parse(pubkeyOf(secret(9))) } as ExportLine;
    expect(faultOf([forged, ...lines(A)])).toContain("is not certified");
    expect(faultOf(lines(A))).toContain("no coordinator is named");
    const stranger = receiptSigner(new Uint8Array(32).fill(8));
    const key = toHex(stranger.publicKey);
    const certified: ExportLine = { ...OWNER, key, sig: signReceiptKey(COORDINATOR, key) } as ExportLine;
    expect(faultOf([certified, ...lines(A)])).toContain("coordinator at byte 33");
  });

  test("in a node's own file has the head behind its receipts", () => {
    expect(run([OWNER, ...lines(A.slice(0, 4)), headOf(3, A[3]!), ...lines(A.slice(4))])).toMatchObject({
      countersigned: 4,
      receipts: 6,
    });
    expect(faultOf([OWNER, ...lines(A), headOf(4, A[5]!)])).toContain("the countersignature of seq 6");
    const renumbered = { ...headOf(3, A[5]!), seq: 5 } as ExportLine;
    expect(faultOf([OWNER, ...lines(A), renumbered])).toContain("has the digest of seq 6");
  });
});

const receiptText = (line: ExportLine & { t: "receipt" }, inSignature: boolean): [string, string] =>
  inSignature ? ["sig", line.sig] : ["receipt", line.receipt];

describe("payouts", () => {
  const digests = A.slice(1, 4).map(({ digest }) => digest);
  const root = merkleRoot(digests);
  const id = "ab".repeat(16);
  const payout: ExportLine = {
    t: "payout",
    id,
    node: pubkeyOf(secret(3)),
    root: toHex(root),
    receipts: 3,
    transaction: "5sig",
  };
  const paid = (issued: readonly Issued[]): ExportLine[] => lines(issued).map((line) => ({ ...line, payout: id }));

  test("are proven by their root where all of their receipts are here", () => {
    const proven = { id, memo: payoutMemo(id, root), transaction: "5sig", receipts: 3 };
    expect(run([OWNER, payout, ...lines(A.slice(0, 1)), ...paid(A.slice(1, 4))])).toMatchObject({ payouts: [proven] });
    expect(faultOf([OWNER, payout, ...paid(A.slice(0, 3))])).toContain(`the root of payout ${id}`);
    expect(run([OWNER, payout, ...paid(A.slice(1, 3))])).toMatchObject({ payouts: [], unprovenPayouts: 1 });
    // Each page says it again.
    const [one, ...rest] = paid(A.slice(1, 4));
    expect(run([OWNER, payout, one!, payout, ...rest])).toMatchObject({ payouts: [proven] });
    const otherwise = { ...payout, receipts: 2 } as ExportLine;
    expect(faultOf([OWNER, payout, one!, otherwise, ...rest])).toContain("told in two ways");
  });

  test("are proven receipt by receipt where not all of them are", () => {
    const path = merkleProver(digests)(2).map(toHex);
    const proof = { index: 2, path };
    const one = (given: object): ExportLine[] => [OWNER, payout, { ...A[3]!.line, payout: id, proof, ...given }];
    expect(run(one({}))).toMatchObject({ payouts: [{ id, receipts: 1 }] });
    expect(faultOf(one({ proof: { ...proof, index: 1 } }))).toContain("the proof");
    expect(faultOf(one({ proof: { ...proof, path: path.slice(1) } }))).toContain("the proof");
    expect(faultOf([OWNER, payout, { ...B[0]!.line, payout: id }])).toContain("pays another node");
  });
});

describe("with the request and the output at hand", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const evidence = (
    request: string | null,
    output: string | null,
    salt: Uint8Array | null = null,
  ): VerifierOptions => ({
    coordinator: null,
    evidence: {
      salt,
      request: request === null ? null : bytes(request),
      output: output === null ? null : bytes(output),
    },
  });

  test("its hashes are those of their bytes, and of no others", () => {
    const one = [OWNER, A[0]!.line];
    expect(run(one, evidence("request", "output 1"))).toMatchObject({ requestMatched: 1, outputMatched: 1 });
    expect(run(one, evidence("request", null))).toMatchObject({ requestMatched: 1, outputMatched: 0 });
    expect(faultOf(one, evidence("request ", "output 1"))).toContain("request_hash at byte 315");
    expect(faultOf(one, evidence("request", "output 2"))).toContain("output_hash at byte 347");
    expect(faultOf(one, evidence("request", null, new Uint8Array(32)))).toContain("request_hash at byte 315");
    const { salt: _, ...saltless } = A[0]!.line;
    expect(faultOf([OWNER, saltless], evidence("request", null))).toContain("no salt");
    expect(run([OWNER, saltless], evidence("request", null, SALT))).toMatchObject({ requestMatched: 1 });
  });
});
