// Receipt file: what a node keeps of one coordinator's receipts: the receipts themselves, how far it vouched for them,
// what it disputes, and whose they are. One JSON line an entry, appended and synced; a line that a crash tore is skipped.
// When a file is full the next one begins with how far things are; the oldest go.
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { Log } from "../../lib/log.ts";
import { type Pubkey, pubkeySchema } from "../../protocol/primitives.ts";
import { type ExportedHead, type ExportLine, exportLineSchema } from "../../protocol/receipt-export.ts";

export type SignedHead = ExportedHead;
/** The lines of an export, so that the file can be verified as it is. */
export type ReceiptEntry = ExportLine;

export type ReceiptFile = {
  /** How far this node has vouched; null where it has not. */
  readonly head: SignedHead | null;
  /** The key that signed the last of its receipts; null where there are none. */
  readonly key: string | null;
  /** On disk once it resolves; rejects where the disk does not take it. One at a time. */
  append(entries: readonly ReceiptEntry[]): Promise<void>;
};

/** Below the data directory. */
export const RECEIPTS_DIRECTORY = "receipts";
/** A file that is larger is closed; about 10,000 receipts. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** Closed files that are kept of each coordinator. */
const MAX_CLOSED = 15;

/** Opens the file of one coordinator, which it makes where there is none. */
export async function openReceiptFile(dataDirectory: string, coordinator: Pubkey, log: Log): Promise<ReceiptFile> {
  const directory = path.join(dataDirectory, RECEIPTS_DIRECTORY);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, `${coordinator}.jsonl`);
  const text = await readIfThere(file);
  const read = parseEntries(text);
  if (read.skipped > 0) log.warn("lines of a file could not be read and are skipped", { file });
  let head: SignedHead | null = null;
  let owner: Extract<ReceiptEntry, { t: "coordinator" }> | null = null;
  const note = (entries: readonly ReceiptEntry[]) => {
    for (const entry of entries) {
      if (entry.t === "head") head = { seq: entry.seq, digest: entry.digest, sig: entry.sig };
      else if (entry.t === "coordinator") owner = entry;
    }
  };
  note(read.entries);
  let bytes = Buffer.byteLength(text);
  let torn = text !== "" && !text.endsWith("\n");

  const write = async (entries: readonly ReceiptEntry[]): Promise<void> => {
    // What a failed write left behind ends here, as a line of its own.
    const lines = `${torn ? "\n" : ""}${entries.map((entry) => `${JSON.stringify(entry)}\n`).join("")}`;
    const handle = await open(file, "a", 0o600);
    try {
      torn = true;
      await handle.appendFile(lines);
      torn = false;
      bytes += Buffer.byteLength(lines);
      await handle.datasync();
    } finally {
      await handle.close();
    }
  };
  /** The next file begins with whose it is and how far things are, whole or not at all. */
  const rotate = async (): Promise<void> => {
    const start: ReceiptEntry[] = [];
    if (owner) start.push(owner);
    if (head) start.push({ t: "head", ...head });
    const closed = path.join(directory, `${coordinator}.${String(head?.seq ?? 0).padStart(16, "0")}.jsonl`);
    const draft = `${file}.new`;
    await rm(draft, { force: true });
    const lines = start.map((entry) => `${JSON.stringify(entry)}\n`).join("");
    const handle = await open(draft, "w", 0o600);
    try {
      await handle.writeFile(lines);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(file, closed);
    await rename(draft, file);
    bytes = Buffer.byteLength(lines);
    const old = (await filesOf(directory)).filter((one) => one.coordinator === coordinator && one.closedAt !== null);
    for (const { name } of old.slice(0, -MAX_CLOSED)) await rm(path.join(directory, name), { force: true });
  };

  return {
    get head() {
      return head;
    },
    get key() {
      return owner?.key ?? null;
    },
    async append(entries) {
      if (bytes > MAX_FILE_BYTES) await rotate();
      await write(entries);
      note(entries);
    },
  };
}

/** All that is kept below a data directory, a coordinator's entries together and in order. Reads a file at a time. */
export async function* keptReceipts(
  dataDirectory: string,
): AsyncGenerator<{ coordinator: Pubkey; entries: ReceiptEntry[] }> {
  const directory = path.join(dataDirectory, RECEIPTS_DIRECTORY);
  for (const { name, coordinator } of await filesOf(directory)) {
    yield { coordinator, entries: parseEntries(await readIfThere(path.join(directory, name))).entries };
  }
}

type Kept = { name: string; coordinator: Pubkey; closedAt: string | null };
const FILE = /^([0-9a-f]{64})(?:\.([0-9]{16}))?\.jsonl$/;

/** The oldest of each coordinator first, the one in use last. */
async function filesOf(directory: string): Promise<Kept[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const files = names.flatMap((name): Kept[] => {
    const match = FILE.exec(name);
    return match ? [{ name, coordinator: pubkeySchema.parse(match[1]), closedAt: match[2] ?? null }] : [];
  });
  const key = ({ coordinator, closedAt }: Kept) => `${coordinator}.${closedAt ?? "~"}`;
  return files.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

function parseEntries(text: string): { entries: ReceiptEntry[]; skipped: number } {
  const lines = text.split("\n").filter((line) => line !== "");
  const entries = lines.flatMap((line) => parseEntry(line) ?? []);
  return { entries, skipped: lines.length - entries.length };
}

function parseEntry(line: string): ReceiptEntry | undefined {
  try {
    return exportLineSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
