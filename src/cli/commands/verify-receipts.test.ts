// The verifier as a command: what it reads, what it prints, and which code it ends with.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/hex.ts";
import { type ExportLine, linesOf } from "../../protocol/receipt-export.ts";
import { sealReceipt } from "../../protocol/receipt-frames.ts";
import { exportLines } from "../../protocol/receipt-lines.ts";
import { receiptSigner, signReceiptKey } from "../../protocol/receipt-signing.ts";
import vectors from "../../protocol/receipts.vectors.json";
import { pubkeyOf } from "../../protocol/schnorr.ts";
import type { Context } from "../context.ts";
import { runCli } from "../program.ts";

const directory = mkdtempSync(join(tmpdir(), "infernet-verify-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(directory, name), text);
  return name;
};

const identity = fromHex(vectors.identity_secret);
const key = toHex(receiptSigner(fromHex(vectors.seed)).publicKey);
const coordinator = {
  pubkey: pubkeyOf(identity),
  key,
  sig: signReceiptKey({ secretKey: identity, pubkey: pubkeyOf(identity) }, key),
};
const sealed = vectors.cases
  .slice(0, 3)
  .map(({ bytes, signature }) => sealReceipt(fromHex(bytes), fromHex(signature), vectors.salt));
const heads = vectors.cases
  .slice(2, 3)
  .map(({ digest, countersignature }) => ({ seq: 3, digest, sig: countersignature }));
const DOCUMENT = { coordinator, heads, payouts: [], receipts: sealed };
const LINES = linesOf(DOCUMENT);
const text = (lines: readonly ExportLine[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

async function verify(args: string[], stdin = ""): Promise<{ code: number; out: string; err: string }> {
  const ran = { code: -1, out: "", err: "" };
  const context: Context = {
    terminal: {
      out(said) {
        ran.out += said;
      },
      err(said) {
        ran.err += said;
      },
      readStdin: async () => stdin,
      question: async () => null,
      stdinIsTty: false,
      stdoutIsTty: false,
      stderrIsTty: false,
      colors: false,
    },
    // There is no such directory, and none is made.
    env: { INFERNET_DATA_DIR: join(directory, "nowhere"), INFERNET_SERVER_PORT: "no port" },
    cwd: directory,
    fetch: () => Promise.reject(new TypeError("no network here")),
    nowMs: () => 0,
    onSignal: () => () => undefined,
    shell: async () => 1,
    self: ["/nonexistent"],
  };
  ran.code = await runCli(["receipts", "verify", ...args], context);
  return ran;
}

describe("a good file", () => {
  test("is verified without configuration, data directory or network", async () => {
    const ran = await verify([file("good.jsonl", text(LINES))]);
    expect([ran.code, ran.err]).toEqual([0, ""]);
    expect(ran.out).toContain("verified          3 receipts of 1 node");
    expect(ran.out).toContain("countersigned     3");
    expect(ran.out).toContain(coordinator.pubkey);
  });

  test("may be a document, pretty or not, and come over standard input", async () => {
    for (const given of [JSON.stringify(DOCUMENT), JSON.stringify(DOCUMENT, null, 2), text(LINES)]) {
      const ran = await verify(["-", "--json"], given);
      expect(JSON.parse(ran.out)).toMatchObject({ receipts: 3, countersigned: 3, coordinator_only: 0, missing: "0" });
    }
  });

  test("without the node's word is the coordinator's alone, and says so", async () => {
    const ran = await verify(["-"], text(LINES.filter(({ t }) => t !== "head")));
    expect(ran.out).toContain("coordinator-only  3: no word of their node is in the file");
  });

  test("is held to the request and the answer", async () => {
    const [owner, , first] = LINES;
    const one = file("one.jsonl", text([owner!, first!]));
    const request = file("request.json", vectors.request);
    const output = file("output.txt", vectors.output);
    const ran = await verify([one, "--request", request, "--output", output, "--salt", vectors.salt]);
    expect([ran.code, ran.err]).toEqual([0, ""]);
    expect(ran.out).toContain("output            matches 1 receipt");
    const wrong = await verify([one, "--request", output]);
    expect([wrong.code, wrong.out]).toEqual([1, ""]);
    expect(wrong.err).toContain("request_hash at byte 315");
  });
});

describe("a bad file", () => {
  const bad = text(LINES).replace(sealed[1]!.receipt.slice(330, 340), "AAAAAAAAAA");
  test.each([
    ["a changed receipt", bad, "does not verify"],
    ["a forged number", text(LINES.toSpliced(2, 1)).replace('"seq":3', '"seq":2'), "has the digest of seq 3"],
    [
      "a receipt left out of a whole",
      text([{ ...LINES[0], whole: true } as ExportLine, LINES[2]!, LINES[4]!]),
      "1 receipt is missing",
    ],
    ["nothing", "", "holds no receipt"],
    ["no receipt", text(LINES.slice(0, 1)), "holds no receipt"],
    ["no JSON", "hello\n", "is neither an export of receipts nor JSON"],
    ["a line that is no JSON", `${text(LINES.slice(0, 2))}oops\n`, "line 3 is not JSON"],
    ["another shape", `${text(LINES.slice(0, 2))}{"t":"receipt"}\n`, "line 3: receipt"],
    ["a document of another shape", '{"receipts":[{}]}', "coordinator"],
    ["a line without end", `${text(LINES)}${"x".repeat(70_000)}`, "is too long"],
  ])("with %s ends with 1 and says what it is", async (_, given, message) => {
    const ran = await verify(["-"], given);
    expect([ran.code, ran.out]).toEqual([1, ""]);
    expect(ran.err).toContain(message);
  });

  test("names the first receipt that is wrong, and the field", async () => {
    const ran = await verify(["-"], text(LINES.toSpliced(2, 1, LINES[3]!)));
    expect(ran.err).toContain("0199c0ff-ee00-7abc-8def-0123456789ab (seq 2 of node f9308a019258c310)");
    expect(ran.err).toContain("byte 81");
  });

  test("is one where another coordinator is meant, or it is not there", async () => {
    expect((await verify(["-", "--coordinator", "ab".repeat(32)], text(LINES))).err).toContain("not the one asked for");
    expect((await verify(["-", "--coordinator", "x"], text(LINES))).code).toBe(2);
    expect((await verify(["-", "--salt", "x"], text(LINES))).code).toBe(2);
    expect((await verify(["missing.jsonl"])).err).toContain("cannot be read");
    expect((await verify([file("r", "x"), "--request", "missing"])).err).toContain("cannot be read");
  });
});

test("a file reads the same however it comes in pieces", async () => {
  const whole = [text(LINES), text(LINES).trimEnd(), JSON.stringify(DOCUMENT), JSON.stringify(DOCUMENT, null, 1)];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...whole),
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }),
      async (given, sizes) => {
        async function* pieces() {
          for (let at = 0, i = 0; at < given.length; i++) {
            const size = sizes[i % sizes.length] ?? 1;
            yield given.slice(at, at + size);
            at += size;
          }
        }
        const lines: ExportLine[] = [];
        for await (const line of exportLines(pieces())) if (line.ok) lines.push(line.value);
        expect(lines).toEqual(LINES);
      },
    ),
    { numRuns: 60 },
  );
});
