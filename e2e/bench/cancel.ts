// Cancel: the time from a client leaving its stream until the backend sees that nobody wants the answer any more.
import { randomUUID } from "node:crypto";
import type { Aborts } from "./backend.ts";
import { BENCH_MODEL } from "./backend-replies.ts";
import { chats, until } from "./children.ts";
import { type Bench, makeTarget, setBackend } from "./compare.ts";
import { type Quantiles, quantilesOf } from "./stats.ts";
import type { Target, TargetEntry } from "./targets.ts";

/** `seen` of `left` departures reached the backend within `LIMIT_MS`. */
export type CancelDelay = { left: number; seen: number; delayMs: Quantiles };

const LIMIT_MS = 10_000;
const TOKENS = 100_000;
const nowMs = () => performance.timeOrigin + performance.now();

async function abortsAt(backend: string): Promise<Map<string, number>> {
  const reply = await fetch(`${backend}/_aborts`);
  const { aborts } = (await reply.json()) as Aborts;
  return new Map(aborts.map(({ user, atMs }) => [user, atMs]));
}

/** Opens a stream, reads its first bytes and leaves. Returns when it left. */
async function leave(target: Target, user: string): Promise<number> {
  const client = new AbortController();
  const reply = await fetch(target.url, {
    method: "POST",
    headers: { "content-type": "application/json", ...target.headers },
    body: JSON.stringify({
      model: target.model ?? BENCH_MODEL,
      stream: true,
      max_tokens: TOKENS,
      user,
      messages: [{ role: "user", content: "x" }],
    }),
    signal: client.signal,
  });
  const reader = reply.body?.getReader();
  const first = await reader?.read();
  if (!reply.ok || !first?.value) throw new Error(`no stream: status ${reply.status}`);
  const leftAt = nowMs();
  client.abort();
  return leftAt;
}

/** Leaves `count` streams one after another on each target that can run. */
export async function measureCancels(
  bench: Bench,
  entries: Record<string, TargetEntry>,
  executable: string,
  count: number,
): Promise<Record<string, CancelDelay>> {
  const delays: Record<string, CancelDelay> = {};
  await setBackend(bench.backend, { delay: 10, ttft: 0, turn: 0 });
  for (const [name, entry] of Object.entries(entries)) {
    const target = await makeTarget(bench, executable, `cancel-${name}`, entry);
    if (typeof target === "string") {
      console.error(`cancel on ${name}: left out: ${target}`);
      continue;
    }
    const pid = target.command ? bench.children.start([...bench.onTarget, ...target.command]) : null;
    await until(() => chats(target));
    const leftAt = new Map<string, number>();
    for (let index = 0; index < count; index++) {
      const user = randomUUID();
      leftAt.set(user, await leave(target, user));
    }
    let seen = new Map<string, number>();
    await until(async () => {
      seen = await abortsAt(bench.backend);
      return [...leftAt.keys()].every((user) => seen.has(user));
    }, LIMIT_MS);
    const waits = [...leftAt].flatMap(([user, at]) => {
      const seenAt = seen.get(user);
      return seenAt === undefined ? [] : [Math.max(0, seenAt - at)];
    });
    delays[name] = { left: count, seen: waits.length, delayMs: quantilesOf(waits) };
    if (pid !== null) await bench.children.stop(pid);
  }
  return delays;
}
