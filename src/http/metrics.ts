// Metrics: what Prometheus reads at `/metrics`. Counters are told of every job's end; everything else is looked up when
// asked for.
import { Counter, Gauge, Histogram, Registry as PromRegistry } from "prom-client";
import type { Job } from "../jobs/job.ts";
import type { Registry } from "../registry/registry.ts";

export type MetricSources = {
  registry: Registry;
  jobs: () => { live: number; queued: number };
  writer: () => { queued: number; groups: number; writes: number };
  version: string;
  nowMs: () => number;
};

export type Metrics = {
  jobEnded(job: Job): void;
  /** Prometheus text format 0.0.4. */
  render(): Promise<string>;
  contentType: string;
};

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

export function metrics(sources: () => MetricSources): Metrics {
  const registers = [new PromRegistry()];
  const [prom] = registers;
  const jobs = new Counter({
    name: "infernet_jobs_total",
    help: "Jobs that ended, by kind and end state.",
    labelNames: ["kind", "state"] as const,
    registers,
  });
  const tokens = { input: 0, output: 0 };
  new Counter({
    name: "infernet_tokens_total",
    help: "Tokens of completed jobs, by direction.",
    labelNames: ["direction"] as const,
    registers,
    collect() {
      this.reset();
      this.inc({ direction: "input" }, tokens.input);
      this.inc({ direction: "output" }, tokens.output);
    },
  });
  let attemptsMade = 0;
  new Counter({
    name: "infernet_attempts_total",
    help: "Attempts made.",
    registers,
    collect() {
      this.reset();
      this.inc(attemptsMade);
    },
  });
  const affinity = { session: 0, prefix: 0, passed_over: 0, unknown: 0 };
  new Counter({
    name: "infernet_affinity_total",
    help: "Attempts by whether the conversation returned to a node that knows it, and by what it was known.",
    labelNames: ["by"] as const,
    registers,
    collect() {
      this.reset();
      for (const [by, n] of Object.entries(affinity)) this.inc({ by }, n);
    },
  });
  const firstDelta = new Histogram({
    name: "infernet_time_to_first_token_seconds",
    help: "From the request to the first piece of its answer.",
    buckets: SECONDS,
    registers,
  });
  const duration = new Histogram({
    name: "infernet_job_duration_seconds",
    help: "From the request to its end.",
    buckets: SECONDS,
    registers,
  });
  const gauge = (name: string, help: string, read: (from: MetricSources) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(sources()));
      },
    });
  const online = ({ registry }: MetricSources) => [...registry.nodes.values()].filter((node) => node.channel !== null);
  gauge("infernet_nodes_online", "Nodes with a link.", (from) => online(from).length);
  gauge("infernet_slots", "Slots of all nodes with a link.", (from) =>
    online(from).reduce((sum, node) => sum + node.slots, 0),
  );
  gauge("infernet_slots_used", "Slots in use.", (from) => online(from).reduce((sum, node) => sum + node.running, 0));
  new Gauge({
    name: "infernet_pool_nodes",
    help: "Nodes with a link, by pool.",
    labelNames: ["pool"] as const,
    registers,
    collect() {
      this.reset();
      for (const node of online(sources())) this.inc({ pool: node.pool || "public" });
    },
  });
  new Gauge({
    name: "infernet_breakers",
    help: "Models on nodes, by what their breaker lets through.",
    labelNames: ["state"] as const,
    registers,
    collect() {
      const { registry, nowMs } = sources();
      const count = { closed: 0, open: 0, half_open: 0 };
      for (const offers of registry.models.values())
        for (const { openUntilMs } of offers)
          count[openUntilMs === 0 ? "closed" : openUntilMs > nowMs() ? "open" : "half_open"]++;
      for (const [state, n] of Object.entries(count)) this.set({ state }, n);
    },
  });
  gauge(
    "infernet_nodes_avoided",
    "Nodes with a link that are under suspicion, or prove themselves after an absence.",
    (from) => online(from).filter((node) => node.watchedUntilMs > from.nowMs()).length,
  );
  gauge(
    "infernet_nodes_in_maintenance",
    "Nodes with a link that an admin gives no work.",
    (from) => online(from).filter((node) => node.maintenance).length,
  );
  gauge("infernet_models", "Models on offer.", ({ registry }) => registry.models.size);
  gauge("infernet_jobs_live", "Jobs that have not ended.", (from) => from.jobs().live);
  gauge("infernet_jobs_queued", "Jobs waiting for a slot.", (from) => from.jobs().queued);
  gauge("infernet_db_writes_queued", "Writes waiting for the database.", (from) => from.writer().queued);
  gauge("infernet_db_groups", "Groups of writes committed.", (from) => from.writer().groups);
  gauge("infernet_db_writes", "Writes committed.", (from) => from.writer().writes);
  gauge("infernet_resident_memory_bytes", "Memory of this process.", () => process.memoryUsage.rss());
  new Gauge({
    name: "infernet_build_info",
    help: "Always 1; the version is a label.",
    labelNames: ["version"] as const,
    registers,
    collect() {
      this.set({ version: sources().version }, 1);
    },
  });

  // Bound once: looking labels up costs more than counting.
  const countOf = new Map<string, () => void>();
  return {
    jobEnded(job) {
      const key = `${job.kind} ${job.state}`;
      let count = countOf.get(key);
      if (!count) {
        const bound = jobs.labels({ kind: job.kind, state: job.state });
        count = () => bound.inc();
        countOf.set(key, count);
      }
      count();
      attemptsMade += job.attempts.length;
      if (job.affinity !== null) for (const { why } of job.attempts) affinity[why.affinity ?? "unknown"]++;
      if (job.firstDeltaMs !== null) firstDelta.observe((job.firstDeltaMs - job.createdMs) / 1000);
      if (job.endedMs !== null) duration.observe((job.endedMs - job.createdMs) / 1000);
      if (job.state !== "completed" || !job.usage) return;
      tokens.input += job.usage.prompt_tokens;
      tokens.output += job.usage.completion_tokens;
    },
    render: () => (prom as PromRegistry).metrics(),
    contentType: (prom as PromRegistry).contentType,
  };
}
