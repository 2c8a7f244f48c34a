// Fuzz: rounds of payouts under crashes, faults and forks, one seed after the other, until there were enough.
import type { Ablation } from "./ablations.ts";
import type { Findings } from "./audit.ts";
import { type Counts, runRound } from "./round.ts";

export type FuzzOptions = {
  payouts: number;
  seed: number;
  ablation?: Ablation | null;
  /** Told of each round. */
  told?: (line: string) => void;
  /** Ends it before there were enough. */
  until?: (result: FuzzResult) => boolean;
};
export type FuzzResult = Counts & {
  rounds: number;
  seconds: number;
  paidTwice: number;
  wronglyMarked: number;
  lost: number;
  faults: number;
  /** Everything that must not be, counted together. */
  bad: number;
  /** The first findings, with the seed that shows them. */
  examples: string[];
};

const MAX_EXAMPLES = 20;

export async function fuzz({
  payouts,
  seed,
  ablation = null,
  told = () => undefined,
  until = () => false,
}: FuzzOptions): Promise<FuzzResult> {
  const startedMs = performance.now();
  const none: Counts = {
    ...{ payouts: 0, paid: 0, attempts: 0, failedOnChain: 0, setAside: 0, crashes: 0 },
    ...{ rpcFaults: 0, forks: 0, restores: 0, strangers: 0, reclaimed: 0, turns: 0 },
  };
  const result: FuzzResult = {
    ...none,
    ...{ rounds: 0, seconds: 0, paidTwice: 0, wronglyMarked: 0, lost: 0, faults: 0, bad: 0, examples: [] },
  };
  for (let round = 0; result.payouts < payouts && !until(result); round += 1) {
    const { counts, findings } = await runRound({ seed: seed + round, ablation });
    for (const name of Object.keys(none) as (keyof Counts)[]) result[name] += counts[name];
    note(result, findings, seed + round);
    result.rounds += 1;
    told(`seed ${seed + round}: ${JSON.stringify(counts)} bad ${result.bad}`);
  }
  result.seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  return result;
}

function note(result: FuzzResult, findings: Findings, seed: number): void {
  for (const name of ["paidTwice", "wronglyMarked", "lost", "faults"] as const) {
    result[name] += findings[name].length;
    result.bad += findings[name].length;
    for (const one of findings[name].slice(0, MAX_EXAMPLES - result.examples.length))
      result.examples.push(`seed ${seed}: ${name}: ${one}`);
  }
}

export const summary = ({ examples, ...counts }: FuzzResult): string =>
  [JSON.stringify(counts), ...examples].join("\n");
