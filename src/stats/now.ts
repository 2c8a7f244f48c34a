// Now: the network at a moment, from what is in memory: this coordinator's, and what others on the database say of theirs.
import { z } from "zod";
import type { Job } from "../jobs/job.ts";
import type { Node, Registry } from "../registry/registry.ts";
import type { Levels } from "./minutes.ts";
import type { LoadNow } from "./stats.ts";
import type { Tally } from "./tally.ts";

const MAX_MODELS = 100;

/** How many run and wait, and what there is to run them. */
export function levelsOf(live: ReadonlyMap<string, Job>, online: readonly Node[]): Levels {
  let queued = 0;
  for (const { state } of live.values()) if (state === "queued") queued++;
  const slots = online.reduce((sum, node) => sum + node.slots, 0);
  return { running: live.size - queued, queued, slots, nodes: online.length };
}

export function oldestQueuedMs(live: ReadonlyMap<string, Job>, nowMs: number): number | null {
  let sinceMs: number | null = null;
  for (const { state, queuedMs } of live.values()) {
    if (state === "queued") sinceMs = Math.min(sinceMs ?? queuedMs, queuedMs);
  }
  return sinceMs === null ? null : Math.max(0, nowMs - sinceMs);
}

/** Each node that is here, once: one that takes no work is paused, one that is avoided suspect, whatever it does. */
export function standingsOf(online: readonly Node[], nowMs: number): LoadNow["nodes"] {
  const count = { online: online.length, serving: 0, idle: 0, suspect: 0, paused: 0 };
  for (const { accepting, suspectUntilMs, provingUntilMs, running } of online) {
    if (!accepting) count.paused++;
    else if (suspectUntilMs > nowMs || provingUntilMs > nowMs) count.suspect++;
    else if (running > 0) count.serving++;
    else count.idle++;
  }
  return count;
}

/** Models that somebody asks for now. */
export function modelsOf(
  live: ReadonlyMap<string, Job>,
  { offersOf }: Pick<Registry, "offersOf">,
  tally: Pick<Tally, "ofModel">,
  isCounted: (node: Node) => boolean,
): Figures["models"] {
  const models = new Map<string, { queued: number; running: number }>();
  for (const { model, state } of live.values()) {
    const counts = models.get(model) ?? { queued: 0, running: 0 };
    models.set(model, counts);
    if (state === "queued") counts.queued++;
    else counts.running++;
  }
  return [...models]
    .toSorted(([, a], [, b]) => b.queued - a.queued || b.running - a.running)
    .slice(0, MAX_MODELS)
    .map(([model, counts]) => {
      const slots = offersOf(model).reduce((sum, { node }) => sum + (isCounted(node) ? node.slots : 0), 0);
      return { model, ...counts, slots, outputPerS: tally.ofModel(model) };
    });
}

/** What one coordinator does now, as it tells others. A node that is linked to several is counted by one of them. */
const count = z.number().nonnegative();
const figuresSchema = z.object({
  ...{ outputPerS: count, promptPerS: count, running: count, slots: count, queued: count },
  oldestQueuedMs: count.nullable(),
  nodes: z.object({ online: count, serving: count, idle: count, suspect: count, paused: count }),
  models: z
    .array(z.object({ model: z.string(), queued: count, running: count, slots: count, outputPerS: count }))
    .max(MAX_MODELS),
});
export type Figures = z.output<typeof figuresSchema>;

/** What another coordinator said; null where its version says it otherwise. */
export const readFigures = (said: unknown): Figures | null => figuresSchema.safeParse(said).data ?? null;

const SUMMED = ["outputPerS", "promptPerS", "running", "slots", "queued"] as const;
const STANDINGS = ["online", "serving", "idle", "suspect", "paused"] as const;

/** Of all of them together. */
export function addUp(own: Figures, others: readonly Figures[]): Figures {
  if (others.length === 0) return own;
  const sum: Figures = { ...own, nodes: { ...own.nodes } };
  const models = new Map(own.models.map((one) => [one.model, { ...one }]));
  for (const other of others) {
    for (const name of SUMMED) sum[name] += other[name];
    for (const name of STANDINGS) sum.nodes[name] += other.nodes[name];
    if (other.oldestQueuedMs !== null) sum.oldestQueuedMs = Math.max(sum.oldestQueuedMs ?? 0, other.oldestQueuedMs);
    for (const one of other.models) {
      const known = models.get(one.model) ?? { model: one.model, queued: 0, running: 0, slots: 0, outputPerS: 0 };
      models.set(one.model, known);
      for (const name of ["queued", "running", "slots", "outputPerS"] as const) known[name] += one[name];
    }
  }
  const fullest = [...models.values()].toSorted((a, b) => b.queued - a.queued || b.running - a.running);
  return { ...sum, models: fullest.slice(0, MAX_MODELS) };
}
