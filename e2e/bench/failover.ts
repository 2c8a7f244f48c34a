// Failover: how long a reader of a stream waits when the node that writes it dies: from the last piece of the first node
// to the first one of the next. Real processes; the backends are scripted and pace their tokens, so that what is over
// the pace is the network's.
//   bun e2e/bench/failover.ts [--rounds 40]
import { parseArgs } from "node:util";
import { type Client, client } from "../harness/client.ts";
import type { FaultBackend } from "../harness/fault-backend.ts";
import type { Instance } from "../harness/instance.ts";
import { readChat } from "../harness/sse.ts";
import { openStage, type Stage } from "../harness/stage.ts";
import { waitFor } from "../harness/wait-for.ts";
import { type Quantiles, quantilesOf } from "./stats.ts";

/** Gaps over the pace of the tokens, and how many answers had one id, one finish and [DONE]. */
export type Failovers = { rounds: number; whole: number; gapMs: Quantiles };

const PACE_MS = 5;
const TOKENS = 200;
const MODEL = "scripted-model";

type Pair = { backend: FaultBackend; node: Instance };

export async function measureFailovers(rounds: number, executable?: string): Promise<Failovers> {
  const stage = await openStage(executable === undefined ? {} : { executable });
  try {
    const { coordinator, key } = await stage.coordinator();
    const api = client(() => coordinator.url, key, MODEL);
    const pairs = await Promise.all([1, 2].map(() => pairOf(stage, coordinator)));
    const gaps: number[] = [];
    let whole = 0;
    for (let round = 0; round < rounds; round++) {
      await stage.served(coordinator, MODEL, pairs.length);
      const { gapMs, isWhole } = await oneFailover(api, pairs);
      gaps.push(Math.max(0, gapMs - PACE_MS));
      if (isWhole) whole++;
      for (const pair of pairs) if (!pair.node.running()) pair.node = await stage.restart(pair.node);
    }
    return { rounds, whole, gapMs: quantilesOf(gaps) };
  } finally {
    await stage.close();
  }
}

async function pairOf(stage: Stage, coordinator: Instance): Promise<Pair> {
  const tokens = Array.from({ length: TOKENS }, (_, n) => `word${n} `);
  const backend = stage.backend({ model: MODEL, script: { tokens, betweenTokensMs: PACE_MS } });
  // The kind whose conversations are continued by a last message of the assistant.
  const toml = `[[node.backends]]\nkind = "llamacpp"\nurl = "${backend.url}"\n`;
  return { backend, node: await stage.node(coordinator, [], `${toml}\n[node]`) };
}

async function oneFailover(api: Client, pairs: Pair[]): Promise<{ gapMs: number; isWhole: boolean }> {
  let lastMs = 0;
  let gapMs = 0;
  let pieces = 0;
  const reading = readChat(await api.chat({ stream: true }), () => {
    const nowMs = performance.now();
    if (lastMs > 0) gapMs = Math.max(gapMs, nowMs - lastMs);
    lastMs = nowMs;
    pieces++;
  });
  await waitFor("the answer to be under way", () => pieces > 20);
  // What happened before was no failover.
  gapMs = 0;
  const busy = pairs.find(({ backend }) => backend.open() > 0);
  await busy?.node.kill9();
  const { chunks, done } = await reading;
  const ids = new Set(chunks.map(({ id }) => id));
  const finishes = chunks.filter(({ choices }) => choices[0]?.finish_reason);
  return { gapMs, isWhole: done && ids.size === 1 && finishes.length === 1 };
}

export const failoverText = ({ rounds, whole, gapMs: { p50, p99, max } }: Failovers): string =>
  `a stream's node killed: ${whole} of ${rounds} answers whole; gap over the tokens' pace p50 ${p50} ms, p99 ${p99} ms, max ${max} ms\n`;

if (import.meta.main) {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "40" } } });
  console.log(JSON.stringify(await measureFailovers(Number(values.rounds)), null, 1));
}
