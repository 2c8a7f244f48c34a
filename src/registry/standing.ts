// Standing: which nodes and models are to be avoided for now, as what they did lately says. Nothing here takes a node
// away: who is avoided comes last, so that the least bad serves where nobody is good.
//
// A link that breaks puts its node under suspicion and, when it is back, makes it prove itself; a model that fails opens
// the breaker of that model on that node and nothing else.
import type { Clock } from "../lib/clock.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { Node } from "./node.ts";
import type { Offer } from "./offers.ts";

/** First time under suspicion, or with an open breaker; doubled by each further failure, up to the last. */
const AVOID_MS = 2_000;
const AVOID_MAX_MS = 60_000;
/** A half-open breaker lets one job through in so long, unless that one succeeds. */
const PROBE_MS = 10_000;
/** How long a node that was away proves itself, for each time it was lately. */
const PROVE_MS = 60_000;
const MOST_FLAPS = 10;
/** Links that break within this time break together … */
const TOGETHER_MS = 5_000;
/** … and when more nodes than this share of all break together, the coordinator's own network is in doubt. */
const MASS = 0.5;
const MASS_NODES = 3;
/** Weight of the newest answer in what is measured. */
const WEIGHT = 0.3;

const avoidMs = (failures: number): number => Math.min(AVOID_MAX_MS, AVOID_MS * 2 ** (failures - 1));

const watch = (node: Node): void => {
  node.watchedUntilMs = Math.max(node.suspectUntilMs, node.provingUntilMs);
};

/** `linked`: how many nodes hold a link now. */
export function standing(clock: Clock, nodes: ReadonlyMap<Pubkey, Node>, linked: () => number) {
  const broken = new Map<Pubkey, number>();
  const forgetOld = (nowMs: number) => {
    for (const [pubkey, atMs] of broken) if (nowMs - atMs > TOGETHER_MS) broken.delete(pubkey);
  };
  const isMass = () => broken.size >= MASS_NODES && broken.size > (linked() + broken.size) * MASS;

  return {
    /** Its link broke. When most break together nobody is to blame for it. */
    linkBroke(node: Node): void {
      const nowMs = clock.nowMs();
      forgetOld(nowMs);
      broken.set(node.pubkey, nowMs);
      node.flaps = Math.min(MOST_FLAPS, flapsNow(node, nowMs) + 1);
      node.flappedMs = nowMs;
      if (!isMass()) return;
      for (const pubkey of broken.keys()) {
        const one = nodes.get(pubkey);
        if (!one) continue;
        one.flaps = Math.max(0, one.flaps - 1);
        one.suspectUntilMs = one.provingUntilMs = 0;
        one.failures = Math.max(0, one.failures - 1);
        watch(one);
      }
    },

    /** It holds a link again: how much of it is used at once depends on how often it was away lately. */
    linkIsBack(node: Node): void {
      const nowMs = clock.nowMs();
      const flaps = flapsNow(node, nowMs);
      node.provingMs = flaps * PROVE_MS;
      node.provingUntilMs = flaps === 0 ? 0 : nowMs + node.provingMs;
      watch(node);
    },

    /** The node itself failed: its link broke, or it gave no sign of having a job. */
    blame(node: Node): void {
      const nowMs = clock.nowMs();
      forgetOld(nowMs);
      if (broken.has(node.pubkey) && isMass()) return;
      node.failures++;
      node.suspectUntilMs = nowMs + avoidMs(node.failures);
      watch(node);
    },

    /** A model failed there, or did not answer in time: its breaker opens. */
    fault(offer: Offer): void {
      offer.failures++;
      offer.openUntilMs = clock.nowMs() + avoidMs(offer.failures);
    },

    /** A job was given to it. Where its breaker is half-open, that job is the probe, and others wait for what it finds. */
    tried(offer: Offer): void {
      const nowMs = clock.nowMs();
      if (offer.openUntilMs !== 0 && offer.openUntilMs <= nowMs) offer.openUntilMs = nowMs + PROBE_MS;
    },

    /** A job went well there: the breaker closes, and suspicion ends. Trust comes back by halves. */
    praise(offer: Offer, completionTokens: number, generatingMs: number, firstTokenMs: number): void {
      const { node } = offer;
      node.failures = Math.floor(node.failures / 2);
      node.suspectUntilMs = 0;
      watch(node);
      offer.failures = Math.floor(offer.failures / 2);
      offer.openUntilMs = 0;
      // A clock that was set back in between measures nothing.
      if (firstTokenMs >= 0) offer.firstTokenMs = smoothed(offer.firstTokenMs, firstTokenMs);
      if (completionTokens >= 8 && generatingMs >= 1)
        offer.tokensPerS = smoothed(offer.tokensPerS, (completionTokens * 1000) / generatingMs);
    },
  };
}

/** What is left of a node's absences: one is forgiven for each `PROVE_MS` that it stayed. */
const flapsNow = ({ flaps, flappedMs }: Node, nowMs: number): number =>
  Math.max(0, flaps - Math.floor((nowMs - flappedMs) / PROVE_MS));

const smoothed = (before: number, newest: number): number =>
  before === 0 ? newest : before + WEIGHT * (newest - before);
