// infernet receipts list | show | export
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { toHex } from "../../lib/hex.ts";
import type { ExportDocument, ExportedReceipt } from "../../protocol/receipt-export.ts";
import { unsealReceipt } from "../../protocol/receipt-frames.ts";
import { type ReceiptJson, receiptJson } from "../../protocol/receipt-json.ts";
import { decodeReceipt, receiptDigest } from "../../protocol/receipts.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { nodeKey, type ReceiptWishes, withReceipts } from "../receipt-source.ts";
import { relativeTime, table } from "../table.ts";
import { durationS, wholeNumber } from "../values.ts";

export type ReceiptFlags = { json?: boolean; node?: string; account?: string; since?: string };

const wishesOf = ({ nowMs }: Context, { node, account, since }: ReceiptFlags): ReceiptWishes => ({
  ...(node === undefined ? {} : { node: nodeKey(node) }),
  ...(account === undefined ? {} : { account }),
  ...(since === undefined ? {} : { sinceMs: nowMs() - durationS(since, "--since") * 1000 }),
});

/** The newest first. */
export async function list(
  context: Context,
  options: GlobalOptions,
  flags: ReceiptFlags & { limit: string },
): Promise<ExitCode> {
  const limit = wholeNumber(flags.limit, "--limit", 1, 1_000_000);
  const wishes = wishesOf(context, flags);
  const { config } = await requireConfig(context, options);
  const found = await withReceipts(context, config, "receipts list", (source) => source.list(wishes, limit));
  const rows = found.map((one) => ({ ...one, decoded: decodedOf(one) }));
  if (flags.json) printJson(context, { receipts: rows });
  else if (rows.length === 0) context.terminal.err("There is no such receipt.\n");
  else {
    const cells = rows.map(({ attempt, decoded, account, model, standing }) => [
      attempt ?? decoded.job_id,
      decoded.node.slice(0, 16),
      decoded.seq,
      account?.replace(/^account\//, "") ?? null,
      model ?? null,
      `${decoded.prompt_tokens} + ${decoded.completion_tokens}`,
      decoded.gross,
      decoded.node_amount,
      relativeTime(Number(decoded.finished_at_ms), context.nowMs()),
      standing,
    ]);
    const head = ["JOB", "NODE", "NUMBER", "ACCOUNT", "MODEL", "TOKENS", "µ$", "TO NODE", "ENDED", "SIGNED"];
    context.terminal.out(table(head, cells, context.terminal.colors));
  }
  return EXIT.good;
}

/** `id`: a job, an attempt, a number, or NODE/NUMBER. As JSON it is a file for `receipts verify`. */
export async function show(
  context: Context,
  options: GlobalOptions,
  id: string,
  flags: { json?: boolean; salts?: boolean },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const salts = flags.salts === true;
  const found = await withReceipts(context, config, "receipts show", (source) => source.find(id, salts));
  if (!found) {
    throw new CliError(`there is no receipt of ${id}`, {
      hint: "name a job, an attempt (JOB.1), a number, or NODE/NUMBER; `infernet receipts list` has them",
    });
  }
  const receipts = found.receipts.map((one) => ({ ...one, digest: digestOf(one), decoded: decodedOf(one) }));
  if (flags.json) printJson(context, { ...found, receipts });
  else context.terminal.out(receipts.map((one) => described(found, one, context)).join("\n"));
  return EXIT.good;
}

type Shown = ExportedReceipt & { digest: string; decoded: ReceiptJson };

function described({ coordinator, heads }: ExportDocument, one: Shown, { terminal }: Context): string {
  const { decoded } = one;
  const off = /^0+$/;
  const at = new Date(Number(decoded.finished_at_ms));
  const countersigned = heads.some(({ seq }) => seq >= Number(decoded.seq));
  const rows: [string, string | number, string][] = [
    ["job", decoded.job_id, one.attempt === undefined ? "" : `attempt ${one.attempt}`],
    ["node", decoded.node, "who did it"],
    ["number", decoded.seq, "of this node's receipts, without a gap"],
    ["previous", decoded.previous, off.test(decoded.previous) ? "none: its first" : "digest of the one before it"],
    ["client", decoded.client, "the account that pays on the chain, or the hash of its id"],
    ["model", one.model ?? "-", `hash ${decoded.model_hash.slice(0, 16)}…`],
    ["tokens", `${decoded.prompt_tokens} + ${decoded.completion_tokens}`, "of the prompt and of the answer"],
    ["gross", `${decoded.gross} µ$`, "what the client pays; 1 USD is 1,000,000"],
    ["to the node", `${decoded.node_amount} µ$`, "what is left of it"],
    ["fee", `${decoded.fee} µ$`, `${decoded.fee_bps / 100} % of it, rounded down`],
    ["ended", Number.isNaN(at.getTime()) ? decoded.finished_at_ms : at.toISOString(), ""],
    ["request", decoded.request_hash, "sha256 of the job's salt and the request's body"],
    ["output", decoded.output_hash, "sha256 of the job's salt and the answer"],
    ["chain", off.test(decoded.genesis) ? "off the chain" : decoded.genesis, "genesis hash"],
    ["mint", off.test(decoded.mint) ? "-" : decoded.mint, "the token"],
    ["wallet", off.test(decoded.node_wallet) ? "-" : decoded.node_wallet, "where the node is paid"],
    ["digest", one.digest, "what is signed"],
    ["signed by", decoded.coordinator, `ed25519 key of coordinator ${coordinator.pubkey.slice(0, 16)}…`],
    ["node's word", countersigned ? "countersigned" : "coordinator-only", ""],
    ["payout", one.payout ?? "-", ""],
  ];
  return table(["FIELD", "VALUE", ""], rows, terminal.colors);
}

/** Writes a file for `receipts verify`, readable by its owner only; `-` is stdout. */
export async function exportFile(
  context: Context,
  options: GlobalOptions,
  file: string,
  flags: ReceiptFlags & { salts?: boolean },
): Promise<ExitCode> {
  const wishes = wishesOf(context, flags);
  const { config } = await requireConfig(context, options);
  const path = resolve(context.cwd, file);
  // Never over something that is there.
  const handle = file === "-" ? null : await open(path, "wx", 0o600).catch(cannotWrite(path));
  let count = 0;
  try {
    await withReceipts(context, config, "receipts export", async (source) => {
      for await (const line of source.lines(wishes, flags.salts === true)) {
        if (line.t === "receipt") count++;
        const text = `${JSON.stringify(line)}\n`;
        if (handle) await handle.appendFile(text);
        else context.terminal.out(text);
      }
    });
    await handle?.sync();
  } finally {
    await handle?.close();
  }
  const result = { file: handle ? path : "-", receipts: count };
  if (flags.json && handle) printJson(context, result);
  else context.terminal.err(`${harmless(result.file)}: ${count} receipts; \`infernet receipts verify\` checks them\n`);
  return EXIT.good;
}

const cannotWrite =
  (path: string) =>
  (error: NodeJS.ErrnoException): never => {
    if (error.code === "EEXIST")
      throw new CliError(`${path} exists already`, { hint: "name another file, or remove it first" });
    throw new CliError(`${path} cannot be written: ${error.message}`, { cause: error });
  };

function decodedOf(sealed: ExportedReceipt): ReceiptJson {
  const receipt = decodeReceipt(unsealReceipt(sealed).bytes);
  if (!receipt.ok) throw new CliError(`a stored receipt is broken: ${receipt.error}`);
  return receiptJson(receipt.value);
}

const digestOf = (sealed: ExportedReceipt): string => toHex(receiptDigest(unsealReceipt(sealed).bytes));
