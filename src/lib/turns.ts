// Turns: long work on the event loop, in pieces, so that streams and sockets go on meanwhile.

/** What waits on the event loop now goes first. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Does `work` for each, and lets others go first whenever `weigh` says that `most` were done since the last time. */
export async function inTurns<T>(
  all: Iterable<T>,
  { most, weigh = () => 1 }: { most: number; weigh?: (one: T) => number },
  work: (one: T) => void,
): Promise<void> {
  let weight = 0;
  for (const one of all) {
    weight += weigh(one);
    if (weight > most) {
      await nextTurn();
      weight = weigh(one);
    }
    work(one);
  }
}
