// Embedded: the backend that needs no server. llama.cpp in a child process of our own, with the demo model or the
// user's GGUF files.
import { existsSync } from "node:fs";
import path from "node:path";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Backend, BackendError, BackendModel, Emit, GenerateRequest } from "../backend.ts";
import { DEMO_MODEL } from "./demo-model.ts";
import type { EngineModel } from "./engine-messages.ts";
import { EngineProcess } from "./engine-process.ts";
import { defaultCacheDir } from "./extract.ts";
import { type GgufHeader, readGgufHeader } from "./gguf-header.ts";
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

export type EmbeddedBackend = Backend & {
  /** Process id of the engine; null while it is not running. */
  enginePid(): number | null;
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
  const paths = (options.models ?? []).map((file) => path.resolve(file));
  let engine: EngineProcess | null = null;
  let models: Promise<Result<BackendModel[], BackendError>> | null = null;
  const list = () => {
    models ??= listModels(paths, limit);
    return models;
  };
  const start = (listed: BackendModel[]): EngineProcess => {
    const known = listed.map((model, i): EngineModel => {
      return { name: model.name, path: paths[i] ?? null, contextLength: model.contextLength ?? limit };
    });
    return new EngineProcess({
      command: options.command ?? engineCommand(),
      config: { models: known, threads, slots, cacheDir: cacheDirOf(options) },
      clock,
      ...(options.onCrash === undefined ? {} : { onCrash: options.onCrash }),
    });
  };
  return {
    kind: "embedded",
    url: null,
    continues: true,
    slots: () => slots,
    enginePid: () => engine?.pid ?? null,
    async models() {
      const listed = await list();
      if (!listed.ok) {
        models = null; // The file may be there the next time.
        return listed;
      }
      return ok(listed.value.map((model) => ({ ...model, loaded: engine?.started ?? false })));
    },
    async generate(request: GenerateRequest, emit: Emit, signal: AbortSignal) {
      const listed = await list();
      if (!listed.ok) return listed;
      engine ??= start(listed.value);
      return await engine.generate(request, emit, signal);
    },
    close: async () => await engine?.close(),
  };
}

async function listModels(paths: string[], limit: number): Promise<Result<BackendModel[], BackendError>> {
  const missing = embeddedMissing();
  if (missing !== null) return err({ code: "backend_failed", message: missing });
  if (paths.length === 0) return ok([demoModel()]);
  const models: BackendModel[] = [];
  for (const file of paths) {
    try {
      models.push(describe(file, await readGgufHeader(file), limit));
    } catch (thrown) {
      return err({ code: "backend_failed", message: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  }
  return ok(models);
}

function demoModel(): BackendModel {
  const { name, contextLength, sha256: digest, quantization } = DEMO_MODEL;
  return { name, contextLength, digest, loaded: false, quantization, demo: true };
}

function describe(file: string, header: GgufHeader, limit: number): BackendModel {
  return {
    name: path.basename(file).replace(/\.gguf$/i, ""),
    contextLength: Math.min(header.contextLength ?? limit, limit),
    digest: null,
    loaded: false,
    quantization: header.quantization,
    demo: false,
  };
}

/** On Linux the very file that runs, though an update may have put another one in its place. */
const OWN_FILE = "/proc/self/exe";

/** The executable starts itself; in development Bun runs the source. */
function engineCommand(): string[] {
  if (natives !== null) return [existsSync(OWN_FILE) ? OWN_FILE : process.execPath, "engine"];
  return [process.execPath, path.resolve(import.meta.dir, "../../main.ts"), "engine"];
}
