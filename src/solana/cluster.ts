// Cluster: which one this database's money is on. The first that is seen is remembered for good.
import { eq } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { solanaCluster } from "./schema.ts";

const ONLY = 1;

/** What the database knows of the cluster, and how it learns. */
export type ClusterMemory = {
  genesisHash(): Promise<string | null>;
  /** The first to say it is right: the answer is what is remembered then. */
  remember(genesisHash: string): Promise<string>;
};

export function clusterMemory({ db, clock }: { db: Db; clock: Clock }): ClusterMemory {
  const known = async () => {
    const [row] = await db.read.select().from(solanaCluster).where(eq(solanaCluster.id, ONLY));
    return row?.genesisHash ?? null;
  };
  return {
    genesisHash: known,
    async remember(genesisHash) {
      await db.writer.transact((tx) =>
        tx.insert(solanaCluster).values({ id: ONLY, genesisHash, firstSeenMs: clock.nowMs() }).onConflictDoNothing(),
      );
      return (await known()) ?? genesisHash;
    },
  };
}
