// Admin nodes: `/admin/nodes`, all nodes by state and place, who waits to be let in, and what nodes were asked to do.
import { z } from "zod";
import type { AdminNodesView, NodeCounts } from "../../../web/pages/node/admin-nodes.tsx";
import { NODE_ROLES } from "../../admin/operations.ts";
import { bodyFields } from "../../http/human/answers.ts";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { once } from "../../lib/once.ts";
import { pubkeySchema, uuidSchema } from "../../protocol/primitives.ts";
import { countNodesBy, type NodeFilter } from "../../registry/node-list.ts";
import { isOnline, nodeState } from "../../registry/node-state.ts";
import { adminRoute } from "../admin-route.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { readerOf } from "../reader.ts";
import { viewerOf } from "../viewer.ts";
import { donePage, notDone } from "./answers.ts";
import { besides, linePage } from "./lines.ts";

export const STATES = ["online", "bare", "suspect", "paused", "pending", "offline", "ejected"] as const;
const TRANSPORTS = ["link", "polling", "worker"] as const;
const wantedSchema = z.object({
  q: z.string().trim().max(128).catch(""),
  state: z.enum(["", ...STATES]).catch(""),
  pool: z.string().trim().max(64).catch(""),
  transport: z.enum(["", ...TRANSPORTS]).catch(""),
  role: z.enum(["", ...NODE_ROLES]).catch(""),
});
export type Wanted = z.output<typeof wantedSchema>;

const EVERY_MS = 3_000;
const COUNT_MS = 2_000;
/** Those that wait, above the list. */
const WAITING = 5;
const COMMANDS = 50;
/** Up to so many keys are looked up; of more the list is walked. */
const FEW = 500;

export function adminNodesRoutes(deps: DashboardDeps): HttpRoute[] {
  const counts = once(deps.clock, COUNT_MS, () => countsOf(deps));
  return [
    adminRoute({
      path: "/admin/nodes",
      summary: "All nodes.",
      async handle(call) {
        const { AdminNodes } = await import("../../../web/pages/node/admin-nodes.tsx");
        const view = await viewOf(deps, call, await counts());
        const { search } = new URL(call.request.url);
        return pageAnswer(call.request, AdminNodes({ viewer: viewerOf(deps, call), search, ...view }));
      },
    }),
    adminRoute({
      path: "/live/admin-nodes",
      summary: "Updates of the list of all nodes.",
      answers: "text/event-stream",
      handle: (call) =>
        deps.live.open(readerOf(deps, call), {
          key: `admin-nodes:${new URL(call.request.url).search}`,
          everyMs: EVERY_MS,
          async render() {
            const { adminNodesUpdates } = await import("../../../web/pages/node/admin-nodes.tsx");
            const parts = adminNodesUpdates(await viewOf(deps, call, await counts()));
            return Promise.all(parts.map(async (part) => ({ data: String(await part) })));
          },
        }),
    }),
    adminRoute({
      method: "POST",
      path: "/admin/nodes/allow",
      summary: "Lets a key in before it has ever called.",
      handle: (call) => allow(deps, call),
    }),
    adminRoute({
      path: "/admin/nodes/commands",
      summary: "What nodes were asked to do.",
      handle: (call) => commands(deps, call),
    }),
  ];
}

async function viewOf(deps: DashboardDeps, call: SignedInCall, counts: NodeCounts): Promise<AdminNodesView> {
  const wanted = wantedSchema.parse(Object.fromEntries(call.query));
  const isFirst = Object.values(wanted).every((value) => value === "") && !call.query.has("cursor");
  const none = { query: new URLSearchParams() };
  const page = await linePage(deps, filterOf(deps, wanted), call);
  const request = new Request(call.request.url.replace("/live/admin-nodes", "/admin/nodes"));
  return {
    ...{ wanted, counts, nowMs: deps.clock.nowMs(), billing: deps.billing !== "off", rows: page.rows },
    ...besides({ request }, page),
    waiting: isFirst && counts.pending > 0 ? (await linePage(deps, { status: "pending" }, none, WAITING)).rows : [],
  };
}

