// Node metrics: what Prometheus reads at a node's `/metrics`. Everything is looked up when it is asked for.
import { Counter, Gauge, Registry as PromRegistry } from "prom-client";
import type { Metrics } from "./metrics.ts";

/** What the node has done since its start, and how it stands. */
export type NodeFigures = {
  /** Attempts that ended, by outcome. */
  ended: ReadonlyMap<string, number>;
  promptTokens: number;
  completionTokens: number;
  running: number;
  slots: number;
  models: number;
  /** In the order of the configuration; two may be of one kind. */
  backends: readonly { kind: string; url: string | null; healthy: boolean }[];
  coordinators: readonly { label: string; state: string }[];
  version: string;
};

export function nodeMetrics(read: () => NodeFigures): Pick<Metrics, "render" | "contentType"> {
  const prom = new PromRegistry();
  const registers = [prom];
  const gauge = (name: string, help: string, value: (from: NodeFigures) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(read()));
      },
    });
  new Counter({
    name: "infernet_node_attempts_total",
    help: "Attempts at jobs that ended on this node, by outcome.",
    labelNames: ["outcome"] as const,
    registers,
    collect() {
      this.reset();
      for (const [outcome, count] of read().ended) this.inc({ outcome }, count);
    },
  });
  new Counter({
    name: "infernet_node_tokens_total",
    help: "Tokens of completed attempts as the backends counted them, by direction.",
    labelNames: ["direction"] as const,
    registers,
    collect() {
      this.reset();
      this.inc({ direction: "input" }, read().promptTokens);
      this.inc({ direction: "output" }, read().completionTokens);
    },
  });
  gauge("infernet_node_running", "Attempts that run now.", (from) => from.running);
  gauge("infernet_node_slots", "Attempts that can run side by side.", (from) => from.slots);
  gauge("infernet_node_models", "Models that this node serves.", (from) => from.models);
  new Gauge({
    name: "infernet_node_backend_up",
    help: "1 where the backend answered when it was last asked.",
    labelNames: ["backend", "kind", "url"] as const,
    registers,
    collect() {
      this.reset();
      read().backends.forEach(({ kind, url, healthy }, backend) => {
        this.set({ backend, kind, url: url ?? "" }, healthy ? 1 : 0);
      });
    },
  });
  new Gauge({
    name: "infernet_node_link_state",
    help: "1 for the state that the link to the coordinator is in.",
    labelNames: ["coordinator", "state"] as const,
    registers,
    collect() {
      this.reset();
      for (const { label, state } of read().coordinators) this.set({ coordinator: label, state }, 1);
    },
  });
  gauge("infernet_resident_memory_bytes", "Memory of this process.", () => process.memoryUsage.rss());
  new Gauge({
    name: "infernet_build_info",
    help: "Always 1; the version is a label.",
    labelNames: ["version"] as const,
    registers,
    collect() {
      this.set({ version: read().version }, 1);
    },
  });
  return { render: () => prom.metrics(), contentType: prom.contentType };
}
