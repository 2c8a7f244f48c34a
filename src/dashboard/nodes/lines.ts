// Lines: nodes as lists show them: the stored half by the page, the live half out of memory.
import { type Listed, listed, listInput } from "../../admin/listing.ts";
import type { HumanCall } from "../../http/routes.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { type ListedNode, type NodeFilter, pageNodes } from "../../registry/node-list.ts";
import { freeSlots, isOnline, onlyElsewhere } from "../../registry/node-state.ts";
import type { Node } from "../../registry/registry.ts";
import { earnedBy } from "../../stats/node-earnings.ts";
import type { DashboardDeps } from "../deps.ts";
import { isBehind, type ShownState, stateOf } from "./shown.ts";

export type NodeLine = Pick<ListedNode, "role" | "status" | "transport" | "address" | "firstSeenMs"> & {
  pubkey: string;
  name: string;
  state: ShownState;
  slots: number;
  /** Null where another coordinator alone knows. */
  running: number | null;
  free: number;
  models: number;
  /** A few of them. */
  modelNames: readonly string[];
  /** Tokens per second now. */
  outputPerS: number | null;
  /** "" for the one that serves everybody. */
  pool: string;
  /** The version that it runs, where that is older than this coordinator's. */
  behind: string | null;
  /** When it was last heard of; null where it never was. */
  seenMs: number | null;
  /** µ$ today; null where nothing is charged. */
  earned: number | null;
};
export type LinePage = { rows: readonly NodeLine[]; newer: string | null; older: string | null };

export const PAGE = 50;
const SHOWN_MODELS = 3;
const DAY_MS = 86_400_000;

/** The page that the address asks for by its cursor. */
export async function linePage(
  deps: DashboardDeps,
  filter: NodeFilter,
  call: Pick<HumanCall, "query">,
  size = PAGE,
): Promise<LinePage> {
  const read = listed({ cursor: cursorIn(call), limit: size }, async (span) =>
    (await pageNodes(deps, filter, span)).map((row) => ({ ...row, createdMs: row.firstSeenMs, id: row.pubkey })),
  );
  const { rows, newer, older } = await read;
  return { rows: await linesOf(deps, rows), newer, older };
}

/** The cursor in an address; none where it is none of ours. */
export function cursorIn({ query }: Pick<HumanCall, "query">) {
  const parsed = listInput.cursor.safeParse(query.get("cursor") ?? undefined);
  return parsed.success ? parsed.data : undefined;
}

/** Addresses of the pages beside it, with everything else as it is. */
export function besides(
  { request }: Pick<HumanCall, "request">,
  { newer, older }: Pick<Listed<never>, "newer" | "older">,
): { newer: string | null; older: string | null } {
  const to = (cursor: string | null): string | null => {
    if (cursor === null) return null;
    const url = new URL(request.url);
    url.searchParams.set("cursor", cursor);
    return url.pathname + url.search;
  };
  return { newer: to(newer), older: to(older) };
}

async function linesOf(deps: DashboardDeps, rows: readonly ListedNode[]): Promise<NodeLine[]> {
  const { clock, registry, stats, billing } = deps;
  const nowMs = clock.nowMs();
  const keys = rows.map(({ pubkey }) => pubkey);
  const earned = billing === "off" ? null : await earnedBy(deps, keys, Math.floor(nowMs / DAY_MS));
  return rows.map((row): NodeLine => {
    const pubkey = row.pubkey as Pubkey;
    const node = registry.nodes.get(pubkey);
    const isElsewhere = node !== undefined && onlyElsewhere(node) !== null;
    const { role, status, transport, address, firstSeenMs } = row;
    return {
      ...{ pubkey, role, status, transport, address, firstSeenMs },
      name: node?.name || row.name,
      state: stateOf(row, node, nowMs),
      slots: node?.slots ?? row.slots,
      running: isElsewhere ? null : (node?.running ?? 0),
      free: node ? freeSlots(node) : 0,
      ...modelsOf(node),
      outputPerS: isElsewhere ? null : (stats.node(pubkey)?.outputPerS ?? 0),
      pool: row.pool,
      behind: node && isBehind(node.version, deps.version) ? node.version : null,
      seenMs: node && isOnline(node) ? nowMs : (node?.lastSeenMs ?? row.lastSeenMs),
      earned: earned && (earned.get(pubkey) ?? 0),
    };
  });
}

function modelsOf(node: Node | undefined): Pick<NodeLine, "models" | "modelNames"> {
  const elsewhere = node && onlyElsewhere(node);
  if (elsewhere) {
    const { models, modelNames } = elsewhere.shown;
    return { models, modelNames: modelNames.slice(0, SHOWN_MODELS) };
  }
  const offers = node?.offers ?? [];
  return { models: offers.length, modelNames: offers.slice(0, SHOWN_MODELS).map(({ model }) => model) };
}
