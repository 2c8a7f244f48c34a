// Node care: builds what holds a node and lets it go: its operator's pause, its schedule, the load of others.
import type { OwnNode } from "../admin/own-node.ts";
import type { Backend } from "../backends/backend.ts";
import type { Config } from "../config.ts";
import { forgetPause, keepPause, keptPause } from "../daemon/care/kept-pause.ts";
import { meter } from "../daemon/care/reading.ts";
import { gate, type Holder, type Standing } from "../daemon/care/standing.ts";
import { watch } from "../daemon/care/watch.ts";
import type { LinkClient } from "../daemon/link-client.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { parseSpan } from "../protocol/schedule.ts";

export type CareDeps = {
  config: Config;
  log: Log;
  clock: Clock;
  backends: readonly Pick<Backend, "kind" | "url">[];
  /** Those there are by then. */
  links: readonly Pick<LinkClient, "announce" | "handBack">[];
  running: () => number;
};

export type Care = OwnNode & {
  standing(): Standing;
  hold(holder: Holder, reason: string): void;
  release(holder: Holder): boolean;
  /** Schedule or rules are others now. */
  configChanged(): void;
  stop(): void;
};

export function careFor({ config, log, clock, backends, links, running }: CareDeps): Care {
  const { node, data_dir } = config;
  const held = gate({
    clock,
    drainMs: () => node.idle_drain_s * 1000,
    changed({ status, reason }) {
      log.info(status === "available" ? "the node takes jobs again" : "the node takes no jobs", { status, reason });
      for (const link of links) link.announce();
    },
    handBack(reason) {
      if (running() > 0) log.info("running jobs go to other nodes", { running: running(), reason });
      for (const link of links) link.handBack(reason);
    },
  });
  const before = keptPause(data_dir);
  if (before !== null) held.hold("operator", before);
  const watchAsConfigured = () => {
    const { idle_gpu_percent: gpuPercent, idle_cpu_percent: cpuPercent } = node;
    const rules = { gpuPercent, cpuPercent, busyMs: node.idle_busy_s * 1000, resumeMs: node.idle_resume_s * 1000 };
    return watch({
      clock,
      log,
      gate: held,
      running,
      schedule: node.schedule.map(parseSpan).flatMap((span) => (span.ok ? [span.value] : [])),
      idle: node.idle_only ? { rules, meter: meter({ nowMs: () => clock.nowMs(), backends, gpuPercent }) } : null,
    });
  };
  const told = () =>
    JSON.stringify([
      node.schedule,
      node.idle_only,
      node.idle_gpu_percent,
      node.idle_cpu_percent,
      node.idle_busy_s,
      node.idle_resume_s,
    ]);
  let watching = watchAsConfigured();
  let watched = told();
  return {
    standing: held.now,
    hold: held.hold,
    release: held.release,
    pause(reason) {
      keepPause(data_dir, reason);
      held.hold("operator", reason);
    },
    resume() {
      forgetPause(data_dir);
      held.release("operator");
      // A coordinator may have drained it: the machine's own operator has the last word.
      held.release("command");
    },
    configChanged() {
      if (told() === watched) return;
      watched = told();
      watching.stop();
      watching = watchAsConfigured();
    },
    stop: () => watching.stop(),
  };
}
