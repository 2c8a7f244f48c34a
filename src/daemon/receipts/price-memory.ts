// Price memory: what this node asked one coordinator for lately, over its own restarts too: a job that was taken on before
// one costs what was asked for then.
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { modelPricesSchema, type PriceList, type Prices, priceOf, pricesSchema } from "../../protocol/prices.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { RECEIPTS_DIRECTORY } from "./receipt-file.ts";

export type PriceMemory = {
  /** What the coordinator is told from now on. */
  announced(list: PriceList): void;
  /** The least and the most that the model was offered for within a day; undefined where nothing was announced. */
  asked(model: string): { least: Prices; most: Prices } | undefined;
  /** Until all that was announced is on the disk, or was logged as not. */
  idle(): Promise<void>;
};

/** `until_ms`: null for what is asked for now. */
const announcedSchema = z.object({
  prices: pricesSchema,
  model_prices: modelPricesSchema.optional(),
  until_ms: z.int().nullable(),
});
type Announced = z.infer<typeof announcedSchema>;

/** A job costs what was asked for when it was taken on, which may be a while ago. */
const PRICE_MEMORY_MS = 24 * 3_600_000;
const MAX_ANNOUNCED = 32;

/** `earlier`: the oldest first. `keep` is told of each change; `idle`: until it has kept them. */
export function priceMemory({
  clock,
  earlier = [],
  keep = () => undefined,
  idle = async () => undefined,
}: {
  clock: Clock;
  earlier?: readonly Announced[];
  keep?: (all: readonly Announced[]) => void;
  idle?: () => Promise<void>;
}): PriceMemory {
  let all = [...earlier];
  return {
    announced({ prices, model_prices }) {
      const list = model_prices === undefined ? { prices } : { prices, model_prices: { ...model_prices } };
      const last = all.at(-1);
      // Said again, on another link or after a break: nothing that was asked before is to be pushed out by it.
      if (last && isDeepStrictEqual(last, { ...list, until_ms: null })) return;
      const nowMs = clock.nowMs();
      const former = all.map((one) => ({ ...one, until_ms: one.until_ms ?? nowMs }));
      all = [...former.slice(1 - MAX_ANNOUNCED), { ...list, until_ms: null }];
      keep(all);
    },
    asked(model) {
      const sinceMs = clock.nowMs() - PRICE_MEMORY_MS;
      const lately = all.filter(({ until_ms: untilMs }) => untilMs === null || untilMs >= sinceMs);
      if (lately.length === 0) return undefined;
      const prices = lately.map((list) => priceOf(list, model));
      const pick = (of: (...amounts: number[]) => number): Prices => ({
        input: of(...prices.map(({ input }) => input)),
        output: of(...prices.map(({ output }) => output)),
      });
      return { least: pick(Math.min), most: pick(Math.max) };
    },
    idle,
  };
}

/** The memory of one coordinator, kept in a small file beside its receipts. What cannot be read there is forgotten. */
export async function openPriceMemory(
  { clock, log }: { clock: Clock; log: Log },
  dataDirectory: string,
  coordinator: Pubkey,
): Promise<PriceMemory> {
  const file = path.join(dataDirectory, RECEIPTS_DIRECTORY, `${coordinator}.prices.json`);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  let writing: Promise<void> = Promise.resolve();
  const write = async (all: readonly Announced[]): Promise<void> => {
    const draft = `${file}.new`;
    await writeFile(draft, JSON.stringify(all), { mode: 0o600 });
    await rename(draft, file);
  };
  return priceMemory({
    clock,
    earlier: await readEarlier(file, log),
    keep(all) {
      writing = writing
        .then(() => write(all))
        .catch((error: unknown) => {
          log.warn("prices could not be noted; after a restart receipts at them may be disputed", { file, err: error });
        });
    },
    idle: () => writing,
  });
}

async function readEarlier(file: string, log: Log): Promise<Announced[]> {
  try {
    const read = z.array(announcedSchema).safeParse(JSON.parse(await readFile(file, "utf8")));
    if (read.success) return read.data.slice(-MAX_ANNOUNCED);
    log.warn("a file of former prices is not as it was written, and is not used", { file });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      log.warn("a file of former prices could not be read", { file, err: error });
  }
  return [];
}
