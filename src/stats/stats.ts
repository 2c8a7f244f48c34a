// Stats: what the network does, for pages and charts to read. Sampled every few seconds from what is in memory, so that
// jobs and tokens pay nothing for it; kept by the minute in the database. Shared figures are computed once for all who
// look.
import type { Job } from "../jobs/job.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { Figures } from "./now.ts";
import type { UsageDay, UsageDaysQuery } from "./usage.ts";

export const RANGES = ["1h", "24h", "7d", "30d"] as const;
export type Range = (typeof RANGES)[number];

/** The network at a moment, and over the last hour. */
export type LoadNow = {
  atMs: number;
  /** Tokens per second, over the last seconds. */
  outputPerS: number;
  promptPerS: number;
  running: number;
  slots: number;
  queued: number;
  /** How long the oldest has waited; null where nothing waits. */
  oldestQueuedMs: number | null;
  nodes: { online: number; serving: number; idle: number; suspect: number; paused: number };
  /** That share the database and live; 1 where there is no other. */
  coordinators: number;
  /** Of the last hour. */
  hour: LoadSum;
  /** The last hour by the minute, the newest last. */
  minutes: readonly LoadPoint[];
  /** Jobs that wait, and those running, by model, the fullest first; at most 100. */
  models: readonly { model: string; queued: number; running: number; slots: number; outputPerS: number }[];
};

/** What was done in a span of time. */
export type LoadSum = {
  jobs: number;
  /** Failed and expired. */
  failed: number;
  promptTokens: number;
  completionTokens: number;
  /** µ$. */
  charged: number;
  /** Milliseconds; null where nothing began. */
  firstTokenP50Ms: number | null;
  firstTokenP95Ms: number | null;
};
/** A span of a series; `running`, `queued`: the most at once. */
export type LoadPoint = LoadSum & {
  /** Unix seconds of its beginning. */
  atS: number;
  /** How long it is. */
  spanS: number;
  running: number;
  queued: number;
  slots: number;
  nodes: number;
};

/** One node, live. */
export type NodeLoad = {
  outputPerS: number;
  /** The last hour, the newest last. A value that the node does not say is null. */
  samples: readonly NodeSample[];
};
export type NodeSample = {
  atS: number;
  running: number;
  /** Of its GPUs together: percent of time busy, percent of memory used; the hottest's °C. */
  gpuPercent: number | null;
  gpuMemoryPercent: number | null;
  temperatureC: number | null;
  cpuPercent: number | null;
  memoryPercent: number | null;
};
/** One node's day (UTC). */
export type NodeDay = {
  /** Days since the Unix epoch. */
  day: number;
  onlineS: number;
  completed: number;
  failed: number;
  promptTokens: number;
  completionTokens: number;
  /** µ$, after the fee. */
  earned: number;
  receipts: number;
};

export type Stats = {
  /** Told of every job that ended. */
  jobEnded(job: Job): void;
  /** Of all coordinators on the database together. */
  now(): LoadNow;
  /** Of this one alone, for the others. */
  figures(): Figures;
  /** Oldest first, gaps left out. */
  series(range: Range): Promise<readonly LoadPoint[]>;
  sum(range: Range): Promise<LoadSum>;
  /** Undefined for a node that is not here. */
  node(pubkey: Pubkey): NodeLoad | undefined;
  /** The last `days` days, today last; days of nothing included. */
  nodeDays(pubkey: Pubkey, days: number): Promise<readonly NodeDay[]>;
  /** Money of a UTC day: what clients paid, what nodes earned, the fee; µ$. */
  money(day: number): Promise<{ gross: number; nodes: number; fee: number; receipts: number }>;
  /** What everybody used, by the day, as of a minute ago. */
  usage(query: Omit<UsageDaysQuery, "accountId">): Promise<readonly UsageDay[]>;
  stop(): Promise<void>;
};
