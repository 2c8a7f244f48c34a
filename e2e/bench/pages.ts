// Pages: what the dashboard costs at 10,000 nodes and 1,000,000 jobs: time and weight of each page, the sums that pages
// are made from, and what 500 people who look on do to chats that stream.
//   bun e2e/bench/pages.ts                 everything: about four minutes
//   bun e2e/bench/pages.ts --quick         fewer jobs, requests and rounds
//     [--routes /admin,/nodes] [--json FILE] [--only times,triggers,viewers] [--executable dist/infernet]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { NetworkSize } from "../../src/dashboard/testing/large-network.ts";
import { builtExecutable } from "../harness/executable.ts";
import { type Aim, aim } from "./aims.ts";
import { measurePages, type PageTimes } from "./page-times.ts";
import { measureTriggers, type TriggerCost } from "./page-triggers.ts";
import { measureViewers, type ViewerFigures } from "./page-viewers.ts";
import { aimTable, table } from "./tables.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    routes: { type: "string", default: "" },
    only: { type: "string", default: "times,triggers,viewers" },
    executable: { type: "string" },
  },
});
const FULL: NetworkSize = { nodes: 10_000, jobs: 1_000_000, accounts: 2_000, receipts: 200_000, audited: 50_000 };
const QUICK: NetworkSize = { ...FULL, jobs: 100_000, receipts: 50_000, audited: 5_000 };
const LIMIT_MS = 20;
const LIMIT_KB = 100;
/** Loads what it shows; the one page whose weight has no limit. */
const HEAVY = "/playground";

const kb = (bytes: number): number => bytes / 1000;

function pageRows({ size, seedS, pages, nowMs }: PageTimes): string {
  const rows = pages
    .toSorted((a, b) => b.ms.p99 - a.ms.p99)
    .map(({ route, firstMs, ms, cpuMs, htmlBytes, bytes }) => [
      route,
      ...[firstMs, ms.p50, ms.p99, cpuMs.p50, cpuMs.p99].map((value) => value.toFixed(1)),
      ...[htmlBytes, bytes].map((value) => kb(value).toFixed(1)),
    ]);
  const head = `${size.nodes} nodes in the registry (objects, no sockets), ${size.jobs} jobs, ${size.receipts} receipts in the database (written in ${seedS.toFixed(0)} s); routes, server, database and client in one process
the figures of the moment: p50 ${nowMs.p50} ms, p99 ${nowMs.p99} ms`;
  return `${head}\n${table(["page", "first ms", "p50 ms", "p99 ms", "cpu p50", "cpu p99", "html kB", "with assets kB"], rows)}`;
}

function pageAims({ pages }: PageTimes): Aim[] {
  const worst = (of: (page: PageTimes["pages"][number]) => number, all = pages) =>
    all.toSorted((a, b) => of(b) - of(a))[0];
  const slowest = worst(({ ms }) => ms.p99);
  const usually = worst(({ ms }) => ms.p50);
  const heaviest = worst(
    ({ bytes }) => bytes,
    pages.filter(({ route }) => route !== HEAVY),
  );
  return [
    aim("server time of the slowest page, p50", "<=", LIMIT_MS, " ms", usually?.ms.p50 ?? Number.NaN, usually?.route),
    aim("server time of the slowest page, p99", "<=", LIMIT_MS, " ms", slowest?.ms.p99 ?? Number.NaN, slowest?.route),
    aim("heaviest page with assets", "<=", LIMIT_KB, " kB", kb(heaviest?.bytes ?? Number.NaN), heaviest?.route),
  ];
}

const viewerText = ({ viewers, without, with: seen, tokens, updates }: ViewerFigures): string => {
  const rows = without.map((ms, i) => [`${i + 1}`, ms.toFixed(2), (seen[i] ?? Number.NaN).toFixed(2)]);
  return `${tokens} tokens, ${updates} updates to ${viewers} who looked on; p99 between two tokens, ms
${table(["round", "nobody looks", `${viewers} look on`], rows)}`;
};

const triggerText = ({ withUs, withoutUs, ratio }: TriggerCost): string =>
  `a job's record with the sums by day ${withUs.toFixed(1)} us, without ${withoutUs.toFixed(1)} us: ${ratio.toFixed(2)} x\n`;

const wanted = flags.only.split(",");
const size = flags.quick ? QUICK : FULL;
const aims: Aim[] = [];
const result: { times?: PageTimes; triggers?: TriggerCost; viewers?: ViewerFigures; aims: Aim[] } = { aims };
if (wanted.includes("times")) {
  result.times = await measurePages(size, flags.quick ? 10 : 100, flags.routes.split(","));
  aims.push(...pageAims(result.times));
  console.log(pageRows(result.times));
}
if (wanted.includes("triggers")) {
  result.triggers = await measureTriggers(flags.quick ? 4 : 10);
  console.log(triggerText(result.triggers));
}
if (wanted.includes("viewers")) {
  const directory = mkdtempSync(join(tmpdir(), "infernet-bench-pages-"));
  const executable = flags.executable ?? (await builtExecutable());
  const rounds = flags.quick ? 3 : 7;
  result.viewers = await measureViewers({ executable, directory, viewers: 500, rounds, seconds: flags.quick ? 3 : 5 });
  rmSync(directory, { recursive: true, force: true });
  const { ratio } = result.viewers;
  aims.push(aim("p99 between tokens while 500 look on", "<=", 1.2, " x without", ratio));
  console.log(viewerText(result.viewers));
}
console.log(aimTable(aims));
if (flags.json) writeFileSync(flags.json, JSON.stringify(result, null, 1));
process.exit(0);
