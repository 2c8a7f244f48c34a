// Notices: what operators and admins may want to hear of while they look elsewhere. Found out by looking, once for all
// who listen and only while somebody does, and told to those whose it is.

import { plainName } from "../../web/parts/text.tsx";
import type { HttpRoute } from "../http/routes.ts";
import { usd } from "../lib/money.ts";
import { once } from "../lib/once.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { isOnline } from "../registry/node-state.ts";
import type { DashboardDeps } from "./deps.ts";
import { readerOf } from "./reader.ts";
import { isAdmin } from "./viewer.ts";

type Deps = Pick<DashboardDeps, "db" | "clock" | "registry" | "live" | "people" | "isPublic">;

export type Notice = {
  /** Goes up; a moment, in Unix milliseconds. */
  n: number;
  title: string;
  text: string;
  path: string;
};
/** Whose it is: an account's, or (null) the admins'. */
type Kept = Notice & { accountId: string | null };

const LOOK_MS = 5_000;
/** A node that comes back within this time was not away. */
const AWAY_MS = 20_000;
/** Told to whoever opens a page within this time. */
const KEEP_MS = 10 * 60_000;
const MAX_KEPT = 200;
/** Rows of one look. */
const MAX_ROWS = 20;
/** Nobody looked for so long: what happened meanwhile is no news. */
const STALE_MS = 60_000;
/** A command ends within a day of its making, or expires. */
const COMMAND_MS = 25 * 60 * 60_000;

export function noticeRoutes(deps: Deps): HttpRoute[] {
  const notices = createNotices(deps);
  return [
    {
      method: "GET",
      path: "/live/notices",
      tier: "human",
      access: "user",
      summary: "What happened to the account's nodes; to admins also who asks to join.",
      answers: "text/event-stream",
      handle(call) {
        const { id } = call.human.account;
        const admin = isAdmin(call.human);
        return deps.live.open(readerOf(deps, call), {
          key: `notices/${id}/${admin ? "admin" : ""}`,
          everyMs: LOOK_MS,
          render: async () => [{ event: "notices", data: JSON.stringify(await notices.of(id, admin)) }],
        });
      },
    },
  ];
}

/** `of`: the latest of an account, and with `admin` those for admins; the oldest first. */
export function createNotices({ db, clock, registry }: Omit<Deps, "live" | "people" | "isPublic">) {
  let kept: Kept[] = [];
  let lastN = 0;
  let lookedMs = 0;
  /** Since when nodes are away, by those that were there when it was looked last; `told`: it was said. */
  const there = new Set<Pubkey>();
  const away = new Map<Pubkey, { sinceMs: number; told: boolean }>();

  const add = (notice: Omit<Kept, "n">) => {
    lastN = Math.max(lastN + 1, clock.nowMs());
    kept.push({ ...notice, n: lastN });
  };
  const lookAtNodes = (nowMs: number, isNews: boolean) => {
    for (const node of registry.nodes.values()) {
      const { pubkey, name, account } = node;
      const about = { accountId: account, path: `/nodes/${pubkey}`, text: "" };
      const gone = away.get(pubkey);
      if (isOnline(node)) {
        there.add(pubkey);
        if (gone?.told && isNews) add({ ...about, title: `${plainName(name)} is back` });
        away.delete(pubkey);
      } else if (gone) {
        if (gone.told || nowMs - gone.sinceMs < AWAY_MS) continue;
        gone.told = true;
        if (isNews) add({ ...about, title: `${plainName(name)} went offline`, text: "It takes no jobs." });
      } else if (there.delete(pubkey)) away.set(pubkey, { sinceMs: nowMs, told: false });
    }
  };
  const lookAtTables = async (sinceMs: number) => {
    for (const [pubkey, name] of await rowsOf(JOINING, [sinceMs])) {
      const title = `${plainName(name)} asks to join`;
      add({ accountId: null, title, text: "It waits for approval.", path: `/nodes/${pubkey}` });
    }
    const from = idFrom(sinceMs - COMMAND_MS);
    for (const [pubkey, name, accountId, state, args] of await rowsOf(INSTALLED, [from, sinceMs])) {
      const { model = "" } = JSON.parse(args) as { model?: string };
      const how = state === "completed" ? "is installed" : "was not installed";
      add({ accountId, title: `${plainName(model)} ${how}`, text: `On ${plainName(name)}.`, path: `/nodes/${pubkey}` });
    }
    for (const [, name, accountId, amount] of await rowsOf(PAID, [sinceMs])) {
      const title = `$${usd(BigInt(amount))} was paid out`;
      add({ accountId, title, text: `For ${plainName(name)}.`, path: "/my/earnings" });
    }
  };
  const rowsOf = async (sql: string, args: (string | number)[]) =>
    (await db.query(`${sql} limit ${MAX_ROWS}`, args)).map((row) => row.map(String) as Row);
  const look = once(clock, LOOK_MS - 500, async () => {
    const nowMs = clock.nowMs();
    const sinceMs = lookedMs;
    const isNews = nowMs - sinceMs < STALE_MS;
    lookedMs = nowMs;
    lookAtNodes(nowMs, isNews);
    if (isNews) await lookAtTables(sinceMs);
    kept = kept.filter(({ n }) => nowMs - n < KEEP_MS).slice(-MAX_KEPT);
  });

  return {
    async of(account: string, admin: boolean): Promise<Notice[]> {
      await look();
      return kept
        .filter(({ accountId }) => (accountId === null ? admin : accountId === account))
        .map(({ accountId: _, ...notice }) => notice);
    },
  };
}

/** Node, its name, its account; then what the statement adds. */
type Row = [pubkey: string, name: string, accountId: string, third: string, fourth: string];

const JOINING = `select pubkey, name, account_id, '', '' from nodes
  where status = 'pending' and first_seen_ms > ? order by first_seen_ms`;
/** By ids of the last day: they begin with the time. */
const INSTALLED = `select n.pubkey, n.name, n.account_id, c.state, c.args from commands c join nodes n on n.pubkey = c.node_pubkey
  where c.id > ? and c.command = 'model_install' and c.ended_ms > ? order by c.id`;
/** By the index of payouts whose marker is still there: those made lately are among them. */
const PAID = `select p.node, n.name, n.account_id, p.node_amount, '' from payouts p join nodes n on n.pubkey = p.node
  where p.state = 'paid' and p.reclaimed_ms is null and p.ended_ms > ? order by p.ended_ms`;

/** How UUIDv7s of that moment begin (RFC 9562 §5.7). */
const idFrom = (ms: number): string => {
  const hex = Math.max(0, ms).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
};
