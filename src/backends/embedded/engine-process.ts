// Engine process: the node's side of IPC. Starts the engine at its first use, routes messages to the running
// requests, fails them when the process dies, and starts it again with back-off.
import { parse } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendError, Emit, GenerateEnd, GenerateRequest } from "../backend.ts";
import type { EngineConfig, FromEngine, ToEngine } from "./engine-messages.ts";

type Subprocess = Bun.Subprocess<"ignore", "ignore", "pipe">;
type Outcome = Result<GenerateEnd, BackendError>;
type Work = Extract<ToEngine, { type: "generate" | "load" | "unload" }>;
type Running = { emit: Emit; settle: (outcome: Outcome) => void };

/** Wait before the n-th start in a row that ended in a crash; the first is free. */
const BACKOFF_MS = [0, 1000, 2000, 4000, 8000, 16_000, 30_000];
const MAX_LAST_WORDS_CHARS = 2000;

export type EngineProcessOptions = {
  /** How to start the engine process, e.g. ["/usr/bin/infernet", "engine"]. */
  command: string[];
  config: EngineConfig;
  clock: Clock;
  /** Told when the process dies unasked, with its last words. */
  onCrash?: (message: string) => void;
};

export class EngineProcess {
  private readonly options: EngineProcessOptions;
  private child: Subprocess | null = null;
  private closed = false;
  private nextId = 1;
  private crashes = 0;
  private notBeforeMs = 0;
  private startError = "";
  private readonly running = new Map<number, Running>();
  private loaded: readonly string[] = [];

  constructor(options: EngineProcessOptions) {
    this.options = options;
  }

  /** The model is in memory. */
  has(model: string): boolean {
    return this.loaded.includes(model);
  }

  /** Process id of the engine; null while it is not running. */
  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  async generate(request: GenerateRequest, emit: Emit, signal: AbortSignal): Promise<Outcome> {
    return await this.run((id) => ({ type: "generate", id, request }), emit, signal);
  }

  /** Takes a model into memory, or out of it. */
  async keep(what: "load" | "unload", model: string, signal: AbortSignal): Promise<Result<void, BackendError>> {
    // What never began holds no model.
    if (what === "unload" && this.child === null) return ok(undefined);
    const outcome = await this.run(
      (id) => ({ type: what, id, model }),
      () => undefined,
      signal,
    );
    return outcome.ok ? ok(undefined) : outcome;
  }

  private async run(work: (id: number) => Work, emit: Emit, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return ABORTED;
    if (this.closed) return err({ code: "backend_unreachable", message: "the embedded engine is closed" });
    const waitMs = this.child === null ? this.notBeforeMs - this.options.clock.nowMs() : 0;
    if (waitMs > 0) {
      const message = `the embedded engine crashed ${this.crashes} times in a row; next start in ${waitMs} ms`;
      return err({ code: "backend_unreachable", message });
    }
    const id = this.nextId++;
    const done = Promise.withResolvers<Outcome>();
    this.running.set(id, { emit: this.held(id, emit), settle: done.resolve });
    const onAbort = () => {
      this.send({ type: "abort", id });
      done.resolve(ABORTED);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (!this.send(work(id))) {
      done.resolve(
        err({ code: "backend_failed", message: `the embedded engine cannot be started: ${this.startError}` }),
      );
    }
    const outcome = await done.promise;
    signal.removeEventListener("abort", onAbort);
    this.running.delete(id);
    if (outcome.ok) this.crashes = 0;
    return outcome;
  }

  /** Ends the process; running generations fail. */
  async close(): Promise<void> {
    this.closed = true;
    const { child } = this;
    if (child === null) return;
    child.kill("SIGKILL");
    await child.exited;
  }

  /** Pauses the engine for as long as the reader is behind. */
  private held(id: number, emit: Emit): Emit {
    let behind = 0;
    return (delta) => {
      const waits = emit(delta);
      if (waits === undefined) return undefined;
      if (behind++ === 0) this.send({ type: "pause", id });
      const resume = () => {
        if (--behind === 0) this.send({ type: "resume", id });
      };
      return waits.then(resume, resume);
    };
  }

  /** Starts the process for new work. False where it cannot be started or is just dying. */
  private send(message: ToEngine): boolean {
    const isWork = message.type === "generate" || message.type === "load";
    if (!isWork && this.child === null) return false;
    try {
      this.child ??= this.start();
      this.child.send(message);
      return true;
    } catch (thrown) {
      this.startError = thrown instanceof Error ? thrown.message : String(thrown);
      return false;
    }
  }

  private start(): Subprocess {
    const { command, config } = this.options;
    const child: Subprocess = Bun.spawn(command, {
      // The folder this instance was started in may be gone by the time the engine starts, or starts again.
      cwd: parse(process.execPath).root,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      env: engineEnvironment(process.env, config.cacheDir),
      ipc: (message: FromEngine) => this.take(message),
    });
    child.unref();
    child.send({ type: "configure", config });
    const words = lastWords(child.stderr);
    void child.exited.then(async () => this.ended(child, await words));
    return child;
  }

  private take(message: FromEngine): void {
    if (message.type === "hello") return;
    if (message.type === "loaded") {
      this.loaded = message.models;
      return;
    }
    const running = this.running.get(message.id);
    if (running === undefined) return; // Aborted meanwhile.
    if (message.type === "end") running.settle(message.result);
    else void running.emit(message.delta);
  }

  private ended(child: Subprocess, words: string): void {
    if (this.child === child) {
      this.child = null;
      this.loaded = [];
    }
    const how = child.signalCode === null ? `with code ${child.exitCode}` : `by ${child.signalCode}`;
    const message = `the embedded engine ended ${how}${words === "" ? "" : `: ${words}`}`;
    if (!this.closed) {
      this.notBeforeMs = this.options.clock.nowMs() + (BACKOFF_MS[this.crashes] ?? BACKOFF_MS.at(-1) ?? 0);
      this.crashes++;
      this.options.onCrash?.(message);
    }
    const failed: Outcome = err({ code: "backend_failed", message });
    for (const running of this.running.values()) running.settle(failed);
  }
}

const ABORTED: Outcome = err({ code: "aborted", message: "aborted" });

/** The engine needs no secret of this program; its library asks for a home, which not every user has. */
function engineEnvironment(env: Record<string, string | undefined>, home: string): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith("INFERNET_"));
  return { HOME: home, ...Object.fromEntries(kept) };
}

/** Reads a stream to its end and keeps the last of it. */
async function lastWords(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of stream)
    text = (text + decoder.decode(piece, { stream: true })).slice(-MAX_LAST_WORDS_CHARS);
  return text.trim();
}
