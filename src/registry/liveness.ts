// Liveness: which linked nodes are still there, and how far away they are. A node that works and says nothing is asked;
// one that does not answer is cut off, so that its jobs go on elsewhere long before its heartbeat is missed.
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { SILENCE_MS } from "../protocol/frames.ts";
import { CLOSE_PROTOCOL } from "../protocol/transport.ts";
import type { Node, Registry } from "./registry.ts";

const LOOK_MS = 500;
/** A node with jobs that said nothing for so long is asked … */
const ASK_AFTER_MS = 3_000;
/** … every other one so often, for its round trip … */
const ASK_EVERY_MS = 30_000;
/** … the first few times sooner: one trip alone may have been a slow one … */
const FIRST_TIMES = 4;
const FIRST_EVERY_MS = 1_000;
/** … and has so long to answer, where jobs wait for it. */
const ANSWER_MS = 5_000;
/** When more nodes than this share are silent together, it is the coordinator's own network that is in doubt. */
export const MASS_SILENCE = 0.5;
export const MASS_SILENCE_NODES = 3;

/** `times`: how often it was asked on this link. */
type Question = { n: number; askedMs: number; answered: boolean; times: number };

export type Liveness = {
  /** A node answered the question `n`. */
  pong(node: Node, n: number): void;
  stop: Cancel;
};

export function liveness({ clock, log, registry }: { clock: Clock; log: Log; registry: Registry }): Liveness {
  const questions = new WeakMap<Node, Question>();
  let lookedMs = clock.nowMs();
  let asked = 0;

  const ask = (node: Node, nowMs: number) => {
    const n = asked++;
    const before = questions.get(node);
    const times = before !== undefined && before.askedMs >= node.connectedMs ? before.times + 1 : 1;
    questions.set(node, { n, askedMs: nowMs, answered: false, times });
    node.channel?.ping?.(n);
  };
  const owesAnswer = (node: Node): boolean => {
    const question = questions.get(node);
    return question !== undefined && !question.answered && node.lastSeenMs < question.askedMs;
  };
  const askedMs = (node: Node): number => questions.get(node)?.askedMs ?? 0;
  const isSilent = (node: Node, nowMs: number): boolean =>
    (node.running > 0 && owesAnswer(node) && nowMs - askedMs(node) > ANSWER_MS) || nowMs - node.lastSeenMs > SILENCE_MS;
  const isDue = (node: Node, nowMs: number): boolean => {
    const sinceMs = nowMs - Math.max(askedMs(node), node.connectedMs);
    // One that owes an answer is not asked again, or its time would begin anew each time.
    if (owesAnswer(node)) return sinceMs > ASK_EVERY_MS;
    const isQuiet = node.running > 0 && nowMs - node.lastSeenMs > ASK_AFTER_MS && sinceMs > ASK_AFTER_MS;
    const question = questions.get(node);
    if (isQuiet || question === undefined || question.askedMs < node.connectedMs) return true;
    return sinceMs > (question.times < FIRST_TIMES ? FIRST_EVERY_MS : ASK_EVERY_MS);
  };

  const look = () => {
    const nowMs = clock.nowMs();
    const wasAway = Math.abs(nowMs - lookedMs) > 4 * LOOK_MS;
    lookedMs = nowMs;
    const linked = [...registry.nodes.values()].filter((node) => node.channel?.ping);
    // This process did not run for a while, or the clock was set: what nodes said is not read yet, so they are asked anew.
    if (wasAway) return linked.forEach((node) => void ask(node, nowMs));
    const silent = linked.filter((node) => isSilent(node, nowMs));
    if (silent.length >= MASS_SILENCE_NODES && silent.length > linked.length * MASS_SILENCE) {
      log.warn("most nodes are silent at once: this machine's own network is suspected, and none is cut off", {
        silent: silent.length,
        linked: linked.length,
      });
      for (const node of silent) ask(node, nowMs);
      return;
    }
    for (const node of silent) node.channel?.close(CLOSE_PROTOCOL, "no sign of life");
    for (const node of linked) if (node.channel && isDue(node, nowMs)) ask(node, nowMs);
  };

  return {
    pong(node, n) {
      const question = questions.get(node);
      if (question?.n !== n || question.answered) return;
      question.answered = true;
      registry.measured(node, clock.nowMs() - question.askedMs);
    },
    stop: clock.every(LOOK_MS, look),
  };
}
