// Money: whether the books agree, after a storm, with each other and with what the clients got.
import type { JobView } from "../harness/client.ts";
import { faultsOf } from "../harness/money.ts";
import type { Seen } from "./load.ts";
import { CREDIT, TOKEN_PRICES, type World } from "./world.ts";

export type Reckoned = { charged: number; receipts: number; split: number };

/** What is wrong goes into `faults`. `asked`: requests whose job is known. */
export async function reckonMoney(world: World, asked: readonly Seen[], faults: string[]): Promise<Reckoned> {
  const { books } = world;
  await books.settled().catch((error: unknown) => faults.push(`${error}`));
  faults.push(...faultsOf(await books.check()));
  const receipts = await books.receipts();
  const charged = await books.charged();
  const sum = (amounts: Iterable<number>) => [...amounts].reduce((total, amount) => total + amount, 0);
  const all = sum([...charged.values()].map((amount) => amount ?? 0));
  const paid = sum(receipts.map(({ gross }) => gross));
  const { balance } = await books.client();
  const spent = world.charges ? CREDIT - balance : -balance;
  if (all !== paid || all !== spent)
    faults.push(`jobs were charged ${all} µ$, receipts say ${paid}, ${spent} were spent`);
  const earned = sum(receipts.map(({ nodeAmount, fee }) => nodeAmount + fee));
  if (earned !== paid) faults.push(`nodes and the platform got ${earned} µ$ of ${paid}`);
  if (!world.charges && receipts.length > 0) faults.push(`${receipts.length} receipts though nothing is charged`);
  if (world.charges) {
    for (const seen of asked) {
      if (seen.jobId === null) continue;
      const fault = await costFault(world, seen, charged.get(seen.jobId) ?? 0);
      if (fault !== undefined) faults.push(`${seen.kind} ${seen.n} (${seen.jobId}): ${fault}`);
    }
  }
  const perJob = Map.groupBy(receipts, ({ attempt }) => attempt.slice(0, 36));
  return {
    charged: all,
    receipts: receipts.length,
    split: [...perJob.values()].filter((list) => list.length > 1).length,
  };
}

/** An answer costs what its usage says, which is not more than was written; what nobody got costs nothing. */
async function costFault(world: World, seen: Seen, charged: number): Promise<string | undefined> {
  const isUnheard = seen.text === "" && seen.outcome !== "completed" && seen.outcome !== "connection";
  if (isUnheard && charged !== 0) return `nothing came of it (${seen.outcome}), and ${charged} µ$ were charged`;
  const response = await world.api.get(`/api/v1/jobs/${seen.jobId}`);
  // Its record went down with the coordinator, and what it held was let go.
  if (response.status === 404) return charged === 0 ? undefined : `there is no record, and ${charged} µ$ were charged`;
  const { usage, status, attempts } = (await response.json()) as JobView;
  const costs = usage ? usage.prompt_tokens * TOKEN_PRICES.input + usage.completion_tokens * TOKEN_PRICES.output : 0;
  if (charged !== costs && !(charged === 0 && status !== "completed"))
    return `charged ${charged} µ$ for ${JSON.stringify(usage)}, ${JSON.stringify(attempts)}`;
  if (status === "completed" && charged === 0) return "it was answered and cost nothing";
  if (usage && usage.completion_tokens > seen.maxTokens)
    return `${usage.completion_tokens} tokens of ${seen.maxTokens}`;
  if (seen.outcome === "completed" && usage && usage.completion_tokens > Buffer.byteLength(seen.text))
    return `${usage.completion_tokens} tokens for ${Buffer.byteLength(seen.text)} bytes`;
  return undefined;
}
