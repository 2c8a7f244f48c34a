// Tiles: the nodes that an admin sees at a glance: those in trouble first, then the busiest; and how many stand how.
import { NODE_STATES, type NodeState, nodeState } from "../../registry/node-state.ts";
import type { Node, Registry } from "../../registry/registry.ts";
import type { Stats } from "../../stats/stats.ts";

export type NodeTile = {
  pubkey: string;
  name: string;
  /** The first GPU's name, else the CPU's. */
  device: string;
  state: NodeState;
  /** Share of the GPUs' time in use, 0 to 1, else of its slots. */
  load: number;
  loadOf: "gpu" | "slots";
  outputPerS: number;
  running: number;
  slots: number;
  lastSeenMs: number;
};
export type NodeTiles = { tiles: NodeTile[]; counts: Record<NodeState, number>; total: number };

const MOST = 12;
/** Of them in trouble, where there are others to show. */
const MOST_IN_TROUBLE = 4;
const TROUBLE: readonly NodeState[] = ["bare", "suspect", "paused", "offline"];

/** One pass over all nodes. */
export function nodeTiles(registry: Pick<Registry, "nodes">, stats: Pick<Stats, "node">, nowMs: number): NodeTiles {
  const counts = Object.fromEntries(NODE_STATES.map((state) => [state, 0])) as Record<NodeState, number>;
  const troubled = best();
  const others = best();
  for (const node of registry.nodes.values()) {
    const state = nodeState(node, nowMs);
    counts[state]++;
    const at = TROUBLE.indexOf(state);
    if (at < 0) others.add({ node, state, rank: node.running + node.foreign / 1_000 });
    // Whoever is away the longest is of the least interest.
    else troubled.add({ node, state, rank: (TROUBLE.length - at) * 1e15 + node.lastSeenMs });
  }
  const bad = troubled.all();
  const good = others.all();
  const room = Math.max(MOST_IN_TROUBLE, MOST - good.length);
  const chosen = [...bad.slice(0, room), ...good].slice(0, MOST);
  return { tiles: chosen.map((one) => tile(one, stats)), counts, total: registry.nodes.size };
}

type Ranked = { node: Node; state: NodeState; rank: number };
/** Keeps the few with the highest rank; the earlier of two alike. */
function best() {
  let kept: Ranked[] = [];
  return {
    add(one: Ranked): void {
      const last = kept.at(-1);
      if (kept.length === MOST && last && one.rank <= last.rank) return;
      const at = kept.findIndex(({ rank }) => rank < one.rank);
      kept.splice(at < 0 ? kept.length : at, 0, one);
      kept = kept.slice(0, MOST);
    },
    all: (): readonly Ranked[] => kept,
  };
}

function tile({ node, state }: Ranked, stats: Pick<Stats, "node">): NodeTile {
  const measured = stats.node(node.pubkey);
  const gpu = measured?.samples.at(-1)?.gpuPercent ?? null;
  const { pubkey, name, device, slots, lastSeenMs } = node;
  const running = node.running + node.foreign;
  return {
    ...{ pubkey, name, state, slots, running, lastSeenMs },
    device: device?.gpus[0]?.name ?? device?.cpu ?? "",
    load: node.channel === null ? 0 : gpu !== null ? gpu / 100 : slots > 0 ? running / slots : 0,
    loadOf: gpu === null ? "slots" : "gpu",
    outputPerS: node.channel === null ? 0 : (measured?.outputPerS ?? 0),
  };
}
