// Create stats: the figures of one coordinator.
import type { Db } from "../db/open.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Registry } from "../registry/registry.ts";
import type { LoadNow, LoadSum, Stats } from "./stats.ts";

export type StatsDeps = {
  db: Db;
  clock: Clock;
  log: Log;
  registry: Registry;
  jobs: Pick<Jobs, "live" | "queued">;
  /** Where coordinators share the database: this one. */
  replica: string | null;
};

const NOTHING: LoadSum = {
  jobs: 0,
  failed: 0,
  promptTokens: 0,
  completionTokens: 0,
  charged: 0,
  firstTokenP50Ms: null,
  firstTokenP95Ms: null,
};

export function createStats({ clock, registry, jobs }: StatsDeps): Stats {
  return {
    now(): LoadNow {
      const online = [...registry.nodes.values()].filter((node) => node.channel !== null);
      const queued = jobs.queued();
      return {
        atMs: clock.nowMs(),
        outputPerS: 0,
        promptPerS: 0,
        running: jobs.live.size - queued,
        slots: online.reduce((sum, node) => sum + node.slots, 0),
        queued,
        oldestQueuedMs: null,
        nodes: { online: online.length, serving: 0, idle: 0, suspect: 0, paused: 0 },
        hour: NOTHING,
        minutes: [],
        models: [],
      };
    },
    series: async () => [],
    sum: async () => NOTHING,
    node: () => undefined,
    nodeDays: async () => [],
    money: async () => ({ gross: 0, nodes: 0, fee: 0, receipts: 0 }),
    stop: async () => {},
  };
}
