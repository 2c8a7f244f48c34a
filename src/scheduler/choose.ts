// Choose: which node gets a job. Pure: no clock, no randomness, no I/O of its own; the same input gives the same choice.
//
// One pass over the candidates finds the best rank (good standing, the client's order, fit, pool) and the best quality
// within it. A node that holds the conversation in its cache is taken where it is of that rank and not loaded; else two
// are drawn at random among all that are nearly as good as the best and the less loaded one is taken (power of two
// choices: Mitzenmacher 2001), so that many coordinators, or many jobs at once, do not all run to the same node.
import type { Task } from "../protocol/generation.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { BACKSTOP_POOL, type Demand, mayUse, PUBLIC_POOL, placeInOrder, taskBits, type Wishes } from "./wishes.ts";

/** `latency` minds the time to the first token, the others what their names say. */
export type Strategy = "balanced" | "cheapest" | "fastest" | "latency";

/** What choosing needs to know of a node. */
export type CandidateNode = {
  readonly pubkey: Pubkey;
  /** Names by which requests refer to it (`handlesOf`). */
  readonly handles: readonly string[];
  /** Whose requests it serves: PUBLIC_POOL, BACKSTOP_POOL or a private pool's name. */
  readonly pool: string;
  /** Where it says it stands, lower case; "" where it does not say or cannot be believed. */
  readonly region: string;
  /** Jobs it runs side by side. */
  readonly slots: number;
  /** Jobs it runs now. */
  readonly running: number;
  /** Work of others at its backends, in jobs, as far as they say. */
  readonly foreign: number;
  /** The fullest key-value cache of its backends, 0 to 1, as far as they say. */
  readonly cache: number;
  /** Approved, not paused, not draining. */
  readonly accepting: boolean;
  /** The later of the two below: one look for most nodes, which are in good standing. */
  readonly watchedUntilMs: number;
  /** A failure was seen lately: used only when nothing else can serve, until then. 0 when in good standing. */
  readonly suspectUntilMs: number;
  /** It was away: until then its slots count as grown from one to all, over `provingMs`. */
  readonly provingUntilMs: number;
  readonly provingMs: number;
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
  /** The breaker of this model on this node: open until then, half-open after; 0 when closed. */
  readonly openUntilMs: number;
  /** What it can be asked for (`taskBits`); all where the backend does not say. */
  readonly tasks: number;
  /** Features it is known to have and to lack (`featureBits`). */
  readonly has: number;
  readonly lacks: number;
  /** Names for its quantisation (`quantizationNames`). */
  readonly quantizations: readonly string[];
} & Quality;

/**
 * How good a candidate is for each strategy; lower is better. `rate()` of price, speed and distance, computed when one
 * of them changes and not at every choice.
 */
export type Quality = Readonly<Record<Strategy, number>>;

/** Nodes that are likely to have the beginning of the conversation in their cache, the likeliest first, and why. */
export type Affinity<C extends Candidate> = { readonly by: "session" | "prefix"; readonly candidates: readonly C[] };

/** What one job asks. */
export type Ask<C extends Candidate = Candidate> = {
  readonly task: Task;
  readonly wishes: Wishes;
  /** `demandsOf` the wishes: made once for a job. */
  readonly demands: readonly Demand[];
  /** Lower bound on the tokens the prompt takes; a node whose context is known to be smaller is not asked. */
  readonly minContext: number;
  /** Tokens that prompt and answer take by estimate: nodes whose context is smaller come last. */
  readonly wantContext: number;
  /** Nodes that had this job already: used only when no other can serve it. */
  readonly tried: readonly Pubkey[];
  readonly affinity: Affinity<C> | null;
};

/** Why a node was chosen; kept on the job. */
export type Why = {
  strategy: Strategy;
  /** Candidates of the best rank that could have started the job. */
  eligible: number;
  /** Of these, the nearly best, among which two were drawn. */
  best: number;
  /** Share of the chosen node in use before this job, by its slots or as its backends say. */
  load: number;
  tokens_per_s: number;
  price_input: number;
  price_output: number;
  /** Only nodes under suspicion, not proved again or already tried were left. */
  last_resort: boolean;
  /** The conversation returns by this; `passed_over`: its node was loaded or could not take it. Absent: none is known. */
  affinity?: "session" | "prefix" | "passed_over";
  /** The model had failed there: this job finds out whether it is well again. */
  probe?: true;
  /** The other of the two that were drawn, which was not less loaded. Absent where there was nothing to draw. */
  other?: { node: Pubkey; load: number; tokens_per_s: number; price_input: number; price_output: number };
};

export type Choice<C extends Candidate> = { candidate: C; why: Why };

