// Digests: SHA-256 of the user's model files. Reading gigabytes takes a while, so it happens beside everything else, one
// file after the other, and what was found is kept in a small file until the model file changes.
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";

const FILE = "digests.json";
const MAX_KEPT = 1000;
const PIECE_BYTES = 1024 * 1024;

const entrySchema = z.object({ bytes: z.number(), modifiedMs: z.number(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const bookSchema = z.record(z.string(), entrySchema);
type Entry = z.infer<typeof entrySchema>;

export class Digests {
  private readonly folder: string;
  private readonly found = new Map<string, string>();
  private readonly closed = new AbortController();
  private work: Promise<void> = Promise.resolve();
  private book: Map<string, Entry> | null = null;

  /** `folder`: where the small file lies. Nothing is read before the first file is asked for. */
  constructor(folder: string) {
    this.folder = folder;
  }

  /** Begins to read what is not known yet. */
  begin(files: readonly string[]): void {
    for (const file of files) this.work = this.work.then(() => this.one(file));
  }

  /** Hex; null while it is not known. */
  get(file: string): string | null {
    return this.found.get(file) ?? null;
  }

  /** Resolves when everything begun is known, or cannot be. */
  async settled(): Promise<void> {
    await this.work;
  }

  close(): void {
    this.closed.abort();
  }

  /** A file that cannot be read has no digest; the engine says what is wrong with it. */
  private async one(file: string): Promise<void> {
    const info = await stat(file).catch(() => null);
    if (info === null || this.closed.signal.aborted) return;
    this.book ??= await readBook(path.join(this.folder, FILE));
    const known = this.book.get(file);
    if (known !== undefined && known.bytes === info.size && known.modifiedMs === info.mtimeMs) {
      this.found.set(file, known.sha256);
      return;
    }
    const sha256 = await hashOf(file, this.closed.signal).catch(() => null);
    if (sha256 === null) return;
    this.found.set(file, sha256);
    this.book.delete(file);
    this.book.set(file, { bytes: info.size, modifiedMs: info.mtimeMs, sha256 });
    // A folder that cannot be written costs reading the file again at the next start, nothing more.
    await writeBook(this.folder, this.book).catch(() => undefined);
  }
}

async function hashOf(file: string, signal: AbortSignal): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES, signal })) {
    hasher.update(piece as Uint8Array);
  }
  return hasher.digest("hex");
}

/** What cannot be read is as good as empty: it can be made again. */
async function readBook(file: string): Promise<Map<string, Entry>> {
  try {
    return new Map(Object.entries(bookSchema.parse(JSON.parse(await readFile(file, "utf8")))));
  } catch {
    return new Map();
  }
}

async function writeBook(folder: string, book: Map<string, Entry>): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = path.join(folder, `.${FILE}.${process.pid}`);
  const kept = Object.fromEntries([...book].slice(-MAX_KEPT));
  await writeFile(draft, JSON.stringify(kept), { mode: 0o600 });
  await rename(draft, path.join(folder, FILE));
}
