// infernet receipts verify FILE|-: offline, without a configuration or a data directory.
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fromHex } from "../../lib/hex.ts";
import { pubkeySchema } from "../../protocol/primitives.ts";
import { exportLines } from "../../protocol/receipt-lines.ts";
import { type Evidence, receiptVerifier, type Verified } from "../../protocol/receipt-verifier.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson } from "../context.ts";
import { harmless } from "../harmless.ts";

export type VerifyFlags = { json?: boolean; coordinator?: string; request?: string; output?: string; salt?: string };

/** Exits with 1 at the first thing that is wrong, which it names. */
export async function verify(context: Context, _: GlobalOptions, file: string, flags: VerifyFlags): Promise<ExitCode> {
  const coordinator = flags.coordinator === undefined ? null : coordinatorKey(flags.coordinator);
  const verifier = receiptVerifier({ coordinator, evidence: await evidenceOf(context, flags) });
  let receipts = 0;
  for await (const line of exportLines(piecesOf(context, file))) {
    if (!line.ok) throw new CliError(`${harmless(file)}: ${line.error}`);
    if (line.value.t === "receipt") receipts++;
    const fault = verifier.take(line.value);
    if (fault) throw new CliError(faultText(fault));
  }
  if (receipts === 0) throw new CliError(`${harmless(file)} holds no receipt`);
  const done = verifier.finish();
  if (!done.ok) throw new CliError(faultText(done.error));
  if (flags.json) printJson(context, asJson(done.value));
  else context.terminal.out(described(done.value, flags));
  return EXIT.good;
}

const faultText = ({ receipt, message }: { receipt: string | null; message: string }): string =>
  receipt === null ? harmless(message) : `receipt ${harmless(receipt)} does not verify: ${harmless(message)}`;

function coordinatorKey(text: string): string {
  const parsed = pubkeySchema.safeParse(text.toLowerCase());
  if (parsed.success) return parsed.data;
  throw new CliError(`--coordinator ${JSON.stringify(text)} is no coordinator's key (64 hex digits)`, {
    exitCode: EXIT.usage,
  });
}

async function evidenceOf(context: Context, { request, output, salt }: VerifyFlags): Promise<Evidence | null> {
  if (salt !== undefined && !/^[0-9a-f]{64}$/i.test(salt))
    throw new CliError("--salt must be 64 hex digits", { exitCode: EXIT.usage });
  if (request === undefined && output === undefined) return null;
  const read = async (file: string) =>
    new Uint8Array(await readFile(resolve(context.cwd, file)).catch(unreadable(file)));
  return {
    salt: salt === undefined ? null : fromHex(salt),
    request: request === undefined ? null : await read(request),
    output: output === undefined ? null : await read(output),
  };
}

const unreadable =
  (file: string) =>
  (error: unknown): never => {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`${harmless(file)} cannot be read: ${harmless(why)}`, { cause: error });
  };

async function* piecesOf(context: Context, file: string): AsyncGenerator<string> {
  if (file === "-") {
    yield await context.terminal.readStdin();
    return;
  }
  try {
    for await (const piece of createReadStream(resolve(context.cwd, file), "utf8")) yield piece as string;
  } catch (error) {
    unreadable(file)(error);
  }
}

const asJson = (done: Verified) => ({
  receipts: done.receipts,
  countersigned: done.countersigned,
  coordinator_only: done.receipts - done.countersigned,
  nodes: done.nodes,
  coordinators: done.coordinators,
  gross: String(done.gross),
  node_amount: String(done.nodeAmount),
  fee: String(done.fee),
  missing: String(done.missing),
  payouts: done.payouts,
  unproven_payouts: done.unprovenPayouts,
  request_matched: done.requestMatched,
  output_matched: done.outputMatched,
});

function described(done: Verified, flags: VerifyFlags): string {
  const only = done.receipts - done.countersigned;
  const lines = [
    `verified          ${count(done.receipts, "receipt")} of ${count(done.nodes, "node")}`,
    ...done.coordinators.map(
      (key) =>
        `coordinator       ${key}${flags.coordinator ? "" : " (as the file says: --coordinator KEY holds it to one)"}`,
    ),
    `countersigned     ${done.countersigned}`,
    `coordinator-only  ${only}${only > 0 ? ": no word of their node is in the file" : ""}`,
    `amounts           ${done.gross} µ$ = ${done.nodeAmount} to nodes + ${done.fee} fee`,
  ];
  if (done.missing > 0n)
    lines.push(`missing           ${done.missing} between others of their nodes, in this part of the receipts`);
  for (const { id, memo, transaction, receipts } of done.payouts)
    lines.push(
      `payout            ${id}: ${count(receipts, "receipt")}, transaction ${harmless(transaction ?? "-")}, whose memo is ${memo}`,
    );
  if (done.unprovenPayouts > 0)
    lines.push(`payouts           ${done.unprovenPayouts} not proven: not all of their receipts are here`);
  if (flags.request !== undefined) lines.push(`request           matches ${count(done.requestMatched, "receipt")}`);
  if (flags.output !== undefined) lines.push(`output            matches ${count(done.outputMatched, "receipt")}`);
  return `${lines.join("\n")}\n`;
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
