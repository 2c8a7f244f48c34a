// Embedded: the backend that needs no server. llama.cpp in a child process of our own, with the demo model or the
// user's GGUF files.
import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Backend, BackendError, Emit, GenerateRequest, ModelAction } from "../backend.ts";
import { Digests } from "./digests.ts";
import { EngineProcess } from "./engine-process.ts";
import { defaultCacheDir } from "./extract.ts";
import { type GgufModel, ggufModels } from "./gguf-models.ts";
import { natives } from "./native-files.ts";

export type EmbeddedOptions = {
  /** GGUF files; none means the demo model. Each is named after its file. */
  models?: string[];
  /** Threads of llama.cpp. More than one is slower on small or shared machines. */
  threads?: number;
  /** Most tokens offered for each of the user's models, prompt and answer together. */
  contextLength?: number;
  /** Generations side by side. */
  slots?: number;
  /** Memory for models together; left out: three quarters of the machine's. */
  memoryBytes?: number;
  /** Where the native libraries and the demo model are extracted to; left out: the platform's place. */
  cacheDir?: string;
  /** Taken where the platform has no place for this user. */
  fallbackCacheDir?: string;
  /** How to start the engine process. */
  command?: string[];
  clock?: Clock;
  onCrash?: (message: string) => void;
};

const DEFAULT_CONTEXT_LENGTH = 4096;
const DEFAULT_SLOTS = 2;
const MEMORY_SHARE = 0.75;

export type EmbeddedBackend = Backend & {
  /** Process id of the engine; null while it is not running. */
  enginePid(): number | null;
  /** Resolves when the digests of the model files are known. */
  digested(): Promise<void>;
};

/** Why there is no embedded engine in this build; null where there is one. */
export function embeddedMissing(): string | null {
  if (natives === null || natives.files.length > 0) return null;
  return `this build has no llama.cpp library for ${natives.platform}: run a backend such as Ollama beside it`;
}

function cacheDirOf({ cacheDir, fallbackCacheDir }: EmbeddedOptions): string {
  const folder = cacheDir ?? defaultCacheDir() ?? fallbackCacheDir;
  if (folder !== undefined) return folder;
  throw new Error("this user has no home directory to keep the engine in: set INFERNET_CACHE_DIR");
}

/** Nothing is started or read before its first use. */
export function embedded(options: EmbeddedOptions = {}): EmbeddedBackend {
  const { threads = 1, slots = DEFAULT_SLOTS, clock = systemClock } = options;
  const limit = options.contextLength ?? DEFAULT_CONTEXT_LENGTH;
  const memoryBytes = options.memoryBytes ?? os.totalmem() * MEMORY_SHARE;
  const paths = (options.models ?? []).map((file) => path.resolve(file));
  let engine: EngineProcess | null = null;
  let digests: Digests | null = null;
  let models: Promise<Result<GgufModel[], BackendError>> | null = null;
  const list = async (): Promise<Result<GgufModel[], BackendError>> => {
    const missing = embeddedMissing();
    if (missing !== null) return err({ code: "backend_failed", message: missing });
    models ??= ggufModels(paths, limit);
    const listed = await models;
    if (!listed.ok) models = null; // The file may be there the next time.
    return listed;
  };
  const start = (listed: GgufModel[]): EngineProcess =>
    new EngineProcess({
      command: options.command ?? engineCommand(),
      config: {
        models: listed.map((model) => model.engine),
        threads,
        slots,
        memoryBytes,
        cacheDir: cacheDirOf(options),
      },
      clock,
      ...(options.onCrash === undefined ? {} : { onCrash: options.onCrash }),
    });
  const running = async (): Promise<Result<EngineProcess, BackendError>> => {
    const listed = await list();
    if (!listed.ok) return listed;
    engine ??= start(listed.value);
    return ok(engine);
  };
  const readDigests = (): void => {
    if (digests !== null || paths.length === 0) return;
    digests = new Digests(cacheDirOf(options));
    digests.begin(paths);
  };
  const keep =
    (what: "load" | "unload"): ModelAction =>
    async (model, report, signal) => {
      const process = await running();
      if (!process.ok) return process;
      report({ phase: `${what}ing ${model}`.slice(0, 256), completed: null, total: null });
      return await process.value.keep(what, model, signal);
    };
  return {
    kind: "embedded",
    url: null,
    continues: true,
    slots: () => slots,
    enginePid: () => engine?.pid ?? null,
    digested: async () => await digests?.settled(),
    async models() {
      const listed = await list();
      if (!listed.ok) return listed;
      readDigests();
      return ok(
        listed.value.map(({ offer, engine: { path: file } }) => ({
          ...offer,
          loaded: engine?.has(offer.name) ?? false,
          digest: file === null ? offer.digest : (digests?.get(file) ?? null),
        })),
      );
    },
    async generate(request: GenerateRequest, emit: Emit, signal: AbortSignal) {
      const process = await running();
      return process.ok ? await process.value.generate(request, emit, signal) : process;
    },
    actions: { model_load: keep("load"), model_unload: keep("unload") },
    async close() {
      digests?.close();
      await engine?.close();
    },
  };
}

/** On Linux the very file that runs, though an update may have put another one in its place. */
const OWN_FILE = "/proc/self/exe";

/** The executable starts itself; in development Bun runs the source. */
function engineCommand(): string[] {
  if (natives !== null) return [existsSync(OWN_FILE) ? OWN_FILE : process.execPath, "engine"];
  return [process.execPath, path.resolve(import.meta.dir, "../../main.ts"), "engine"];
}
