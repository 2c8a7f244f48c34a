// Journal: what a node must remember of commands over its own restarts: how each ended, who drained it, how much disk
// was given to models. One line an entry, appended and synced; a line that a crash tore is skipped.
import { existsSync, readFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Log } from "../../lib/log.ts";
import { type CommandEnd, commandEndSchema } from "../../protocol/commands.ts";

/** Who gave a command: a coordinator's public key, or the node's own operator. */
export type Origin = string;

const entrySchema = z.discriminatedUnion("t", [
  z.object({ t: z.literal("ended"), by: z.string(), id: z.string(), ...commandEndSchema.shape }),
  z.object({ t: z.literal("drained"), by: z.string(), on: z.boolean() }),
  /** Zero bytes: it is gone, or was there before. */
  z.object({ t: z.literal("installed"), model: z.string(), bytes: z.int().min(0) }),
]);
type Entry = z.infer<typeof entrySchema>;

export type Journal = {
  /** How the command ended here; undefined where it did not, or so long ago that nobody asks any more. */
  endOf(by: Origin, id: string): CommandEnd | undefined;
  isDrainedBy(by: Origin): boolean;
  /** Bytes of the models that were installed by commands, but for this one. */
  installedBytes(except: string): number;
  /** On disk once it resolves; rejects where the disk does not take it. Counts in memory in any case. */
  note(entry: Entry): Promise<void>;
  /** Waits for what is being written. */
  close(): Promise<void>;
};

const FILE = "commands.jsonl";
/** Ends remembered; the oldest go first. */
const MAX_ENDS = 1000;
/** The file is written anew when it has so many lines. */
const MAX_LINES = 5000;

export async function openJournal(dataDirectory: string, log: Log): Promise<Journal> {
  const file = path.join(dataDirectory, FILE);
  const ends = new Map<string, { by: Origin; id: string; end: CommandEnd }>();
  const drained = new Set<Origin>();
  const installed = new Map<string, number>();
  const remember = (entry: Entry) => {
    if (entry.t === "ended") {
      const { by, id, outcome, error } = entry;
      ends.set(keyOf(by, id), { by, id, end: { outcome, error } });
      for (const oldest of ends.keys()) {
        if (ends.size <= MAX_ENDS) break;
        ends.delete(oldest);
      }
    } else if (entry.t === "drained") entry.on ? drained.add(entry.by) : drained.delete(entry.by);
    else entry.bytes > 0 ? installed.set(entry.model, entry.bytes) : installed.delete(entry.model);
  };
  const read = readEntries(file, log);
  for (const entry of read.entries) remember(entry);
  let { lines, torn } = read;

  const everything = (): Entry[] => [
    ...Array.from(ends.values(), ({ by, id, end }): Entry => ({ t: "ended", by, id, ...end })),
    ...Array.from(drained, (by): Entry => ({ t: "drained", by, on: true })),
    ...Array.from(installed, ([model, bytes]): Entry => ({ t: "installed", model, bytes })),
  ];
  const append = async (entry: Entry): Promise<void> => {
    const handle = await open(file, "a", 0o600);
    try {
      // What a failed write left behind ends here, as a line of its own.
      const text = `${torn ? "\n" : ""}${JSON.stringify(entry)}\n`;
      torn = true;
      await handle.appendFile(text);
      torn = false;
      lines++;
      await handle.datasync();
    } finally {
      await handle.close();
    }
    if (lines < MAX_LINES) return;
    const rows = everything();
    await replace(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    lines = rows.length;
  };
  let writing: Promise<void> = Promise.resolve();
  return {
    endOf: (by, id) => ends.get(keyOf(by, id))?.end,
    isDrainedBy: (by) => drained.has(by),
    installedBytes(except) {
      let sum = 0;
      for (const [model, bytes] of installed) if (model !== except) sum += bytes;
      return sum;
    },
    note(entry) {
      remember(entry);
      const written = writing.then(() => append(entry));
      writing = written.catch(() => {});
      return written;
    },
    close: () => writing,
  };
}

const keyOf = (by: Origin, id: string): string => `${by}/${id}`;

function readEntries(file: string, log: Log): { entries: Entry[]; lines: number; torn: boolean } {
  if (!existsSync(file)) return { entries: [], lines: 0, torn: false };
  const text = readFileSync(file, "utf8");
  const lines = text.split("\n");
  const torn = lines.pop() !== "";
  const entries = lines.flatMap((line) => parseEntry(line) ?? []);
  if (entries.length < lines.length) log.warn("lines of a file could not be read and are skipped", { file });
  return { entries, lines: lines.length, torn };
}

function parseEntry(line: string): Entry | undefined {
  try {
    return entrySchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** The whole new file or the whole old one, whatever happens. */
async function replace(file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  const handle = await open(draft, "w", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