/** Candidates whose quality is within this factor of the best are as good as it. */
const NEARLY = 1.25;
/** How strongly `balanced` minds the price: a node ten times dearer counts as this much slower. */
const PRICE_WEIGHT = 0.5;
/** Assumed where nothing was measured yet: fast, so that new nodes get a chance to be measured. */
const UNKNOWN_TOKENS_PER_S = 1000;
const UNKNOWN_RTT_MS = 20;
const UNKNOWN_FIRST_TOKEN_MS = 50;
/** A round trip is paid once an answer; this long a one is assumed. */
const TOKENS_OF_AN_ANSWER = 100;
/** A node with the conversation in its cache may have this much more than its share (Mirrokni et al. 2018), and one job. */
const BOUNDED_LOAD = 1.25;

/** What is measured of a model on a node. */
export type Measured = {
  readonly priceInput: number;
  readonly priceOutput: number;
  readonly tokensPerS: number;
  /** Round trip on the link; null where it was not measured. */
  readonly rttMs: number | null;
  /** From the dispatch to the first piece; 0 while unknown. */
  readonly firstTokenMs: number;
};

/** The quality that follows from price, speed and distance. */
export function rate(of: Measured): Quality {
  const price = of.priceInput + of.priceOutput;
  const slowness = 1000 / (of.tokensPerS || UNKNOWN_TOKENS_PER_S);
  const rttMs = of.rttMs ?? UNKNOWN_RTT_MS;
  return {
    balanced: slowness * (1 + PRICE_WEIGHT * Math.log10(1 + price)),
    cheapest: 1 + price,
    fastest: slowness + rttMs / TOKENS_OF_AN_ANSWER,
    // The measured time holds the round trip already.
    latency: of.firstTokenMs || UNKNOWN_FIRST_TOKEN_MS + rttMs,
  };
}

// Ranks, the lower the better: standing first, then the client's order, then fit, then pool.
const TIERS = 4;
const MISFIT = TIERS;
const PLACE = 2 * MISFIT;
/** More than a request can put in order. */
const STANDING = PLACE * 1024;
const OWN_POOL = 0;
const PUBLIC = 1;
const BACKSTOP = 2;
const PROVING = STANDING;
const SUSPECT = 2 * STANDING;
const TRIED = 3 * STANDING;
const CANNOT = -1;
const NONE = 4 * STANDING;

// Where the pass over the candidates leaves those of the best rank: index and quality, side by side. Kept between calls,
// since a choice among ten thousand nodes should not allocate; nothing of it outlives a call.
let eligibleIndex = new Int32Array(256);
let eligibleQuality = new Float64Array(256);

/**
 * Picks among `candidates` (all serve the model), or undefined when none can start the job now.
 * `random` gives numbers in [0, 1).
 */
export function choose<C extends Candidate>(
  candidates: readonly C[],
  ask: Ask<C>,
  nowMs: number,
  random: () => number,
): Choice<C> | undefined {
  if (eligibleIndex.length < candidates.length) {
    eligibleIndex = new Int32Array(candidates.length * 2);
    eligibleQuality = new Float64Array(candidates.length * 2);
  }
  const { strategy, needs } = ask.wishes;
  const { minContext } = ask;
  const roomWanted = Math.max(minContext, ask.wantContext);
  // Asked here and not in the loop: with ten thousand nodes it is a third of the whole choice.
  const isSimple = ask.demands.length === 0 && ask.wishes.order.length === 0;
  const isRetry = ask.tried.length > 0;
  const taskBit = taskBits([ask.task]);
  let eligible = 0;
  let bestRank = NONE;
  let bestQuality = Number.POSITIVE_INFINITY;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as C;
    const { node, contextLength } = candidate;
    // Could it start the job now?
    if (node.running >= node.slots || !node.accepting || (candidate.tasks & taskBit) === 0) continue;
    let rank = PUBLIC;
    if (contextLength !== null && contextLength < roomWanted) {
      if (contextLength < minContext) continue;
      rank += MISFIT;
    } else if (needs !== 0 && (candidate.lacks & needs) !== 0) rank += MISFIT;
    if (!isSimple || node.pool !== PUBLIC_POOL) {
      rank = rankOf(candidate, ask);
      if (rank === CANNOT) continue;
    }
    if (isRetry && ask.tried.includes(node.pubkey)) rank += TRIED;
    let quality = candidate[strategy];
    if (node.watchedUntilMs > nowMs || candidate.openUntilMs > nowMs) {
      const badness = badnessOf(candidate, nowMs);
      if (rank < TRIED) rank += badness === 0 ? 0 : badness < 1 ? PROVING : SUSPECT;
      quality *= 1 + badness;
    }
    if (rank > bestRank) continue;
    if (rank < bestRank) {
      bestRank = rank;
      bestQuality = quality;
      eligible = 0;
    } else if (quality < bestQuality) bestQuality = quality;
    eligibleIndex[eligible] = i;
    eligibleQuality[eligible++] = quality;
  }
  if (eligible === 0) return undefined;
  const known = ask.affinity === null ? undefined : home(candidates, ask, ask.affinity, { eligible, bestQuality });
  const best = keepBest(eligible, bestQuality * NEARLY);
  const [chosen, other] = known === undefined ? drawTwo(candidates, best, random) : [known, known];
  const why = explain(chosen, strategy, eligible, best, bestRank >= STANDING);
  if (other !== chosen) why.other = { node: other.node.pubkey, ...figuresOf(other) };
  if (ask.affinity !== null) why.affinity = known === undefined ? "passed_over" : ask.affinity.by;
  if (chosen.openUntilMs !== 0) why.probe = true;
  return { candidate: chosen, why };
}

