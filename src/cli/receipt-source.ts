// Receipt source: where the receipts are that a command is about. A coordinator has them in its database, and tells them
// while it runs; a node keeps its own in files, which are read as they are, whether it runs or not.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Output } from "../admin/operations.ts";
import { MAX_RECEIPTS } from "../admin/receipt-operations.ts";
import type { Config } from "../config.ts";
import { keptReceipts, RECEIPTS_DIRECTORY } from "../daemon/receipts/receipt-file.ts";
import { toHex } from "../lib/hex.ts";
import { DATABASE_FILE } from "../modes/data-files.ts";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import type { ExportDocument, ExportedReceipt, ExportLine } from "../protocol/receipt-export.ts";
import { unsealReceipt } from "../protocol/receipt-frames.ts";
import { jobIdText } from "../protocol/receipt-json.ts";
import { decodeReceipt, type Receipt } from "../protocol/receipts.ts";
import { CliError, EXIT } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { answerOrThrow, runningOwner, withAdmin } from "./instance.ts";

export type ReceiptWishes = { node?: Pubkey; account?: string; sinceMs?: number };
export type ListedReceipt = ExportedReceipt & {
  account: string | null;
  /** What is known of the node's word. */
  standing: "countersigned" | "coordinator-only" | "disputed";
};

export type ReceiptSource = {
  /** The newest first. */
  list(wishes: ReceiptWishes, limit: number): Promise<ListedReceipt[]>;
  /** Of a job, an attempt, a number or NODE/NUMBER; null where there is none. */
  find(id: string, salts: boolean): Promise<ExportDocument | null>;
  lines(wishes: ReceiptWishes, salts: boolean): AsyncGenerator<ExportLine>;
};

/** Runs `act` on the receipts that belong to this configuration. */
export async function withReceipts<T>(
  context: Context,
  config: Config,
  command: string,
  act: (source: ReceiptSource) => Promise<T>,
): Promise<T> {
  if (isNode(config)) return act(nodeSource(config.data_dir));
  return withAdmin(context, config, command, (admin) =>
    act({
      async list(wishes, limit) {
        const found: ListedReceipt[] = [];
        for (let before: string | undefined; found.length < limit; ) {
          const page = { ...asked(wishes), limit: Math.min(MAX_RECEIPTS, limit - found.length) };
          const { receipts, next } = answerOrThrow(
            await admin.listReceipts(before === undefined ? page : { ...page, before }),
          );
          for (const { countersigned, ...receipt } of receipts)
            found.push({ ...receipt, standing: countersigned ? "countersigned" : "coordinator-only" });
          if (next === null) break;
          before = next;
        }
        return found;
      },
      async find(id, salts) {
        const found = await admin.findReceipts({ id, salts });
        return !found.ok && found.error.code === "not_found" ? null : answerOrThrow(found);
      },
      async *lines(wishes, salts) {
        for (let after: { node: Pubkey; seq: number } | null = null; ; ) {
          const page: Output<"exportReceipts"> = answerOrThrow(
            await admin.exportReceipts({ ...asked(wishes), after, salts }),
          );
          yield* page.lines;
          if (page.next === null) return;
          after = page.next;
        }
      },
    }),
  );
}

/** Whether the data directory is that of a node alone, however it was started. */
function isNode(config: Config): boolean {
  const mode = runningOwner(config)?.mode ?? config.mode;
  if (mode === "node") return true;
  const has = (name: string) => existsSync(join(config.data_dir, name));
  return config.database.url === null && !has(DATABASE_FILE) && has(RECEIPTS_DIRECTORY);
}

const asked = ({ node, account, sinceMs }: ReceiptWishes) => ({
  ...(node === undefined ? {} : { node }),
  ...(account === undefined ? {} : { account }),
  ...(sinceMs === undefined ? {} : { since_ms: sinceMs }),
});

/** What a node keeps below its data directory. */
function nodeSource(dataDirectory: string): ReceiptSource {
  return {
    async list(wishes, limit) {
      let found: { receipt: Receipt; listed: ListedReceipt }[] = [];
      const newest = () => {
        found = found.sort((a, b) => Number(b.receipt.finishedAtMs - a.receipt.finishedAtMs)).slice(0, limit);
      };
      for await (const { line, receipt } of entriesOf(dataDirectory, wishes)) {
        if (!receipt || (line.t !== "receipt" && line.t !== "disputed")) continue;
        const standing = line.t === "receipt" ? "countersigned" : "disputed";
        found.push({ receipt, listed: { ...withoutSalt(line), account: null, standing } });
        if (found.length > 2 * limit) newest();
      }
      newest();
      return found.map(({ listed }) => listed);
    },
    async find(id, salts) {
      let coordinator: ExportDocument["coordinator"] | null = null;
      let document: ExportDocument | null = null;
      for await (const { line, receipt } of entriesOf(dataDirectory, {})) {
        if (line.t === "coordinator") coordinator = { pubkey: line.pubkey, key: line.key, sig: line.sig };
        if (line.t !== "receipt" || !receipt || !coordinator || !isMeant(id, line, receipt)) continue;
        document ??= { coordinator, heads: [], payouts: [], receipts: [] };
        if (document.coordinator.pubkey !== coordinator.pubkey) break;
        document.receipts.push(salts ? { ...withoutSalt(line), salt: line.salt } : withoutSalt(line));
      }
      return document;
    },
    async *lines(wishes, salts) {
      for await (const { line } of entriesOf(dataDirectory, wishes)) {
        if (line.t === "disputed") continue;
        yield line.t === "receipt" && !salts ? { t: "receipt", ...withoutSalt(line) } : line;
      }
    },
  };
}

async function* entriesOf(
  dataDirectory: string,
  { node, account, sinceMs = 0 }: ReceiptWishes,
): AsyncGenerator<{ line: ExportLine; receipt: Receipt | null }> {
  if (account !== undefined)
    throw new CliError("a node does not know whose jobs it did", {
      exitCode: EXIT.usage,
      hint: "leave --account out, or run the command where the coordinator runs",
    });
  for await (const { entries } of keptReceipts(dataDirectory)) {
    for (const line of entries) {
      if (line.t !== "receipt" && line.t !== "disputed") {
        yield { line, receipt: null };
        continue;
      }
      const decoded = decodeReceipt(unsealReceipt(line).bytes);
      if (!decoded.ok || decoded.value.finishedAtMs < BigInt(sinceMs)) continue;
      if (node === undefined || toHex(decoded.value.node) === node) yield { line, receipt: decoded.value };
    }
  }
}

function withoutSalt(line: ExportLine & { t: "receipt" | "disputed" }): ExportedReceipt {
  if (line.t === "disputed") return { receipt: line.receipt, sig: line.sig };
  const { t: _, salt: __, ...rest } = line;
  return rest;
}

function isMeant(id: string, { attempt }: ExportedReceipt, receipt: Receipt): boolean {
  const seq = String(receipt.seq);
  return [jobIdText(receipt.jobId), attempt, seq, `${toHex(receipt.node)}/${seq}`].includes(id);
}

/** A node's key in full. */
export function nodeKey(text: string): Pubkey {
  const parsed = pubkeySchema.safeParse(text.toLowerCase());
  if (parsed.success) return parsed.data;
  throw new CliError(`--node ${JSON.stringify(text)} is no node's key (64 hex digits)`, {
    exitCode: EXIT.usage,
    hint: "`infernet nodes list --json` has them",
  });
}
