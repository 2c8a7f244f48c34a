// Engine child: the engine process's side of IPC. The executable starts itself again with the hidden command `engine`;
// a crash of llama.cpp then takes this process and not the node. It dies with its parent: when IPC closes, it exits.
import type { Llama } from "node-llama-cpp";
import { err, type Result } from "../../lib/result.ts";
import type { BackendError, ChatBody, GenerateEnd } from "../backend.ts";
import { DeltaQueue } from "../delta-queue.ts";
import { DEMO_MODEL, demoModelSource } from "./demo-model.ts";
import type { Engine } from "./engine.ts";
import type { EngineConfig, EngineModel, FromEngine, ToEngine } from "./engine-messages.ts";
import { extractFiles } from "./extract.ts";
import { natives } from "./native-files.ts";

type Running = { abort: AbortController; paused: PromiseWithResolvers<void> | null };

/** Serves the parent until it is gone. Never returns while IPC is open; exits the process when it closes. */
export async function runEngineChild(): Promise<never> {
  if (process.send === undefined)
    throw new Error("the command `engine` is for infernet itself: it needs its parent's IPC");
  const child = new EngineChild();
  process.on("disconnect", () => process.exit(0));
  // A signal to the whole group (Ctrl-C in a terminal) is for the parent, which drains and then closes IPC.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  process.on("message", (message: ToEngine) => child.take(message));
  send({ type: "hello" });
  return await new Promise<never>(() => undefined);
}

function send(message: FromEngine): void {
  process.send?.(message);
}

class EngineChild {
  private config: EngineConfig | null = null;
  private llama: Promise<Llama> | null = null;
  private readonly engines = new Map<string, Promise<Engine>>();
  private readonly running = new Map<number, Running>();

  take(message: ToEngine): void {
    if (message.type === "configure") this.config = message.config;
    else if (message.type === "generate") void this.generate(message.id, message.model, message.body);
    else this.control(message.type, this.running.get(message.id));
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

  private async generate(id: number, model: string, body: ChatBody): Promise<void> {
    const running: Running = { abort: new AbortController(), paused: null };
    this.running.set(id, running);
    const result = await this.run(id, model, body, running);
    this.running.delete(id);
    send({ type: "end", id, result });
  }

  private async run(
    id: number,
    name: string,
    body: ChatBody,
    running: Running,
  ): Promise<Result<GenerateEnd, BackendError>> {
    const model = this.config?.models.find((known) => known.name === name);
    if (this.config === null || model === undefined) {
      return err({ code: "model_not_found", message: `the embedded engine has no model ${name}` });
    }
    const queue = new DeltaQueue((delta) => {
      send({ type: "delta", id, delta });
      return undefined;
    });
    try {
      const engine = await this.engine(this.config, model);
      const result = await engine.generate(body, {
        signal: running.abort.signal,
        ready: () => running.paused?.promise,
        emit: (text, choice) => {
          queue.text(choice, "content", text);
          void queue.flush();
        },
      });
      void queue.flush(true);
      return result;
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      return err({ code: "backend_failed", message: `embedded engine: ${message}` });
    }
  }

  /** Loads a model at its first use; a failed load is tried again at the next. */
  private engine(config: EngineConfig, model: EngineModel): Promise<Engine> {
    const known = this.engines.get(model.name);
    if (known !== undefined) return known;
    const loading = this.load(config, model);
    this.engines.set(model.name, loading);
    loading.catch(() => this.engines.delete(model.name));
    return loading;
  }

  private async load(config: EngineConfig, model: EngineModel): Promise<Engine> {
    this.llama ??= startLlama(config);
    const { Engine } = await import("./engine.ts");
    const file = model.path ?? (await demoModelFile(config.cacheDir));
    const { threads, slots } = config;
    // The demo model knows its text by heart: the likeliest answer is the right one.
    const defaultTemperature = model.path === null ? 0 : 0.8;
    return await Engine.load(await this.llama, file, {
      contextLength: model.contextLength,
      threads,
      slots,
      defaultTemperature,
    });
  }
}

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
