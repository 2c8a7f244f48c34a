// Providers: `/nodes`, the directory of the nodes that serve everybody.
import type { HttpRoute, HumanCall } from "../http/routes.ts";
import { pageAnswer } from "./answer.ts";
import type { DashboardDeps } from "./deps.ts";
import type { ProviderRow } from "./directory.ts";
import type { Network } from "./network.ts";
import { comparePlaces, listPage, type Place } from "./paging.ts";
import { publicPage } from "./public.ts";
import { cursorsOf, hrefWith } from "./query.ts";
import { viewerOf } from "./viewer.ts";

const PAGE = 50;
const MAX_QUERY = 128;
/** Regions to choose from. */
const MAX_REGIONS = 64;

export const providerRoutes = (deps: DashboardDeps, network: Network): HttpRoute[] => [
  publicPage(deps, {
    path: "/nodes",
    summary: "The nodes that serve everybody.",
    handle: (call) => directoryPage(deps, network, call),
  }),
];

type Wanted = { q: string; state: string; region: string; order: string };
const wantedOf = ({ query }: HumanCall): Wanted => {
  const text = (name: string) => (query.get(name) ?? "").slice(0, MAX_QUERY);
  return { q: text("q").trim(), state: text("state"), region: text("region"), order: text("order") || "state" };
};

async function directoryPage(deps: DashboardDeps, network: Network, call: HumanCall): Promise<Response> {
  const wanted = wantedOf(call);
  const all = await network.providers();
  const placeOf = placesBy(wanted.order);
  const rows = sorted(all, wanted.order).filter(fits(wanted));
  const page = listPage(rows, placeOf, cursorsOf(call), PAGE);
  const { Providers } = await import("../../web/pages/providers.tsx");
  const view = {
    viewer: viewerOf(deps, call),
    wanted,
    regions: regionsOf(all, wanted.region),
    page: { rows: page.rows, ...hrefWith(call, page) },
    found: rows.length,
    total: all.length,
    online: all.filter(({ state }) => state !== "offline").length,
    nowMs: deps.clock.nowMs(),
  };
  return pageAnswer(call.request, Providers(view));
}

function fits({ q, state, region }: Wanted): (row: ProviderRow) => boolean {
  const part = q.toLowerCase();
  const has = (text: string) => text.toLowerCase().includes(part);
  return (row) =>
    (state === "" || isIn(row.state, state)) &&
    (region === "" || row.region === region) &&
    (part === "" || has(row.name) || has(row.device) || row.pubkey.startsWith(part) || row.modelNames.some(has));
}

function isIn(state: ProviderRow["state"], wanted: string): boolean {
  if (wanted === "online") return state !== "offline";
  return state === wanted || (wanted === "serving" && state === "full");
}

const RANKS: Readonly<Record<ProviderRow["state"], number>> = {
  serving: 0,
  idle: 1,
  full: 2,
  suspect: 3,
  paused: 4,
  offline: 5,
};
/** What stands first has the least. */
const BY: Readonly<Record<string, (row: ProviderRow) => number | string>> = {
  state: (row) => RANKS[row.state],
  fast: (row) => -(row.tokensPerS ?? 0),
  cheap: (row) => (row.prices === null ? Number.MAX_SAFE_INTEGER : row.prices.input + row.prices.output),
  long: (row) => (row.state === "offline" ? Number.MAX_SAFE_INTEGER - row.sinceMs : row.sinceMs),
  new: (row) => (row.state === "offline" ? Number.MAX_SAFE_INTEGER - row.sinceMs : -row.sinceMs),
  name: (row) => row.name.toLowerCase(),
};

function placesBy(order: string): (row: ProviderRow) => Place {
  const by = (Object.hasOwn(BY, order) ? BY[order] : undefined) ?? BY.state;
  return (row) => [by?.(row) ?? 0, row.pubkey];
}

/** Of each list as it was computed last, its orders: sorting thousands is dearer than all else of a page. */
const orders = new WeakMap<readonly ProviderRow[], Map<string, readonly ProviderRow[]>>();

function sorted(all: readonly ProviderRow[], order: string): readonly ProviderRow[] {
  const name = Object.hasOwn(BY, order) ? order : "state";
  const known = orders.get(all) ?? new Map<string, readonly ProviderRow[]>();
  orders.set(all, known);
  const made = known.get(name);
  if (made) return made;
  const placeOf = placesBy(name);
  const places = new Map(all.map((row) => [row, placeOf(row)]));
  const rows = [...all].sort((a, b) => comparePlaces(places.get(a) ?? placeOf(a), places.get(b) ?? placeOf(b)));
  known.set(name, rows);
  return rows;
}

/** That nodes are in, with the one asked for. */
function regionsOf(all: readonly ProviderRow[], wanted: string): string[] {
  const regions = new Set(wanted === "" ? [] : [wanted]);
  for (const { region } of all) if (region !== "" && regions.size < MAX_REGIONS) regions.add(region);
  return [...regions].sort();
}
