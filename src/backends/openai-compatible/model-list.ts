// Model list: reads `GET /v1/models` of the known servers, each of which hides the context length somewhere else.
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendError, BackendModel } from "../backend.ts";
import { isRecord } from "../record.ts";
import type { Variant } from "./variants.ts";

const MAX_MODELS = 1024;
const MAX_NAME_CHARS = 256;
/** vLLM, SGLang; Exo and OpenRouter; LM Studio; Groq. */
const CONTEXT_FIELDS = ["max_model_len", "context_length", "max_context_length", "context_window"];

export function parseModelList(answer: unknown, variant: Variant): Result<BackendModel[], BackendError> {
  const list = isRecord(answer) ? answer.data : answer;
  if (!Array.isArray(list)) {
    return err({ code: "backend_failed", message: "the backend's answer to /v1/models is no list" } as const);
  }
  const models: BackendModel[] = [];
  for (const item of list.slice(0, MAX_MODELS)) {
    if (!isRecord(item) || typeof item.id !== "string") continue;
    const name = item.id;
    if (name === "" || name.length > MAX_NAME_CHARS) continue;
    models.push({
      name,
      contextLength: contextLength(item),
      digest: null,
      loaded: loaded(item, variant),
      quantization: null,
      demo: false,
    });
  }
  return ok(models);
}

function contextLength(item: Record<string, unknown>): number | null {
  const meta = isRecord(item.meta) ? item.meta : {};
  for (const value of [meta.n_ctx, ...CONTEXT_FIELDS.map((field) => item[field])]) {
    if (typeof value === "number" && Number.isInteger(value) && value > 0 && value < 2 ** 31) return value;
  }
  return null;
}

/** llama.cpp's router and llama-swap say it in `status.value`. */
function loaded(item: Record<string, unknown>, variant: Variant): boolean | null {
  const status = item.status;
  if (isRecord(status) && typeof status.value === "string") return status.value === "loaded";
  return variant.listsLoaded || isRecord(item.meta) ? true : null;
}
