// Stage: the real engine on a manual clock, with nodes that do what a test tells them. Nodes speak to the engine's
// listener as links do, in the same order.
import { storedSecrets } from "../../accounts/stored-secrets.ts";
import type { TestDatabase } from "../../db/test-database.ts";
import { type ManualClock, manualClock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { EndFrame, ModelOffer, ReadyFrame } from "../../protocol/frames.ts";
import type { Delta } from "../../protocol/generation.ts";
import type { JobId, Pubkey } from "../../protocol/primitives.ts";
import { createRegistry, type Node, type NodeChannel, type Registry } from "../../registry/registry.ts";
import { NO_WISHES } from "../../scheduler/wishes.ts";
import { affinityIndex } from "../affinity.ts";
import type { JobLimits } from "../board.ts";
import type { Job, JobSpec, Output } from "../job.ts";
import { createJobs, type Jobs } from "../jobs.ts";
import { type JobRecords, jobRecords } from "../records.ts";
import type { Till } from "../till.ts";

export const MODEL = "m";
export const LIMITS: JobLimits = {
  queueLimit: 4,
  queueTimeoutMs: 60_000,
  connectTimeoutMs: 5_000,
  firstTokenTimeoutMs: 30_000,
  betweenTokensTimeoutMs: 20_000,
  stalledReaderTimeoutMs: 40_000,
  maxAttempts: 3,
  resumeGraceMs: 15_000,
};

export const testSecrets = storedSecrets(new Uint8Array(32).fill(9), (bytes) =>
  crypto.getRandomValues(new Uint8Array(bytes)),
);

const silent = () => {};
export const NO_LOG: Log = { debug: silent, info: silent, warn: silent, error: silent, child: () => NO_LOG };

export type Stage = {
  clock: ManualClock;
  registry: Registry;
  records: JobRecords;
  jobs: Jobs;
  /** In the order in which they ended. */
  ended: Job[];
  /** While true, the database takes no lease, no end, and lets go of nothing; or takes what it is given, and its answer is lost. */
  storage: { broken: boolean; unanswered: boolean };
  /** Resolves when the database has nothing to do, and what follows from it was done. */
  settle(): Promise<void>;
};

export type StageOptions = {
  aliases?: Record<string, string[]>;
  limits?: Partial<JobLimits>;
  clock?: ManualClock;
  answerOf?: (job: Job) => string | null;
  onEnd?: (job: Job) => void;
  till?: Till;
};

export function stage({ db }: TestDatabase, options: StageOptions = {}): Stage {
  const clock = options.clock ?? manualClock();
  const registry = createRegistry({ clock, aliases: () => options.aliases ?? {} });
  const kept = jobRecords({
    db,
    secrets: testSecrets,
    clock,
    log: NO_LOG,
    answerOf: options.answerOf ?? (() => null),
    retainContentMs: 86_400_000,
    till: options.till ?? null,
    owner: null,
  });
  const storage = { broken: false, unanswered: false };
  const orBroken = <T>(act: () => Promise<T>): Promise<T> =>
    storage.broken ? Promise.reject(new Error("disk full")) : act();
  const orUnanswered = async <T>(act: Promise<T>): Promise<T> => {
    const value = await act;
    if (storage.unanswered) throw new Error("connection reset");
    return value;
  };
  const { till: own = null } = options;
  const till: Till | null = own && {
    ...own,
    hold: (job, held) => orUnanswered(own.hold(job, held)),
    release: (id) => orBroken(() => own.release(id)),
  };
  const records: JobRecords = {
    ...kept,
    create: (job, extra) => orUnanswered(orBroken(() => kept.create(job, extra))),
    undo: (job) => orBroken(() => kept.undo(job)),
    lease: (job) => orBroken(() => kept.lease(job)),
    end: (job, state) => orBroken(() => kept.end(job, state)),
  };
  const ended: Job[] = [];
  let drawn = 1;
  const jobs = createJobs({
    clock,
    log: NO_LOG,
    // Park and Miller's generator: the same every time.
    random() {
      drawn = (drawn * 48_271) % 0x7fffffff;
      return drawn / 0x7fffffff;
    },
    newId: () => Bun.randomUUIDv7() as JobId,
    limits: { ...LIMITS, ...options.limits },
    registry,
    records,
    affinity: affinityIndex({ ttlMs: 600_000 }),
    till,
    onEnd(job) {
      ended.push(job);
      options.onEnd?.(job);
    },
  });
  return {
    clock,
    registry,
    records,
    jobs,
    ended,
    storage,
    async settle() {
      for (let i = 0; i < 3; i++) {
        await options.till?.flush();
        await db.writer.drain();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    },
  };
}

export const spec = (over: Partial<JobSpec> = {}): JobSpec => ({
  kind: "chat",
  task: "chat",
  accountId: "local",
  keyId: null,
  fairKey: "key",
  model: MODEL,
  stream: true,
  bodyJson: '{"messages":[{"role":"user","content":"hello"}]}',
  maxTokens: 1_000_000,
  defaultMaxTokens: false,
  promptGuess: 12,
  promptExtra: 64,
  budgets: [],
  choices: 1,
  fallbacks: [],
  allowed: null,
  reserved: null,
  wishes: NO_WISHES,
  minContext: 1,
  wantContext: 1,
  affinity: null,
  cost: 10,
  structured: false,
  repeatable: false,
  ...over,
});
export const NO_EXTRA = { webhook: null, idempotencyKey: null, requestHash: null };

/** An output that remembers what it was given, and insists on the engine's promises. */
export type Recorder = Output & {
  /** `<attempt>:<offset>` of every piece that counts. */
  readonly pieces: string[];
  readonly text: string;
  ends: number;
  restarts: number;
  /** While set, the reader is behind. */
  behind: PromiseWithResolvers<void> | null;
};

export function recorder(restartable = false): Recorder {
  let pieces: string[] = [];
  let text = "";
  return {
    get pieces() {
      return pieces;
    },
    get text() {
      return text;
    },
    ends: 0,
    restarts: 0,
    behind: null,
    deltas(attempt, offset, deltas) {
      if (this.ends > 0) throw new Error("output after the end");
      deltas.forEach((delta, i) => {
        // What was known already is empty.
        if (delta.content !== "") pieces.push(`${attempt}:${offset + i}`);
        text += delta.content ?? "";
      });
      return this.behind?.promise;
    },
    canRestart: () => restartable,
    restart() {
      if (!restartable) throw new Error("restarted though it was shown");
      this.restarts++;
      pieces = [];
      text = "";
    },
    end() {
      this.ends++;
    },
  };
}

const FREE = { input: 0, output: 0 };

/** What one node has of one attempt. */
export type SimAttempt = {
  id: string /** Pieces it was told of. */;
  from: number;
  made: number;
  sent: number;
  cancelled: boolean;
  end: EndFrame | null;
};

export type SimOptions = {
  slots?: number;
  contextLength?: number | null;
  models?: string[];
  continues?: boolean;
  /** µ$ per million tokens. */
  prices?: { input: number; output: number };
  /** It passes requests on to these coordinators. */
  path?: string[];
};

/** A node as the coordinator sees it. Its n-th delta of an attempt says `n;`. */
export class SimNode {
  readonly pubkey: Pubkey;
  readonly attempts = new Map<string, SimAttempt>();
  /** Every frame that came, parsed. */
  readonly heard: { type: string; attempt?: string; bytes?: number }[] = [];
  node: Node | null = null;
  private own: NodeChannel | null = null;
  private readonly stage: Stage;
  private readonly options: SimOptions;

  constructor(on: Stage, index: number, options: SimOptions = {}) {
    this.stage = on;
    this.options = options;
    this.pubkey = `${index}`.padStart(64, "0") as Pubkey;
  }

  get online(): boolean {
    return this.node !== null;
  }
  private get listener() {
    return this.stage.jobs.listener;
  }

  /** Joins, or comes back over a new link, with the attempts it has; those it was not asked to go on with are dropped. */
  join(): this {
    const ready: ReadyFrame = {
      type: "ready",
      sig: "",
      name: `node ${this.pubkey.slice(-2)}`,
      device: { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] },
      ...this.serves(),
      attempts: [...this.attempts.values()].map(({ id, made }) => ({ attempt: id, offset: made })),
    };
    this.own = this.channel();
    const node = this.stage.registry.attach(this.pubkey, this.own, ready);
    this.stage.registry.hold(node, true);
    this.node = node;
    const resume = new Map(this.listener.ready(node, ready.attempts).map(({ attempt, offset }) => [attempt, offset]));
    for (const attempt of [...this.attempts.values()]) {
      const offset = resume.get(attempt.id);
      if (offset === undefined) this.attempts.delete(attempt.id);
      else attempt.sent = offset;
    }
    this.stage.registry.hold(node, false);
    this.listener.capacity(node);
    return this;
  }

  private serves(): Pick<ReadyFrame, "backends" | "models" | "slots" | "prices"> {
    const { slots = 2, contextLength = null, models = [MODEL], continues = false, prices = FREE, path } = this.options;
    return {
      backends: [{ kind: path ? "infernet" : "openai", continues, healthy: true }],
      models: models.map(
        (name): ModelOffer => ({ name, context_length: contextLength, ...NO_DETAILS, ...(path ? { path } : {}) }),
      ),
      slots,
      prices,
    };
  }

  private channel(): NodeChannel {
    return {
      send: (frameJson) => {
        const frame = JSON.parse(frameJson) as { type: string; attempt: string; answered?: string };
        this.heard.push(frame);
        const known = this.attempts.get(frame.attempt);
        if (frame.type === "dispatch") {
          if (known) throw new Error(`${frame.attempt} dispatched twice`);
          const from = (frame.answered ?? "").split(";").length - 1;
          this.attempts.set(frame.attempt, { id: frame.attempt, from, made: 0, sent: 0, cancelled: false, end: null });
        } else if (frame.type === "cancel" && known) known.cancelled = true;
      },
      acknowledge: (attempt) => {
        this.heard.push({ type: "ack", attempt });
        this.attempts.delete(attempt);
      },
      close: () => this.lose(),
    };
  }

  /** The link breaks. */
  lose(): void {
    const { node, own } = this;
    if (!node) return;
    this.node = null;
    // Another link or poll took the node over.
    if (node.channel !== own) return;
    this.stage.registry.detach(node);
    this.listener.lost(node);
  }

  /** Loses its memory too, as a node does that was killed. */
  crash(): void {
    this.attempts.clear();
    this.lose();
  }

  /** Makes `count` more deltas of the attempt and sends them, from `overlap` before where it stands. */
  stream(attempt: SimAttempt, count: number, overlap = 0): string | undefined {
    attempt.made += count;
    return this.send(attempt, Math.max(0, attempt.sent - overlap));
  }

  /** Sends what there is from `offset` on. What is wrong with it, as the engine says. */
  send(attempt: SimAttempt, offset = attempt.sent): string | undefined {
    if (!this.node || offset >= attempt.made) return undefined;
    attempt.sent = attempt.made;
    const deltas = piecesOf(attempt, offset, attempt.made);
    return this.listener.delta(this.node, { type: "delta", attempt: attempt.id, offset, deltas });
  }

  accept(attempt: SimAttempt): void {
    if (this.node) this.listener.accepted(this.node, attempt.id);
  }

  /** Ends the attempt: with all that was not sent yet in the frame. Sent again when called again. */
  end(attempt: SimAttempt, over: Partial<EndFrame> = {}): string | undefined {
    attempt.end ??= { ...ENDED, attempt: attempt.id, offset: 0, deltas: [], ...over };
    if (!this.node) return undefined;
    const { sent: offset, made } = attempt;
    attempt.sent = made;
    return this.listener.end(this.node, { ...attempt.end, offset, deltas: piecesOf(attempt, offset, made) });
  }

  fail(attempt: SimAttempt, code: string, outcome: EndFrame["outcome"] = "failed"): string | undefined {
    return this.end(attempt, { outcome, finish: [], error: { code, message: code } });
  }

  heartbeat(status: "available" | "paused"): void {
    if (!this.node) return;
    this.stage.registry.heartbeat(this.node, { type: "heartbeat", status, running: 0 });
    this.listener.capacity(this.node);
  }

  /** Asks for something else from now on. */
  reprice(prices: { input: number; output: number }): void {
    if (!this.node) return;
    const serves = { ...this.serves(), prices };
    this.stage.registry.heartbeat(this.node, { type: "heartbeat", status: "available", running: 0, serves });
  }

  /** The attempt it was given last. */
  get last(): SimAttempt {
    const attempt = [...this.attempts.values()].at(-1);
    if (!attempt) throw new Error("this node has no attempt");
    return attempt;
  }
  heardOf(type: string): string[] {
    return this.heard.flatMap((frame) => (frame.type === type ? [frame.attempt ?? ""] : []));
  }
}

const NO_DETAILS = { digest: null, loaded: null, quantization: null, demo: false, backend: 0 };
const ENDED = {
  type: "end",
  outcome: "completed",
  finish: [{ index: 0, reason: "stop" }],
  usage: { prompt_tokens: 3, completion_tokens: 2 },
} as const satisfies Partial<EndFrame>;
const piecesOf = (attempt: SimAttempt, from: number, to: number): Delta[] =>
  Array.from({ length: to - from }, (_, i) => ({ content: `${attempt.from + from + i};` }));
