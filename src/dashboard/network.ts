// Network: what public pages tell of the network, each thing computed at most once in a while for all who look.
import type { NetworkNow } from "../../web/parts/network.tsx";
import type { HttpRoute } from "../http/routes.ts";
import { once } from "../lib/once.ts";
import { isOnline } from "../registry/node-state.ts";
import { modelUse } from "../stats/model-use.ts";
import { catalogue, type ModelRow } from "./catalogue.ts";
import type { DashboardDeps } from "./deps.ts";
import { completePoints } from "./overview/view.ts";
import { publicPage } from "./public.ts";
import { readerOf } from "./reader.ts";

export type Network = {
  /** By name. */
  models(): Promise<readonly ModelRow[]>;
  /** Requests of the last week by model, as of a minute ago or so. */
  used(): ReadonlyMap<string, number>;
  now(): Promise<NetworkNow>;
};

const KEEP_MS = 1_000;
/** Of thousands of nodes: nobody waits for what was true seconds ago. */
const STALE_MS = 4_000;
const KEEP_USE_MS = 60_000;
const DAY_MS = 86_400_000;
const USE_DAYS = 7;
const EVERY_MS = 2_000;

export function createNetwork(deps: DashboardDeps): Network {
  const { clock, registry, stats, startedMs, db, log } = deps;
  const models = once(clock, KEEP_MS, () => catalogue(registry, clock.nowMs()), { staleMs: STALE_MS });
  let use: ReadonlyMap<string, number> = new Map();
  const freshUse = once(clock, KEEP_USE_MS, async () => {
    use = await modelUse(db, Math.floor(clock.nowMs() / DAY_MS) - USE_DAYS);
  });
  return {
    models,
    /** Nobody waits for it: an order of a minute ago is good. */
    used() {
      freshUse().catch((error) => log.warn("how often models were used cannot be read", { err: error }));
      return use;
    },
    now: once(clock, KEEP_MS, async (): Promise<NetworkNow> => {
      const load = stats.now();
      const rows = await models();
      const regions = new Set<string>();
      for (const node of registry.nodes.values()) {
        if (node.region !== "" && isOnline(node)) regions.add(node.region);
      }
      const since = deps.presence.others().flatMap((one) => (one.isSilent ? [] : [one.startedMs]));
      return {
        online: load.nodes.online,
        regions: regions.size,
        models: rows.length,
        ready: rows.filter((row) => row.ready > 0).length,
        outputPerS: load.outputPerS,
        perMinute: completePoints(load.minutes, clock.nowMs()).map(({ completionTokens }) => completionTokens),
        running: load.running,
        slots: load.slots,
        firstTokenMs: load.hour.firstTokenP50Ms,
        upMs: Math.max(0, clock.nowMs() - Math.min(startedMs, ...since)),
      };
    }),
  };
}

/** The figures of every page that shows them. */
export const networkRoutes = (deps: DashboardDeps, network: Network): HttpRoute[] => [
  publicPage(deps, {
    path: "/live/network",
    summary: "The network's figures, as they change.",
    answers: "text/event-stream",
    handle: (call) =>
      deps.live.open(readerOf(deps, call), {
        key: "network",
        everyMs: EVERY_MS,
        async render() {
          const { NetworkFigures } = await import("../../web/parts/network.tsx");
          const figures = await NetworkFigures({ now: await network.now() });
          return [{ data: `<hx-partial hx-target="#network" hx-swap="outerHTML">${figures}</hx-partial>` }];
        },
      }),
  }),
];
