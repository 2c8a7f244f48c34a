// Engine child: the engine process's side of IPC. The executable starts itself again with the hidden command `engine`;
// a crash of llama.cpp then takes this process and not the node. It dies with its parent: when IPC closes, it exits.
import type { Llama } from "node-llama-cpp";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Delta } from "../../protocol/generation.ts";
import type { BackendError, GenerateEnd } from "../backend.ts";
import type { Pace } from "./choice.ts";
import { DEMO_MODEL, demoModelSource } from "./demo-model.ts";
import type { Engine } from "./engine.ts";
import type { EngineConfig, EngineModel, FromEngine, ToEngine } from "./engine-messages.ts";
import { extractFiles } from "./extract.ts";
import { ModelShelf } from "./model-shelf.ts";
import { natives } from "./native-files.ts";

type Outcome = Result<GenerateEnd, BackendError>;
type Running = { abort: AbortController; paused: PromiseWithResolvers<void> | null };
type Work = Extract<ToEngine, { type: "generate" | "load" | "unload" }>;

/** Serves the parent until it is gone. Never returns while IPC is open; exits the process when it closes. */
export async function runEngineChild(): Promise<never> {
  if (process.send === undefined)
    throw new Error("the command `engine` is for infernet itself: it needs its parent's IPC");
  let child: EngineChild | null = null;
  process.on("disconnect", () => process.exit(0));
  // A signal to the whole group (Ctrl-C in a terminal) is for the parent, which drains and then closes IPC.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  process.on("message", (message: ToEngine) => {
    if (message.type === "configure") child = new EngineChild(message.config);
    else child?.take(message);
  });
  send({ type: "hello" });
  return await new Promise<never>(() => undefined);
}

function send(message: FromEngine): void {
  process.send?.(message);
}

class EngineChild {
  private readonly config: EngineConfig;
  private readonly shelf: ModelShelf<Engine>;
  private llama: Promise<Llama> | null = null;
  private readonly running = new Map<number, Running>();

  constructor(config: EngineConfig) {
    this.config = config;
    this.shelf = new ModelShelf({
      load: (name) => this.load(name),
      bytesOf: (name) => this.find(name)?.bytes ?? 0,
      memoryBytes: config.memoryBytes,
      changed: (models) => send({ type: "loaded", models }),
    });
  }

  take(message: Exclude<ToEngine, { type: "configure" }>): void {
    const { type } = message;
    if (type === "abort" || type === "pause" || type === "resume") this.control(type, this.running.get(message.id));
    else void this.work(message);
  }

  private control(type: "abort" | "pause" | "resume", running: Running | undefined): void {
    if (running === undefined) return; // It ended while the message was on its way.
    if (type === "pause") running.paused ??= Promise.withResolvers<void>();
    else {
      if (type === "abort") running.abort.abort();
      running.paused?.resolve();
      running.paused = null;
    }
  }

  private async work(work: Work): Promise<void> {
    const running: Running = { abort: new AbortController(), paused: null };
    this.running.set(work.id, running);
    const result = await this.run(work, running);
    this.running.delete(work.id);
    send({ type: "end", id: work.id, result });
  }

  private async run(work: Work, running: Running): Promise<Outcome> {
    const name = work.type === "generate" ? work.request.model : work.model;
    const pace: Pace = { signal: running.abort.signal, ready: () => running.paused?.promise };
    if (this.find(name) === undefined)
      return err({ code: "model_not_found", message: `the embedded engine has no model ${name}` });
    try {
      if (work.type === "unload") return await this.unload(name);
      if (work.type === "load") return await this.shelf.use(name, async () => DONE);
      const { id, request } = work;
      const emit = (delta: Delta) => send({ type: "delta", id, delta });
      return await this.shelf.use(name, (engine) => engine.generate(request, { ...pace, emit }));
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      return err({ code: "backend_failed", message: `embedded engine: ${message}` });
    }
  }

  private async unload(name: string): Promise<Outcome> {
    const dropped = await this.shelf.drop(name);
    return dropped.ok
      ? DONE
      : err({ code: "backend_busy", message: `${name} is answering and cannot be unloaded now` });
  }

  private find(name: string): EngineModel | undefined {
    return this.config.models.find((known) => known.name === name);
  }

  private async load(name: string): Promise<Engine> {
    const model = this.find(name);
    if (model === undefined) throw new Error(`no model ${name}`);
    const { threads, slots, cacheDir } = this.config;
    this.llama ??= startLlama(this.config);
    const { Engine } = await import("./engine.ts");
    const file = model.path ?? (await demoModelFile(cacheDir));
    // The demo model knows its text by heart: the likeliest answer is the right one.
    const defaultTemperature = model.path === null ? 0 : 0.8;
    const { contextLength, tasks } = model;
    return await Engine.load(await this.llama, file, { contextLength, threads, slots, defaultTemperature, tasks });
  }
}

const DONE: Outcome = ok({ finish: [], usage: null });

async function startLlama({ cacheDir, threads }: EngineConfig): Promise<Llama> {
  if (natives !== null) {
    if (natives.files.length === 0) throw new Error(`this build has no llama.cpp library for ${natives.platform}`);
    process.env.INFERNET_ENGINE_LIBRARIES = await extractFiles(cacheDir, `llama-${natives.id}`, natives.files);
  }
  const { getLlama, LlamaLogLevel } = await import("node-llama-cpp");
  return await getLlama({
    build: "never",
    gpu: false,
    skipDownload: true,
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
    logger: (_level, message) => void process.stderr.write(message.endsWith("\n") ? message : `${message}\n`),
  });
}

/** In development the file lies on the disk already; the executable's own file system is closed to llama.cpp. */
async function demoModelFile(cacheDir: string): Promise<string> {
  if (natives === null) return demoModelSource;
  const { bytes, sha256 } = DEMO_MODEL;
  const file = { name: "infernet-demo.gguf", source: demoModelSource, bytes, sha256 };
  return `${await extractFiles(cacheDir, `demo-${sha256.slice(0, 16)}`, [file])}/${file.name}`;
}