/** What the database is asked for, and what only memory knows. */
function filterOf({ registry, clock }: DashboardDeps, { q, state, pool, transport, role }: Wanted): NodeFilter {
  const stored: NodeFilter = {
    begins: q === "" ? undefined : q,
    pool: pool === "" ? undefined : pool === "public" ? "" : pool,
    transport: transport === "" ? undefined : transport,
    role: role === "" ? undefined : role,
  };
  const isHere = (key: string) => {
    const node = registry.nodes.get(key as never);
    return node !== undefined && isOnline(node);
  };
  switch (state) {
    case "":
      return stored;
    case "pending":
    case "ejected":
      return { ...stored, status: state };
    case "offline":
      return { ...stored, status: "approved", role: stored.role ?? "provider", fits: (key) => !isHere(key) };
    case "online":
      return { ...stored, ...amongOrFits(keysBy(registry, isOnline)) };
    default: {
      const nowMs = clock.nowMs();
      return { ...stored, ...amongOrFits(keysBy(registry, (node) => nodeState(node, nowMs) === state)) };
    }
  }
}

type Registered = DashboardDeps["registry"];
type RegisteredNode = Registered["nodes"] extends ReadonlyMap<unknown, infer N> ? N : never;
const keysBy = ({ nodes }: Registered, is: (node: RegisteredNode) => boolean): string[] =>
  [...nodes.values()].filter(is).map(({ pubkey }) => pubkey);

function amongOrFits(keys: readonly string[]): Pick<NodeFilter, "among" | "fits"> {
  if (keys.length <= FEW) return { among: keys };
  const all = new Set(keys);
  return { fits: (key) => all.has(key) };
}

async function countsOf({ db, registry, clock }: DashboardDeps): Promise<NodeCounts> {
  const nowMs = clock.nowMs();
  const counts: NodeCounts = { all: 0, online: 0, suspect: 0, paused: 0, pending: 0, offline: 0, ejected: 0 };
  let providers = 0;
  for (const { role, status, count } of await countNodesBy({ db })) {
    counts.all += count;
    if (status !== "approved") counts[status] += count;
    else if (role === "provider") providers += count;
  }
  for (const node of registry.nodes.values()) {
    const state = nodeState(node, nowMs);
    if (state === "offline") continue;
    counts.online += 1;
    if (state === "suspect" || state === "paused") counts[state] += 1;
  }
  return { ...counts, offline: Math.max(0, providers - counts.online) };
}

async function allow(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { pubkey, role } = bodyFields(call);
  const key = pubkeySchema.safeParse(typeof pubkey === "string" ? pubkey.trim().toLowerCase() : "");
  if (!key.success) {
    const message = "A public key has 64 hex digits; on the node, `infernet status` shows it";
    return notDone(deps, call, { code: "invalid", message });
  }
  const as = NODE_ROLES.find((known) => known === role) ?? "provider";
  const allowed = await deps.admin.allowNode({ pubkey: key.data, role: as }, callerOf(call));
  if (!allowed.ok) return notDone(deps, call, allowed.error);
  return donePage(call, "/admin/nodes", { text: "Its key is let in" });
}

async function commands(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { AdminCommands } = await import("../../../web/pages/node/admin-commands.tsx");
  const node = pubkeySchema.safeParse(call.query.get("node")).data;
  const before = uuidSchema.safeParse(call.query.get("before")).data;
  const asked = { limit: COMMANDS + 1, ...(node ? { node } : {}), ...(before ? { before } : {}) };
  const found = await deps.admin.listCommands(asked);
  if (!found.ok) return notDone(deps, call, found.error);
  const rows = found.value.commands.slice(0, COMMANDS);
  const last = rows.at(-1);
  const of = node ? `node=${node}&` : "";
  const older = found.value.commands.length > COMMANDS && last ? `/admin/nodes/commands?${of}before=${last.id}` : null;
  const newest = before ? `/admin/nodes/commands${node ? `?node=${node}` : ""}` : null;
  const view = { viewer: viewerOf(deps, call), rows, nowMs: deps.clock.nowMs(), older, newest, node: node ?? null };
  return pageAnswer(call.request, AdminCommands(view));
}
