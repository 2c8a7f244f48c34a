// Patience: for how long people wait for a database that says nothing. What goes wrong then is said while they still look,
// and nothing that was begun is cut short for it.
import { StorageError } from "../../db/errors.ts";
import type { Db } from "../../db/open.ts";

/** Without a word for so long, the database hangs. */
export const PATIENCE_MS = 4_000;
/** Of the writes under way, which wait for the disk: a slow one may take its time. */
const BUSY_MS = 10_000;
/** How often it is asked whether the database has said something. */
const LOOK_MS = 250;

/**
 * What `ask` gives; rejects with a StorageError once the database has answered nobody for PATIENCE_MS, at once where it
 * hangs already. `ask` goes on then, unheard: it must not do what somebody has to know of.
 */
export function withPatience<T>(db: Pick<Db, "silentMs">, ask: () => Promise<T>): Promise<T> {
  if (hangs(db)) return Promise.reject(silent());
  return new Promise((resolve, reject) => {
    const looks = setInterval(() => {
      if (hangs(db)) reject(silent());
    }, LOOK_MS);
    ask()
      .then(resolve, reject)
      .finally(() => clearInterval(looks));
  });
}

/** Throws where the disk keeps what is written already: a change would wait behind it, and nobody knows for how long. */
export function expectWrites({ writer }: Pick<Db, "writer">): void {
  if (writer.busyMs() < BUSY_MS) return;
  throw new StorageError(
    "storage_failed",
    "the disk keeps what is being written, so nothing was changed; try again later",
  );
}

const hangs = ({ silentMs }: Pick<Db, "silentMs">): boolean => silentMs() >= PATIENCE_MS;
const silent = (): StorageError =>
  new StorageError("storage_failed", "the database has not answered for some seconds; its disk or its server hangs");
