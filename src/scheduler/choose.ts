// Choose: which node gets a job. Pure: no clock, no randomness, no I/O of its own; the same input gives the same choice.
//
// Two passes over the candidates. The first finds the best quality among those that could start now; the second draws
// two at random among all that are nearly as good and takes the less loaded one (power of two choices: Mitzenmacher
// 2001), so that many coordinators, or many jobs at once, do not all run to the same node.
import type { Pubkey } from "../protocol/primitives.ts";

export type Strategy = "balanced" | "cheapest" | "fastest";

/** What choosing needs to know of a node. */
export type CandidateNode = {
  readonly pubkey: Pubkey;
  /** Jobs it runs side by side. */
  readonly slots: number;
  /** Jobs it runs now. */
  readonly running: number;
  /** Approved, not paused, not draining. */
  readonly accepting: boolean;
  /** A failure was seen lately: used only when nothing else can serve, until then. 0 when in good standing. */
  readonly suspectUntilMs: number;
};

/** One model on one node. */
export type Candidate = {
  readonly node: CandidateNode;
  /** Tokens, prompt and answer together; null where the backend does not say. */
  readonly contextLength: number | null;
  /** µ$ per million tokens. */
  readonly priceInput: number;
  readonly priceOutput: number;
  /** Measured output speed of this model on this node; 0 while unknown. */
  readonly tokensPerS: number;
} & Quality;

/**
 * How good a candidate is for each strategy; lower is better. `rate()` of price and speed, computed when one of them
 * changes and not at every choice.
 */
export type Quality = Readonly<Record<Strategy, number>>;

export type Wishes = {
  readonly strategy: Strategy;
  /** Lower bound on the tokens the prompt takes; a node whose context is known to be smaller is not asked. */
  readonly minContext: number;
  /** Nodes that had this job already: used only when no other can serve it. */
  readonly tried: readonly Pubkey[];
};

/** Why a node was chosen; kept on the job. */
export type Why = {
  strategy: Strategy;
  /** Candidates that could have started the job. */
  eligible: number;
  /** Of these, the nearly best, among which two were drawn. */
  best: number;
  /** Share of the chosen node's slots in use before this job. */
  load: number;
  tokens_per_s: number;
  price_input: number;
  price_output: number;
  /** Only nodes under suspicion or already tried were left. */
  last_resort: boolean;
};

export type Choice<C extends Candidate> = { candidate: C; why: Why };

/** Candidates whose quality is within this factor of the best are as good as it. */
const NEARLY = 1.25;
/** How strongly `balanced` minds the price: a node ten times dearer counts as this much slower. */
const PRICE_WEIGHT = 0.5;
/** Assumed where nothing was measured yet: fast, so that new nodes get a chance to be measured. */
const UNKNOWN_TOKENS_PER_S = 1000;

/** The quality that follows from price and speed. */
export function rate(of: Pick<Candidate, "priceInput" | "priceOutput" | "tokensPerS">): Quality {
  const price = of.priceInput + of.priceOutput;
  const slowness = 1000 / (of.tokensPerS || UNKNOWN_TOKENS_PER_S);
  return {
    balanced: slowness * (1 + PRICE_WEIGHT * Math.log10(1 + price)),
    cheapest: 1 + price,
    fastest: slowness,
  };
}

/**
 * Picks among `candidates` (all serve the model), or undefined when none can start the job now.
 * `random` gives numbers in [0, 1).
 */
export function choose<C extends Candidate>(
  candidates: readonly C[],
  wishes: Wishes,
  nowMs: number,
  random: () => number,
): Choice<C> | undefined {
  const first = draw(candidates, wishes, nowMs, random, false);
  return first ?? draw(candidates, wishes, nowMs, random, true);
}

// Where the pass over the candidates leaves the eligible ones: index and quality, side by side. Kept between calls,
// since a choice among ten thousand nodes should not allocate; nothing of it outlives a call.
let eligibleIndex = new Int32Array(256);
let eligibleQuality = new Float64Array(256);

function draw<C extends Candidate>(
  candidates: readonly C[],
  wishes: Wishes,
  nowMs: number,
  random: () => number,
  lastResort: boolean,
): Choice<C> | undefined {
  const { strategy, tried, minContext } = wishes;
  if (eligibleIndex.length < candidates.length) {
    eligibleIndex = new Int32Array(candidates.length * 2);
    eligibleQuality = new Float64Array(candidates.length * 2);
  }
  // Asked here and not in the loop: with ten thousand nodes it is a third of the whole choice.
  const isRetry = tried.length > 0;
  let eligible = 0;
  let bestQuality = Number.POSITIVE_INFINITY;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as C;
    const { node, contextLength } = candidate;
    // Could it start the job now?
    if (node.running >= node.slots || !node.accepting) continue;
    if (contextLength !== null && contextLength < minContext) continue;
    if (!lastResort && (node.suspectUntilMs > nowMs || (isRetry && tried.includes(node.pubkey)))) continue;
    const q = candidate[strategy];
    if (q < bestQuality) bestQuality = q;
    eligibleIndex[eligible] = i;
    eligibleQuality[eligible++] = q;
  }
  if (eligible === 0) return undefined;
  const best = keepBest(eligible, bestQuality * NEARLY);
  const one = Math.floor(random() * best);
  const other = best > 1 ? (one + 1 + Math.floor(random() * (best - 1))) % best : one;
  const a = candidates[eligibleIndex[one] as number] as C;
  const b = candidates[eligibleIndex[other] as number] as C;
  const chosen = load(b.node) < load(a.node) ? b : a;
  return { candidate: chosen, why: explain(chosen, strategy, eligible, best, lastResort) };
}

/** Moves those within `limit` to the front of the eligible; their count. */
function keepBest(eligible: number, limit: number): number {
  let best = 0;
  for (let i = 0; i < eligible; i++) {
    if ((eligibleQuality[i] as number) <= limit) eligibleIndex[best++] = eligibleIndex[i] as number;
  }
  return best;
}

const load = (node: CandidateNode): number => node.running / node.slots;

function explain(chosen: Candidate, strategy: Strategy, eligible: number, best: number, lastResort: boolean): Why {
  return {
    strategy,
    eligible,
    best,
    load: Math.round(load(chosen.node) * 1000) / 1000,
    tokens_per_s: Math.round(chosen.tokensPerS * 10) / 10,
    price_input: chosen.priceInput,
    price_output: chosen.priceOutput,
    last_resort: lastResort,
  };
}
