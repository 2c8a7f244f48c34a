// Affinity: how often a conversation's next turn comes to a node that has its beginning in cache, beside the same load
// without affinity, and what looking for it costs.
//   bun e2e/bench/affinity.ts [--json]            in one process: real engine, scheduler and request parsing, simulated nodes
//   bun e2e/bench/affinity.ts --real [--json]     the executable: a coordinator and its nodes, with scripted backends
// A hit is what a node's own cache says, or (--real) that the node is that of the turn before; never what the scheduler
// believes.
import { parseArgs } from "node:util";
import { testDatabase } from "../../src/db/test-database.ts";
import { chatRequestSchema } from "../../src/http/openai/chat-request.ts";
import { jobSpec } from "../../src/http/openai/job-spec.ts";
import type { Job } from "../../src/jobs/job.ts";
import { recorder, SimNode, type Stage, stage } from "../../src/jobs/testing/stage.ts";
import { openStage } from "../harness/stage.ts";
import { median, quantilesOf, round3 } from "./stats.ts";

const MODEL = "m";
const NODES = 8;
const SLOTS = 8;
const CONVERSATIONS = 200;
const TURNS = 8;
/** Conversations that a node's cache holds: three times its part of all. */
const CACHE = (3 * CONVERSATIONS) / NODES;
/** Time between two turns: with what it takes to answer, a load of two thirds of all slots, and one above all of them. */
const LOADS = { "two thirds": { least: 8_000, most: 24_000 }, "too much": { least: 2_000, most: 12_000 } };
type Think = { least: number; most: number };
/** An answer with the beginning in cache, and what reading it anew adds. */
const ANSWER_MS = 3_000;
const PREFILL_MS = 3_000;

export type AffinityResult = {
  /** Share of the turns after the first that came to a node with the conversation in its cache. */
  hitRate: number;
  /** From a turn's request to the end of its answer. */
  turnMs: { p50: number; p99: number };
  /** The busiest node's part of all turns, against an equal part. */
  busiest: number;
};

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 0x7fffffff;
    return state / 0x7fffffff;
  };
}

type Message = { role: "system" | "user" | "assistant"; content: string };
const SYSTEM: Message = { role: "system", content: "You are a helpful assistant of few words. ".repeat(20) };
const words = (conversation: number, turn: number): string =>
  `conversation ${conversation}, turn ${turn}: ${"something to think about. ".repeat(12)}`;

/** A turn's request: everything so far and the next question. */
const grown = (before: readonly Message[], conversation: number, turn: number): Message[] => [
  ...(turn === 0 ? [SYSTEM] : before),
  ...(turn === 0 ? [] : [{ role: "assistant" as const, content: words(conversation, -turn) }]),
  { role: "user", content: words(conversation, turn) },
];

type Turn = { conversation: number; turn: number; messages: Message[]; startedMs: number };
type Waiting = Turn & { job: Job };