/** Everything of a candidate's rank that plain requests to public nodes do not have; without its standing. */
function rankOf(candidate: Candidate, { wishes, demands, wantContext }: Ask): number {
  const { node, contextLength } = candidate;
  if (!mayUse(wishes, node.pool)) return CANNOT;
  for (const { meets } of demands) if (!meets(candidate)) return CANNOT;
  let rank = node.pool === PUBLIC_POOL ? PUBLIC : node.pool === BACKSTOP_POOL ? BACKSTOP : OWN_POOL;
  if ((contextLength !== null && contextLength < wantContext) || (candidate.lacks & wishes.needs) !== 0) rank += MISFIT;
  return rank + PLACE * placeInOrder(wishes, candidate);
}

/** 0: good; below 1: it came back a while ago and has its share of work; else the seconds until it is tried again. */
function badnessOf({ node, openUntilMs }: Candidate, nowMs: number): number {
  const badMs = Math.max(node.suspectUntilMs, openUntilMs) - nowMs;
  if (badMs > 0) return 1 + badMs / 1000;
  const share = Math.max(0, 1 - (node.provingUntilMs - nowMs) / node.provingMs);
  return node.running < Math.max(1, Math.floor(node.slots * share)) ? 0 : 0.5;
}

/**
 * The node to which the conversation returns: the first of those that know it which is of the best rank and not loaded.
 * `balanced` takes what the cache saves for speed; the other strategies were asked for and are kept to.
 */
function home<C extends Candidate>(
  candidates: readonly C[],
  { wishes: { strategy } }: Ask,
  affinity: Affinity<C>,
  { eligible, bestQuality }: { eligible: number; bestQuality: number },
): C | undefined {
  let place = affinity.candidates.length;
  for (let i = 0; i < eligible; i++) {
    const candidate = candidates[eligibleIndex[i] as number] as C;
    const at = affinity.candidates.indexOf(candidate);
    if (at < 0 || at >= place) continue;
    if (strategy !== "balanced" && (eligibleQuality[i] as number) > bestQuality * NEARLY) continue;
    if (isWithinBound(candidates, candidate)) place = at;
  }
  return affinity.candidates[place];
}

/** Consistent hashing with bounded loads: no more than its share of all the work there is, a quarter and one job above. */
function isWithinBound(candidates: readonly Candidate[], { node }: Candidate): boolean {
  const here = node.running + node.foreign;
  if (here <= 1) return true;
  let work = 0;
  let slots = 0;
  for (const { node: other } of candidates) {
    if (!other.accepting) continue;
    work += other.running + other.foreign;
    slots += other.slots;
  }
  return here <= BOUNDED_LOAD * ((work * node.slots) / slots) + 1;
}

/** The less loaded of two, and the other one: the same where there is one only. */
function drawTwo<C extends Candidate>(candidates: readonly C[], best: number, random: () => number): [C, C] {
  const one = Math.floor(random() * best);
  const other = best > 1 ? (one + 1 + Math.floor(random() * (best - 1))) % best : one;
  const a = candidates[eligibleIndex[one] as number] as C;
  const b = candidates[eligibleIndex[other] as number] as C;
  return load(b.node) < load(a.node) ? [b, a] : [a, b];
}

/** Moves those within `limit` to the front of the eligible; their count. */
function keepBest(eligible: number, limit: number): number {
  let best = 0;
  for (let i = 0; i < eligible; i++) {
    if ((eligibleQuality[i] as number) <= limit) eligibleIndex[best++] = eligibleIndex[i] as number;
  }
  return best;
}

/** Share in use: of its slots, others' work at its backends included, or of its backends' cache. */
const load = ({ running, foreign, slots, cache }: CandidateNode): number =>
  Math.max((running + foreign) / slots, cache);

function explain(chosen: Candidate, strategy: Strategy, eligible: number, best: number, lastResort: boolean): Why {
  return {
    strategy,
    eligible,
    best,
    ...figuresOf(chosen),
    last_resort: lastResort,
  };
}

const figuresOf = ({ node, tokensPerS, priceInput, priceOutput }: Candidate) => ({
  load: Math.round(load(node) * 1000) / 1000,
  tokens_per_s: Math.round(tokensPerS * 10) / 10,
  price_input: priceInput,
  price_output: priceOutput,
});
