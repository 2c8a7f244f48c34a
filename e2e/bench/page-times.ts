// Page times: what the server takes for each page of a large network, and how heavy the pages are. Real routes, server
// and database, in this process and on a clock of the run's own; nodes are objects in the registry, without sockets.
// What is kept for a second is made anew for every request, since the clock moves on by more in between; what is kept for
// a minute, for every fiftieth or so. A request's time holds this process's own client too.
import { brotliCompressSync, constants } from "node:zlib";
import { crawl, pageRoutes } from "../../src/dashboard/testing/crawl.ts";
import {
  MODELS,
  type NetworkSize,
  nodeKey,
  OWN_NODES,
  seedNetwork,
} from "../../src/dashboard/testing/large-network.ts";
import { type SignedIn, signedIn } from "../../src/dashboard/testing/signed-in.ts";
import { type CoordinatorStage, coordinatorStage } from "../../src/http/testing/coordinator-stage.ts";
import { ASSETS } from "../../web/parts/assets.ts";
import { type Quantiles, quantilesOf } from "./stats.ts";

export type PageFigure = {
  route: string;
  path: string;
  /** The first request of all. */
  firstMs: number;
  ms: Quantiles;
  /** Time on a processor, of all threads: what other programs on the machine do not stretch. */
  cpuMs: Quantiles;
  /** Bytes, compressed as it is sent: the page, and with all that it loads. */
  htmlBytes: number;
  bytes: number;
};
export type PageTimes = { size: NetworkSize; seedS: number; pages: PageFigure[]; nowMs: Quantiles };

const STEP_MS = 1_100;

/** `only`: routes that begin with one of these. */
export async function measurePages(
  size: NetworkSize,
  requests: number,
  only: readonly string[] = [""],
): Promise<PageTimes> {
  const on = await coordinatorStage({ dashboard: { billing: "credits" } });
  try {
    const admin = await signedIn(on, { email: "ada@example.org", roles: ["admin", "operator", "client"] });
    const startedMs = performance.now();
    await seedNetwork(on.database.db, { ...size, accountId: admin.accountId, nowMs: on.clock.nowMs() });
    const seedS = (performance.now() - startedMs) / 1000;
    for (let n = 1; n <= size.nodes; n++) {
      on.node(n, { models: [0, 1, 2].map((k) => MODELS[(n + k * 5) % MODELS.length] ?? "") });
    }
    for (let n = 1; n <= OWN_NODES; n++) {
      on.registry.place(nodeKey(n) as never, { pool: "", maintenance: false, account: admin.accountId });
    }
    const paths = await pathsOf(on, admin);
    const pages: PageFigure[] = [];
    for (const [route, path] of paths) {
      if (only.some((start) => route.startsWith(start))) pages.push(await measure(on, admin, route, path, requests));
    }
    return { size, seedS, pages, nowMs: momentMs(on, requests) };
  } finally {
    await on[Symbol.asyncDispose]();
  }
}

/** One address of each page. */
async function pathsOf(on: CoordinatorStage, admin: SignedIn): Promise<Map<string, string>> {
  const newest = "select id from jobs where account_id = ? order by id desc limit 1";
  const [row] = await on.database.db.query(newest, [admin.accountId]);
  const visits = await crawl({
    routes: pageRoutes(on.routes).filter(({ answers }) => answers === "text/html"),
    get: admin.get,
    examples: { "*": MODELS[0] ?? "", pubkey: nodeKey(1), id: String(row?.[0]) },
    most: 3,
  });
  const paths = new Map<string, string>();
  for (const { route, path, status } of visits) if (status === 200 && !paths.has(route)) paths.set(route, path);
  return paths;
}

async function measure(
  on: CoordinatorStage,
  { get }: SignedIn,
  route: string,
  path: string,
  requests: number,
): Promise<PageFigure> {
  const times: number[] = [];
  const cpu: number[] = [];
  let html = "";
  for (let i = 0; i <= requests; i++) {
    on.clock.advance(STEP_MS);
    const before = process.cpuUsage();
    const startedMs = performance.now();
    html = await (await get(path)).text();
    times.push(performance.now() - startedMs);
    const { user, system } = process.cpuUsage(before);
    cpu.push((user + system) / 1000);
  }
  const [firstMs = Number.NaN, ...rest] = times;
  const htmlBytes = small(html, 4);
  return {
    route,
    path,
    firstMs,
    ms: quantilesOf(rest),
    cpuMs: quantilesOf(cpu.slice(1)),
    htmlBytes,
    bytes: htmlBytes + assetBytes(html),
  };
}

function assetBytes(html: string): number {
  const named = new Set([...html.matchAll(/(?:src|href)="(\/assets\/[^"#]+)/g)].map(([, path]) => path));
  return ASSETS.filter(({ path }) => named.has(path)).reduce((sum, { text }) => sum + small(text, 11), 0);
}

const small = (text: string, quality: number): number =>
  brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } }).byteLength;

/** What the shared figures of the moment take. */
function momentMs(on: CoordinatorStage, times: number): Quantiles {
  const ms: number[] = [];
  for (let i = 0; i < times; i++) {
    on.clock.advance(STEP_MS);
    const startedMs = performance.now();
    on.dashboard.stats.now();
    ms.push(performance.now() - startedMs);
  }
  return quantilesOf(ms);
}