/** One load from the first request to the last answer, on a clock that does not wait. */
async function simulate(withAffinity: boolean, think: Think): Promise<AffinityResult> {
  await using database = await testDatabase();
  const limits = { queueLimit: 10_000, firstTokenTimeoutMs: 600_000, connectTimeoutMs: 600_000 };
  const on = stage(database, { limits });
  const nodes = Array.from({ length: NODES }, (_, i) =>
    new SimNode(on, i + 1, { slots: SLOTS, models: [MODEL] }).join(),
  );
  const caches = new Map(nodes.map((node) => [node.pubkey as string, new Map<number, number>()]));
  const random = seeded(7);
  const agenda: { atMs: number; act: () => void }[] = [];
  const at = (atMs: number, act: () => void) => agenda.push({ atMs, act });
  let waiting: Waiting[] = [];
  const tookMs: number[] = [];
  const served = new Map<string, number>();
  let hits = 0;

  const begin = (turn: Turn) => {
    const submitted = on.jobs.submit(specOf(turn.messages, withAffinity), recorder());
    if (!submitted.ok) throw new Error(submitted.error.message);
    waiting.push({ ...turn, job: submitted.value });
  };
  /** Jobs that a node has now: it answers in its time. */
  const look = () => {
    const dispatched = waiting.filter(({ job }) => job.run !== null);
    waiting = waiting.filter(({ job }) => job.run === null);
    for (const turn of dispatched) {
      const node = nodes.find(({ pubkey }) => pubkey === turn.job.run?.pubkey) as SimNode;
      const isHit = useCache(caches.get(node.pubkey) as Map<number, number>, turn);
      if (isHit) hits++;
      served.set(node.pubkey, (served.get(node.pubkey) ?? 0) + 1);
      const attempt = node.attempts.get(turn.job.run?.id ?? "");
      if (!attempt) throw new Error("a node has not what it was given");
      at(on.clock.nowMs() + ANSWER_MS + (isHit ? 0 : PREFILL_MS), () => {
        node.stream(attempt, 20);
        node.end(attempt);
        tookMs.push(on.clock.nowMs() - turn.startedMs);
        if (turn.turn + 1 < TURNS) later(turn.conversation, turn.turn + 1, turn.messages);
      });
    }
  };
  const later = (conversation: number, turn: number, before: Message[]) =>
    at(on.clock.nowMs() + think.least + random() * (think.most - think.least), () =>
      begin({ conversation, turn, messages: grown(before, conversation, turn), startedMs: on.clock.nowMs() }),
    );
  for (let conversation = 0; conversation < CONVERSATIONS; conversation++) later(conversation, 0, []);
  await run(on, agenda, look);
  const { p50, p99 } = quantilesOf(tookMs);
  const turns = CONVERSATIONS * TURNS;
  if (tookMs.length !== turns) throw new Error(`${tookMs.length} of ${turns} turns were answered`);
  return {
    hitRate: round3(hits / (turns - CONVERSATIONS)),
    turnMs: { p50, p99 },
    busiest: round3((Math.max(...served.values()) * NODES) / turns),
  };
}

async function run(on: Stage, agenda: { atMs: number; act: () => void }[], look: () => void): Promise<void> {
  for (let n = 0; agenda.length > 0; n++) {
    agenda.sort((a, b) => a.atMs - b.atMs);
    const next = agenda.shift();
    if (!next) return;
    on.clock.advance(Math.max(0, next.atMs - on.clock.nowMs()));
    next.act();
    look();
    if (n % 64 === 0) await on.settle();
  }
}

const specOf = (messages: Message[], withAffinity: boolean) => {
  const body = { model: MODEL, messages, stream: true, max_tokens: 64 };
  const caller = { accountId: "local", keyId: null, fairKey: "bench" };
  const defaults = { maxTokens: 64, strategy: "balanced", tokensPerImage: 4096 } as const;
  const spec = jobSpec("chat", chatRequestSchema.parse(body), JSON.stringify(body), caller, defaults);
  return withAffinity ? spec : { ...spec, affinity: null };
};

/** A node's prefix cache: the conversations it served last, each up to some turn. True where the turn before is in it. */
function useCache(cache: Map<number, number>, { conversation, turn }: Turn): boolean {
  const isHit = cache.get(conversation) === turn - 1;
  cache.delete(conversation);
  cache.set(conversation, turn);
  for (const oldest of cache.keys()) {
    if (cache.size <= CACHE) break;
    cache.delete(oldest);
  }
  return isHit && turn > 0;
}

/** Microseconds to read a request's wishes and its conversation's names, by the characters of its messages. */
function costUs(): Record<number, { with: number; messages: number }> {
  const of = (chars: number) => {
    const messages = Math.max(2, Math.min(200, Math.floor(chars / 500)));
    const body = {
      model: MODEL,
      messages: Array.from({ length: messages }, (_, i) => ({
        role: i % 2 === 0 ? "user" : "assistant",
        content: `${i} `.padEnd(chars / messages, "lorem ipsum dolor sit amet "),
      })),
    };
    const request = chatRequestSchema.parse(body);
    const caller = { accountId: "local", keyId: null, fairKey: "bench" };
    const once = () =>
      jobSpec("chat", request, "{}", caller, { maxTokens: 64, strategy: "balanced", tokensPerImage: 4096 });
    const part = () => {
      const startedMs = performance.now();
      let times = 0;
      for (; performance.now() - startedMs < 150; times++) once();
      return ((performance.now() - startedMs) * 1000) / times;
    };
    part();
    return { with: round3(median([part(), part(), part()])), messages };
  };
  return Object.fromEntries([100, 1_000, 10_000, 100_000, 1_000_000].map((chars) => [chars, of(chars)]));
}

