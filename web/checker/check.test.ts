// The checker as browsers have it: the bundle, run where nothing of Bun's runtime is.
import { beforeAll, describe, expect, test } from "bun:test";
import { createContext, runInContext } from "node:vm";
import { fromHex, toHex } from "../../src/lib/hex.ts";
import type { ExportLine } from "../../src/protocol/receipt-export.ts";
import { sealReceipt } from "../../src/protocol/receipt-frames.ts";
import { receiptSigner, signReceiptKey } from "../../src/protocol/receipt-signing.ts";
import { RECEIPT_BYTES } from "../../src/protocol/receipts.ts";
import vectors from "../../src/protocol/receipts.vectors.json";
import { pubkeyOf } from "../../src/protocol/schnorr.ts";
import { checkerBundle } from "./bundle.ts";
import type { CheckReport } from "./check.ts";

const identity = { secretKey: fromHex(vectors.identity_secret), pubkey: pubkeyOf(fromHex(vectors.identity_secret)) };
const key = toHex(receiptSigner(fromHex(vectors.seed)).publicKey);
const SIGNED = vectors.cases.slice(0, 3);
const sealed = (change: { of: number; at: number; by?: number } | null = null) =>
  SIGNED.map(({ bytes, signature }, i): ExportLine => {
    const changed = fromHex(bytes);
    if (change?.of === i) changed[change.at] = (changed[change.at] ?? 0) ^ (change.by ?? 1);
    return { t: "receipt", ...sealReceipt(changed, fromHex(signature), vectors.salt) };
  });
const head = SIGNED.slice(2).map(
  ({ digest, countersignature }): ExportLine => ({ t: "head", seq: 3, digest, sig: countersignature }),
);
const lines = (receipts: readonly ExportLine[], heads = head): string =>
  [
    { t: "coordinator", pubkey: identity.pubkey, key, sig: signReceiptKey(identity, key), whole: true },
    ...heads,
    ...receipts,
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("");

type Said = { id: number; report?: CheckReport; failed?: string };
let script: string;
/** One worker for each text, with what a browser's worker has of globals. */
async function report(text: string, own: string = identity.pubkey): Promise<CheckReport> {
  const said = Promise.withResolvers<Said>();
  const scope: { onmessage?: (event: { data: object }) => void } & Record<string, unknown> = {
    ...{ TextEncoder, TextDecoder, atob, btoa, setTimeout, crypto, URL, Uint8Array },
    postMessage: (message: Said) => {
      if (message.report !== undefined || message.failed !== undefined) said.resolve(message);
    },
  };
  scope.self = scope;
  runInContext(script, createContext(scope));
  scope.onmessage?.({ data: { id: 1, source: text, own } });
  const { report: given, failed } = await said.promise;
  if (given === undefined) throw new Error(failed);
  return given;
}
const toneOf = ({ checks }: CheckReport, title: string) => checks.find((one) => one.title === title)?.tone;

beforeAll(async () => {
  script = await checkerBundle();
});

test("it brings all that it needs, and nothing that asks anybody", () => {
  expect(script).not.toMatch(/\bimport\s*[("']|\brequire\(|\bfetch\(|XMLHttpRequest|WebSocket/);
});

describe("what is as it was signed", () => {
  test("verifies, with the node's word", async () => {
    const done = await report(lines(sealed()));
    expect(done).toMatchObject({ verdict: "verified", count: 3 });
    expect(done.checks.map(({ tone }) => tone).filter((tone) => tone !== "ok")).toEqual(["off"]);
    expect(done.receipts.map(({ seq }) => seq)).toEqual(["1", "2", "3"]);
  });

  test("is told apart where only the coordinator says so, and where it is another's", async () => {
    const done = await report(lines(sealed(), []), "0".repeat(64));
    expect([done.verdict, toneOf(done, "The nodes' word"), toneOf(done, "Whose they are")]).toEqual([
      "verified",
      "warn",
      "warn",
    ]);
  });
});

describe("one flipped bit", () => {
  // What holds the amounts together names its field itself; of the rest the byte is found by the receipt after it.
  test.each([1, 40, 65, 81, 130, 190, 275, 350, 386])(
    "in byte %d of a receipt with one after it is named",
    async (at) => {
      const { verdict, says } = await report(lines(sealed({ of: 1, at })));
      expect([verdict, says]).toEqual([
        "fault",
        expect.stringMatching(new RegExp(`byte ${at}, in [a-z_]+, was changed`)),
      ]);
    },
  );

  test("and any other change of one byte is named as well", async () => {
    const { says } = await report(lines(sealed({ of: 1, at: 70, by: 0x5a })));
    expect(says).toContain("byte 70, in job_id, was changed");
  });

  test("in an amount names the amounts, in the last receipt the byte by its node's word", async () => {
    expect((await report(lines(sealed({ of: 1, at: 249 })))).says).toMatch(/at byte (249|257|265)/);
    expect((await report(lines(sealed({ of: 2, at: 275 })))).says).toContain("byte 275, in prompt_tokens");
  });

  test("with nothing else that knows its digest is a wrong signature", async () => {
    const { says, checks } = await report(lines(sealed({ of: 2, at: 275 }), []));
    expect(says).toContain("the signature is not that of the coordinator at byte 33");
    expect(checks.filter(({ tone }) => tone === "bad").map(({ title }) => title)).toEqual([
      "The coordinator's signatures",
    ]);
  });

  test("anywhere is found", async () => {
    for (let at = 7; at < RECEIPT_BYTES; at += 41) {
      expect((await report(lines(sealed({ of: 2, at }), []))).verdict).toBe("fault");
    }
  });
});

test.each(["", "<img src=x onerror=alert(1)>", '{"t":"coordinator"}\n', '{"receipts":[]}'])(
  "what is no export is not readable: %j",
  async (text) => {
    expect((await report(text)).verdict).toBe("unreadable");
  },
);
