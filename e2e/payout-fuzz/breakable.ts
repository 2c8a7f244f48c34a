// Breakable: the database and the chain of a process that may die at every effect it has: before it, after it, and in the
// middle of a transaction.
import type { Db } from "../../src/db/open.ts";
import type { PayoutChain } from "../../src/settlement/payout-chain.ts";

/** The process is dead from here on. */
export class Crash extends Error {}

/** Throws a Crash where the process is to die. */
export type At = (where: string) => void;

/** Each call of the chain is an effect, or the base of a decision. */
export function breakableChain(chain: PayoutChain, at: At): PayoutChain {
  const around = <A extends unknown[], T>(name: string, act: (...args: A) => Promise<T>) => {
    return async (...args: A): Promise<T> => {
      at(`before ${name}`);
      const value = await act(...args);
      at(`after ${name}`);
      return value;
    };
  };
  return {
    prepare: around("prepare", chain.prepare),
    send: around("send", chain.send),
    look: around("look", chain.look),
    paymentOf: around("paymentOf", chain.paymentOf),
    markerTaken: around("markerTaken", chain.markerTaken),
    height: around("height", chain.height),
    failureOf: around("failureOf", chain.failureOf),
    spendable: around("spendable", chain.spendable),
    reclaim: around("reclaim", chain.reclaim),
  };
}

/** Writes: nothing of one that was broken off is kept, and one that was kept may never have been heard of. */
export function breakableDb(db: Db, at: At): Db {
  return {
    ...db,
    writer: {
      ...db.writer,
      async transact(op, options) {
        at("before a write");
        const value = await db.writer.transact(async (...connection) => {
          const done = await op(...connection);
          at("in a write");
          return done;
        }, options);
        at("after a write");
        return value;
      },
    },
  };
}