const REAL = { nodes: 4, conversations: 60, turns: 6, thinkMs: 40 };

/** The same question to the executable: does a turn come to the node of the turn before? */
async function real(withAffinity: boolean): Promise<AffinityResult> {
  const on = await openStage();
  try {
    const ttl = withAffinity ? "" : "affinity_ttl_s = 0\n";
    const { coordinator, key } = await on.coordinator(`[scheduler]\n${ttl}`);
    const backends = Array.from({ length: REAL.nodes }, () =>
      on.backend({ model: MODEL, script: { firstTokenMs: 30 } }),
    );
    for (const backend of backends) await on.node(coordinator, [backend.url], "[node]\nslots = 8");
    await on.served(coordinator, MODEL, REAL.nodes);
    let hits = 0;
    const tookMs: number[] = [];
    const served = new Map<string, number>();
    const talk = async (conversation: number) => {
      let messages: Message[] = [];
      let home: string | null = null;
      for (let turn = 0; turn < REAL.turns; turn++) {
        messages = grown(messages, conversation, turn);
        const startedMs = performance.now();
        const response = await fetch(`${coordinator.url}/v1/chat/completions`, {
          method: "POST",
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
          body: JSON.stringify({ model: MODEL, messages }),
        });
        if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
        await response.json();
        tookMs.push(performance.now() - startedMs);
        const node = response.headers.get("x-infernet-node");
        if (turn > 0 && node === home) hits++;
        home = node;
        served.set(node ?? "", (served.get(node ?? "") ?? 0) + 1);
        await Bun.sleep(REAL.thinkMs);
      }
    };
    await Promise.all(Array.from({ length: REAL.conversations }, (_, i) => Bun.sleep(i * 10).then(() => talk(i))));
    const { p50, p99 } = quantilesOf(tookMs);
    const turns = REAL.conversations * REAL.turns;
    return {
      hitRate: round3(hits / (turns - REAL.conversations)),
      turnMs: { p50, p99 },
      busiest: round3((Math.max(...served.values()) * REAL.nodes) / turns),
    };
  } finally {
    await on.close();
  }
}

type Pair = { load: string; withAffinity: AffinityResult; without: AffinityResult };

async function pairs(isReal: boolean): Promise<Pair[]> {
  if (isReal) return [{ load: "real", withAffinity: await real(true), without: await real(false) }];
  const found: Pair[] = [];
  for (const [load, think] of Object.entries(LOADS))
    found.push({ load, withAffinity: await simulate(true, think), without: await simulate(false, think) });
  return found;
}

const line = (name: string, { hitRate, turnMs, busiest }: AffinityResult): string => {
  const hits = `${(100 * hitRate).toFixed(1).padStart(5)} %`;
  const turn = `p50 ${Math.round(turnMs.p50)} ms, p99 ${Math.round(turnMs.p99)} ms`;
  return `${name.padEnd(30)} hits ${hits}   a turn ${turn}   busiest node ${busiest} x its part`;
};

if (import.meta.main) {
  const { values } = parseArgs({
    options: { real: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  });
  const results = await pairs(values.real);
  const cost = values.real ? {} : costUs();
  if (values.json) console.log(JSON.stringify({ results, costUs: cost }));
  else {
    for (const { load, withAffinity, without } of results)
      console.log(`${line(`${load}, affinity`, withAffinity)}\n${line(`${load}, two draws alone`, without)}`);
    for (const [chars, { with: us, messages }] of Object.entries(cost))
      console.log(`a request of ${chars} characters in ${messages} messages: ${us} us for its wishes and names`);
  }
}
