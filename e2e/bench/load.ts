// Load: a client that puts load on an OpenAI-compatible chat endpoint and checks every reply. Loopback only, JSON on
// stdout, exit code 0 when no reply was bad.
//   bun load.ts --mode unary|stream --url http://127.0.0.1:18000/v1/chat/completions
//     [--n 1000 | --seconds 2] [--c 16] [--waves] [--tokens 16] [--model bench-model] [--header "name: value"]...
//     [--max-s 60] [--timeout-ms 20000]
// Each of the c connections asks again as soon as it has its reply. With --waves all ask in the same turn of the event
// loop, and ask again when the last has its reply: so many arrive at once.
import { parseArgs } from "node:util";
import { BENCH_MODEL } from "./backend-replies.ts";
import type { Mode } from "./load-answer.ts";
import { Connection, type Outcome } from "./load-connection.ts";
import { type Quantiles, quantilesOf, round3 } from "./stats.ts";

export type LoadOptions = {
  mode: Mode;
  url: string;
  /** Stops after this many requests, or after this many seconds, whichever is first. */
  requests: number;
  seconds: number;
  connections: number;
  waves: boolean;
  tokens: number;
  model: string;
  headers: Record<string, string>;
  /** The whole run ends after this, whatever is under way. */
  maxS: number;
  timeoutMs: number;
};

export type LoadResult = {
  ok: number;
  bad: number;
  /** Bad replies by reason. */
  why: Record<string, number>;
  retries: number;
  usageSeen: number;
  wallS: number;
  requestsPerS: number;
  tokensPerS: number;
  latencyMs: Quantiles;
  /** To the first content; streams only. */
  ttftMs: Quantiles;
  clientCpuS: number;
  reads: number;
  bytes: number;
  events: number;
};

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];
/** So many bad replies and not one good: the target is broken, and hammering on would tell nothing. */
const HOPELESS = 200;

