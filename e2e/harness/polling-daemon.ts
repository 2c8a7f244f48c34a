// Polling daemon: a stand-in for the existing Infernet daemon, a process of its own, made from what that one was seen to
// do: it signs with version 1, registers without a token, asks `me`, says every so often that it is there, polls, works
// through what it is given one by one, posts its events in batches of up to 16 or 250 ms and swallows what goes wrong
// with them, completes, and says `offline` when it is interrupted. One line of JSON on stdout for each thing that it does.
//
// bun polling-daemon.ts '{"url", "secretKey", "model", "pieces", "pieceMs", "pollMs", "heartbeatMs", "limit"}'
import { createHash, randomBytes } from "node:crypto";
import { signV1 } from "../../src/protocol/auth-v1.ts";

export type DaemonOptions = {
  url: string;
  /** 64 hex digits. */
  secretKey: string;
  model: string;
  /** What it answers, piece by piece. */
  pieces: string[];
  pieceMs: number;
  pollMs: number;
  heartbeatMs: number;
  /** Jobs it asks for at once, and answers one after the other. */
  limit: number;
};
type Job = { id: string; type: string; model_name: string; input_spec: { messages: unknown[] } };
type Event = { event_type: string; data: object };

const EVENT_BATCH_MAX = 16;
const EVENT_BATCH_FLUSH_MS = 250;
const REQUEST_LIMIT_MS = 15_000;

const say = (what: string, more: object = {}) => console.log(JSON.stringify({ what, ...more }));

function clientOf({ url, secretKey }: DaemonOptions) {
  const key = Buffer.from(secretKey, "hex");
  return async (path: string, body: object): Promise<Record<string, unknown>> => {
    const text = JSON.stringify(body);
    const full = `/api/v1/node/${path}`;
    const header = signV1(key, {
      method: "POST",
      path: full,
      createdAtS: Math.floor(Date.now() / 1000),
      nonce: randomBytes(16).toString("hex"),
      bodySha256: createHash("sha256").update(text).digest("hex"),
    });
    const response = await fetch(url + full, {
      method: "POST",
      headers: { "content-type": "application/json", "x-infernet-auth": header },
      body: text,
      signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
    });
    const answer = (await response.json()) as { data?: Record<string, unknown>; error?: string; code?: string };
    if (!response.ok) throw new Error(`${path} failed: ${answer.code}: ${answer.error}`);
    return answer.data ?? {};
  };
}

async function main(options: DaemonOptions): Promise<void> {
  const { model, pieces, pieceMs, pollMs, heartbeatMs, limit } = options;
  const call = clientOf(options);
  const nodeId = `daemon-${options.secretKey.slice(0, 8)}`;
  const specs = {
    cpu: { model: "Old CPU", cores: 4 },
    gpus: [],
    interconnects: { rdma_capable: false },
    served_models: [model],
    load: { active: 0 },
  };
  const swallow = (what: string) => (error: Error) => say("error", { during: what, message: error.message });
  const heartbeat = (fields: object) => call("heartbeat", { role: "provider", ...fields });

  /** Posts what it has; what could not be posted is gone. */
  const flush = (id: string, events: Event[]) =>
    events.length === 0 ? undefined : call(`jobs/${id}/events`, { events }).catch(swallow("events"));

  async function run(job: Job): Promise<void> {
    say("job", { id: job.id });
    let events: Event[] = [{ event_type: "meta", data: { provider_node_id: nodeId, model: job.model_name } }];
    let flushedMs = Date.now();
    let text = "";
    for (const piece of pieces) {
      if (pieceMs > 0) await Bun.sleep(pieceMs);
      text += piece;
      events.push({ event_type: "token", data: { text: piece } });
      if (events.length < EVENT_BATCH_MAX && Date.now() - flushedMs < EVENT_BATCH_FLUSH_MS) continue;
      const batch = events;
      events = [];
      flushedMs = Date.now();
      await flush(job.id, batch);
    }
    events.push({ event_type: "done", data: { text, reason: "stop", finished_at: new Date().toISOString() } });
    await flush(job.id, events);
    const result = { type: "chat", text, token_count: pieces.length, duration_ms: 1, completed_by: nodeId };
    await call(`jobs/${job.id}/complete`, { status: "completed", result });
    say("completed", { id: job.id });
  }

  async function poll(): Promise<void> {
    const { jobs } = (await call("jobs/poll", { limit })) as { jobs: Job[] };
    for (const job of jobs) {
      await run(job).catch(async (error: Error) => {
        swallow("job")(error);
        const events = [{ event_type: "error", data: { message: error.message } }];
        await call(`jobs/${job.id}/events`, { events }).catch(swallow("error event"));
        const failed = { status: "failed", error: error.message };
        await call(`jobs/${job.id}/complete`, failed).catch(swallow("fail"));
      });
    }
  }

  const registration = { role: "provider", node_id: nodeId, name: nodeId, address: "127.0.0.1", port: 46338, specs };
  await call("register", registration);
  const me = await call("me", { role: "provider" });
  say("registered", { id: me.id, status: (me.row as { status: string }).status });
  const alive = setInterval(() => {
    heartbeat({ status: "available", specs }).catch(swallow("heartbeat"));
  }, heartbeatMs);
  let stopping = false;
  process.on("SIGINT", () => {
    stopping = true;
    clearInterval(alive);
    heartbeat({ status: "offline" })
      .catch(swallow("offline"))
      .finally(() => process.exit(0));
  });
  await heartbeat({ status: "available", specs }).catch(swallow("heartbeat"));
  while (!stopping) {
    await poll().catch(swallow("poll"));
    await Bun.sleep(pollMs);
  }
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? "{}") as DaemonOptions);
