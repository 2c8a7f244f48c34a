// GGUF models: the user's model files as they are offered, read from their headers without the engine.
import { stat } from "node:fs/promises";
import path from "node:path";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Feature, Task } from "../../protocol/generation.ts";
import type { BackendError, BackendModel } from "../backend.ts";
import { DEMO_MODEL } from "./demo-model.ts";
import type { EngineModel } from "./engine-messages.ts";
import { type GgufHeader, readGgufHeader } from "./gguf-header.ts";
import { templateThinks } from "./think-text.ts";
import { templateHasTools } from "./tool-calls.ts";

/** A model as it is offered, and as the engine is told of it. Its digest and whether it is loaded are filled in later. */
export type GgufModel = { offer: BackendModel; engine: EngineModel };

const TEXT_TASKS: readonly Task[] = ["chat", "completion", "embedding"];

/** The files' models, each named after its file; no files means the demo model. `limit`: tokens offered at most. */
export async function ggufModels(files: readonly string[], limit: number): Promise<Result<GgufModel[], BackendError>> {
  if (files.length === 0) return ok([demoModel()]);
  const models: GgufModel[] = [];
  for (const file of files) {
    try {
      models.push(describe(file, await readGgufHeader(file), (await stat(file)).size, limit));
    } catch (thrown) {
      return err({ code: "backend_failed", message: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  }
  return ok(models);
}

function demoModel(): GgufModel {
  const { name, contextLength, sha256: digest, quantization, tasks, features, bytes } = DEMO_MODEL;
  return {
    offer: { name, contextLength, digest, loaded: false, quantization, demo: true, tasks, features },
    engine: { name, path: null, contextLength, tasks, bytes },
  };
}

function describe(file: string, header: GgufHeader, bytes: number, limit: number): GgufModel {
  const name = path.basename(file).replace(/\.gguf$/i, "");
  const contextLength = Math.min(header.contextLength ?? limit, limit);
  const tasks: readonly Task[] = header.embedsOnly ? ["embedding"] : TEXT_TASKS;
  const features: Feature[] = header.embedsOnly ? [] : ["json", "logprobs"];
  if (!header.embedsOnly && templateHasTools(header.chatTemplate)) features.push("tools");
  if (!header.embedsOnly && templateThinks(header.chatTemplate)) features.push("reasoning");
  const { quantization } = header;
  return {
    offer: { name, contextLength, digest: null, loaded: false, quantization, demo: false, tasks, features },
    engine: { name, path: file, contextLength, tasks, bytes },
  };
}
