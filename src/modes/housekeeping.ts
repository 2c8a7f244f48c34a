// Housekeeping: what a coordinator does every so often, whether anybody asks or not.
import type { Db } from "../db/open.ts";
import type { ChatStream } from "../http/openai/chat-output.ts";
import { deleteExpiredContent, hasExpiredContent } from "../jobs/content.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { CommandDelivery } from "../registry/command-delivery.ts";
import { expirePendingNodes, noteSeen } from "../registry/nodes.ts";
import type { ReceiptDelivery } from "../registry/receipt-delivery.ts";
import type { Registry } from "../registry/registry.ts";

export type HouseDeps = {
  clock: Clock;
  log: Log;
  db: Db;
  registry: Registry;
  streams: Set<ChatStream>;
  keepAliveMs: number;
  delivery: Pick<CommandDelivery, "look" | "expire">;
  /** Where receipts are issued. */
  receipts: Pick<ReceiptDelivery, "look"> | null;
};

const SEEN_EVERY_MS = 60_000;
const CONTENT_EVERY_MS = 60_000;
const FORGET_EVERY_MS = 600_000;
/** What was learnt of a node that is away is kept in memory for so long. */
const FORGET_AFTER_MS = 24 * 3_600_000;
const PENDING_EVERY_MS = 3_600_000;
/** Commands that another coordinator on the same database took. */
const COMMANDS_EVERY_MS = 2_000;
/** Receipts that another coordinator on the same database issued, or that could not be read when they were due. */
const RECEIPTS_EVERY_MS = 10_000;
const EXPIRY_EVERY_MS = 600_000;
const KEEP_ALIVE_EVERY_MS = 1_000;
/** How often a storage that refused a write is tried again. */
const PROBE_EVERY_MS = 2_000;

/** Starts it all; the result stops it. */
export function keepHouse({
  clock,
  log,
  db,
  registry,
  streams,
  keepAliveMs,
  delivery,
  receipts,
}: HouseDeps): () => void {
  const quietly = (what: string, act: () => Promise<unknown>) => () => {
    act().catch((error: unknown) => log.warn("housekeeping failed; it is tried again", { what, err: error }));
  };
  /** Nothing that was deleted is left in the write-ahead log. */
  let gone = true;
  const stops = [
    clock.every(KEEP_ALIVE_EVERY_MS, () => {
      const nowMs = clock.nowMs();
      for (const stream of streams) stream.keepAlive(nowMs, nowMs - keepAliveMs + KEEP_ALIVE_EVERY_MS);
    }),
    clock.every(
      PROBE_EVERY_MS,
      quietly("storage", async () => {
        const { writer } = db;
        if (writer.trouble() !== null && (await writer.probe())) log.info("the database takes writes again");
      }),
    ),
    clock.every(
      SEEN_EVERY_MS,
      quietly("last seen", () =>
        noteSeen(
          { db },
          // Who is linked elsewhere is noted there.
          [...registry.nodes.values()].flatMap(({ pubkey, channel, elsewhere, lastSeenMs }) =>
            channel !== null || elsewhere === null ? [[pubkey, lastSeenMs] as const] : [],
          ),
        ),
      ),
    ),
    clock.every(
      CONTENT_EVERY_MS,
      quietly("content", async () => {
        if (gone && !(await hasExpiredContent(db, clock.nowMs()))) return;
        gone = (await deleteExpiredContent(db, clock.nowMs())).gone;
      }),
    ),
    ...(db.path === null
      ? [
          clock.every(
            COMMANDS_EVERY_MS,
            quietly("commands", () => delivery.look()),
          ),
        ]
      : []),
    ...(receipts
      ? [
          clock.every(
            RECEIPTS_EVERY_MS,
            quietly("receipts", () => receipts.look()),
          ),
        ]
      : []),
    clock.every(
      EXPIRY_EVERY_MS,
      quietly("expired commands", () => delivery.expire()),
    ),
    clock.every(FORGET_EVERY_MS, () => registry.forgetGone(clock.nowMs() - FORGET_AFTER_MS)),
    clock.every(
      PENDING_EVERY_MS,
      quietly("pending nodes", () => expirePendingNodes({ db, clock })),
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
