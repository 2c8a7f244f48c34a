// SGLang: its listing names the context length; what it can do it says in `/model_info` and `/server_info`, which
// older versions have under other names.
import { ok, type Result } from "../../lib/result.ts";
import type { BackendLoad } from "../../protocol/frames.ts";
import type { Feature, Task } from "../../protocol/generation.ts";
import type { BackendError, BackendModel } from "../backend.ts";
import type { Endpoint } from "../http.ts";
import { isRecord } from "../record.ts";
import { type Dialect, UNKNOWN_SERVER } from "./dialect.ts";
import { loadOf, metricsLoad } from "./load.ts";
import { count, listOfHealthy, offered, page, quantization } from "./model-list.ts";
import type { Sample } from "./prometheus.ts";

type Page = Record<string, unknown>;

const GAUGES = {
  running: ["sglang:num_running_reqs"],
  waiting: ["sglang:num_queue_reqs"],
  cache: ["sglang:token_usage"],
};

export function sglang(server: Endpoint): Dialect {
  return {
    ...UNKNOWN_SERVER,
    continues: true,
    continueFields: { continue_final_message: true },
    async find(signal) {
      const [listed, model, info] = await Promise.all([
        listOfHealthy(server, "/v1/models", signal),
        firstPage(server, ["/model_info", "/get_model_info"], signal),
        firstPage(server, ["/server_info", "/get_server_info"], signal),
      ]);
      if (!listed.ok) return listed;
      const known = { loaded: true, quantization: quantization(info?.quantization), ...abilities(model, info) };
      return ok({
        models: listed.value.map((entry) => offered(entry, known)),
        slots: info === null ? null : slots(info),
      });
    },
    load: async (signal) => (await ownLoad(server, signal)) ?? (await metricsLoad(server, GAUGES, signal, { pick })),
  };
}

/** Every rank of a tensor-parallel group counts the same requests. */
const pick = ({ labels }: Sample): boolean => (labels.tp_rank ?? "0") === "0" && (labels.pp_rank ?? "0") === "0";

async function firstPage(server: Endpoint, paths: readonly string[], signal: AbortSignal): Promise<Page | null> {
  for (const path of paths) {
    const found = await page(server, path, signal);
    if (found !== null) return found;
  }
  return null;
}

function abilities(model: Page | null, info: Page | null): Pick<BackendModel, "tasks" | "features"> {
  const found: Pick<BackendModel, "tasks" | "features"> = {};
  const generates = model?.is_generation;
  if (typeof generates === "boolean") {
    const tasks: Task[] = generates ? ["chat", "completion"] : ["embedding"];
    found.tasks = tasks;
  }
  if (info !== null && generates !== false) {
    const features: Feature[] = ["json", "logprobs"];
    if (isSet(info.tool_call_parser)) features.push("tools");
    if (isSet(info.reasoning_parser)) features.push("reasoning");
    if (model?.has_image_understanding === true) features.push("vision");
    found.features = features;
  }
  return found;
}

const isSet = (value: unknown): boolean => typeof value === "string" && value !== "";

/** What its scheduler takes at once, of all its replicas together. */
function slots(info: Page): number | null {
  const states = Array.isArray(info.internal_states) ? info.internal_states.filter(isRecord) : [];
  const each = count(states[0]?.effective_max_running_requests_per_dp);
  return each === null ? count(info.max_running_requests) : each * Math.max(1, count(info.dp_size) ?? 1);
}

/** By `/v1/loads`, which needs no `--enable-metrics`; null where it is not there. */
async function ownLoad(server: Endpoint, signal: AbortSignal): Promise<Result<BackendLoad, BackendError> | null> {
  const answer = await page(server, "/v1/loads", signal);
  const loads = Array.isArray(answer?.loads) ? answer.loads.filter(isRecord) : [];
  if (loads.length === 0) return null;
  const sum = (field: string) => loads.reduce((all, load) => all + number(load[field]), 0);
  const usage = loads.map((load) => load.token_usage).filter((value) => typeof value === "number");
  return ok(loadOf(sum("num_running_reqs"), sum("num_waiting_reqs"), usage.length > 0 ? Math.max(...usage) : null));
}

const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