function requestBytes(url: URL, options: LoadOptions): Uint8Array {
  const streamed = options.mode === "stream";
  const body = JSON.stringify({
    model: options.model,
    max_tokens: options.tokens,
    stream: streamed,
    ...(streamed ? { stream_options: { include_usage: true } } : {}),
    messages: [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: "Count for me, please." },
    ],
  });
  const head = [
    `POST ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    "Content-Type: application/json",
    `Accept: ${streamed ? "text/event-stream" : "application/json"}`,
    ...Object.entries(options.headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** The state of one run: who may ask again, and what came back. */
class Run {
  readonly latencyMs: number[] = [];
  readonly ttftMs: number[] = [];
  readonly why: Record<string, number> = {};
  readonly done: Promise<void>;
  ok = 0;
  bad = 0;
  usageSeen = 0;
  endAt = Number.POSITIVE_INFINITY;
  lastAt = 0;
  connections: Connection[] = [];
  readonly #options: LoadOptions;
  readonly #finish: () => void;
  #issued = 0;
  #live = 0;
  #underWay = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#finish = resolve;
  }

  start(): void {
    this.lastAt = performance.now();
    this.endAt = this.lastAt + this.#options.seconds * 1000;
    this.#live = this.connections.length;
    if (this.#options.waves) this.#nextWave();
    else for (const connection of this.connections) this.#next(connection);
  }

  take(connection: Connection, outcome: Outcome): void {
    this.lastAt = outcome.endedAt;
    if (outcome.reason === null) {
      this.ok++;
      if (outcome.usageSeen) this.usageSeen++;
      this.latencyMs.push(outcome.endedAt - outcome.startedAt);
      if (this.#options.mode === "stream") this.ttftMs.push(outcome.firstTokenAt - outcome.startedAt);
    } else {
      this.bad++;
      this.why[outcome.reason] = (this.why[outcome.reason] ?? 0) + 1;
      if (process.env.BENCH_DEBUG) console.error(outcome.reason, outcome.detail.slice(0, 400));
    }
    if (!this.#options.waves) this.#next(connection);
    // A macrotask later, so that the last reply's own work is not part of the next wave.
    else if (--this.#underWay === 0) setImmediate(() => this.#nextWave());
  }

  #over(): boolean {
    const hopeless = this.bad >= HOPELESS && this.ok === 0;
    return hopeless || this.#issued >= this.#options.requests || performance.now() >= this.endAt;
  }

  #nextWave(): void {
    if (this.#over()) {
      for (const connection of this.connections) connection.close();
      this.#finish();
      return;
    }
    this.#underWay = this.connections.length;
    this.#issued += this.connections.length;
    for (const connection of this.connections) void connection.fire();
  }

  #next(connection: Connection): void {
    if (this.#over()) {
      connection.close();
      if (--this.#live === 0) this.#finish();
      return;
    }
    this.#issued++;
    void connection.fire();
  }
}

/** Puts the load on and resolves when the last reply is in. Throws for an address that is not loopback HTTP. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const url = new URL(options.url);
  if (url.protocol !== "http:" || !LOOPBACK.includes(url.hostname)) throw new Error("loopback http only");
  const run = new Run(options);
  run.connections = Array.from(
    { length: options.connections },
    () =>
      new Connection({
        hostname: url.hostname === "localhost" ? "127.0.0.1" : url.hostname.replace(/^\[|\]$/g, ""),
        port: Number(url.port || 80),
        request: requestBytes(url, options),
        mode: options.mode,
        tokens: options.tokens,
        parseSome: !process.env.BENCH_FAST,
        onOutcome: (connection, outcome) => run.take(connection, outcome),
      }),
  );
  if (options.waves) await Promise.all(run.connections.map((connection) => connection.open()));
  const startedAt = performance.now();
  const watch = setInterval(() => {
    const now = performance.now();
    const over = now - startedAt > options.maxS * 1000;
    if (over) run.endAt = 0;
    for (const connection of run.connections)
      if (connection.busy && (over || now - connection.startedAt > options.timeoutMs))
        connection.fail(over ? "max-time" : "timeout");
  }, 100);
  const cpuBefore = process.cpuUsage();
  run.start();
  await run.done;
  clearInterval(watch);
  const cpu = process.cpuUsage(cpuBefore);
  return summary(run, options, Math.max(run.lastAt - startedAt, 1e-3) / 1000, (cpu.user + cpu.system) / 1e6);
}

function summary(run: Run, options: LoadOptions, wallS: number, clientCpuS: number): LoadResult {
  const sum = (of: (connection: Connection) => number) =>
    run.connections.reduce((total, connection) => total + of(connection), 0);
  return {
    ok: run.ok,
    bad: run.bad,
    why: run.why,
    retries: sum((connection) => connection.retries),
    usageSeen: run.usageSeen,
    wallS: round3(wallS),
    requestsPerS: round3(run.ok / wallS),
    tokensPerS: round3((run.ok * options.tokens) / wallS),
    latencyMs: quantilesOf(run.latencyMs),
    ttftMs: quantilesOf(run.ttftMs),
    clientCpuS: round3(clientCpuS),
    reads: sum((connection) => connection.reads),
    bytes: sum((connection) => connection.bytes),
    events: sum((connection) => connection.answer.events),
  };
}

function optionsFromArguments(): LoadOptions {
  const { values } = parseArgs({
    options: {
      mode: { type: "string", default: "unary" },
      url: { type: "string", default: "http://127.0.0.1:18000/v1/chat/completions" },
      n: { type: "string" },
      seconds: { type: "string" },
      c: { type: "string", default: "16" },
      waves: { type: "boolean", default: false },
      tokens: { type: "string", default: "16" },
      model: { type: "string", default: BENCH_MODEL },
      header: { type: "string", multiple: true, default: [] },
      "max-s": { type: "string", default: "60" },
      "timeout-ms": { type: "string", default: "20000" },
    },
  });
  const pairs = values.header.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const;
  });
  return {
    mode: values.mode === "stream" ? "stream" : "unary",
    url: values.url,
    requests: values.n ? Number(values.n) : values.seconds ? Number.POSITIVE_INFINITY : 1000,
    seconds: values.seconds ? Number(values.seconds) : Number.POSITIVE_INFINITY,
    connections: Number(values.c),
    waves: values.waves,
    tokens: Number(values.tokens),
    model: values.model,
    headers: Object.fromEntries(pairs),
    maxS: Number(values["max-s"]),
    timeoutMs: Number(values["timeout-ms"]),
  };
}

if (import.meta.main) {
  const result = await runLoad(optionsFromArguments());
  console.log(JSON.stringify(result));
  process.exit(result.bad === 0 && result.ok > 0 ? 0 : 1);
}
