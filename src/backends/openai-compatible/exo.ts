// Exo: several machines that run one model together. It answers for models that have an instance; its listing is the
// catalogue of those that could have one.
import { ok } from "../../lib/result.ts";
import type { Feature } from "../../protocol/generation.ts";
import { request } from "../http.ts";
import { type Dialect, type DialectDeps, UNKNOWN_SERVER } from "./dialect.ts";
import { exoActions } from "./exo-actions.ts";
import { readState } from "./exo-state.ts";
import { count, type Entry, listEntries, offered, quantization } from "./model-list.ts";

const CANCEL_MS = 5000;

export function exo(deps: DialectDeps): Dialect {
  const { server } = deps;
  const actions = exoActions(deps);
  return {
    ...UNKNOWN_SERVER,
    tasks: ["chat"],
    async find(signal) {
      const [listed, state] = await Promise.all([
        listEntries(server, "/v1/models?status=downloaded", signal),
        readState(server, signal),
      ]);
      if (!listed.ok) return listed;
      if (!state.ok) return state;
      const models = listed.value.filter(generates).flatMap((entry) => {
        const instances = state.value.instances.filter(({ model }) => model === entry.id);
        if (instances.length === 0) return [];
        const known = { loaded: instances.some(({ ready }) => ready), quantization: quantization(entry.quantization) };
        return [offered(entry, { ...known, contextLength: count(entry.context_length), ...abilities(entry) })];
      });
      return ok({ models, slots: null });
    },
    actions: () => actions,
    cancelled(id) {
      void request(server, `/v1/cancel/${encodeURIComponent(id)}`, "", AbortSignal.timeout(CANCEL_MS));
    },
  };
}

/** It makes images too. Older versions do not say what a model is for. */
const generates = ({ tasks }: Entry): boolean =>
  !Array.isArray(tasks) || tasks.length === 0 || tasks.includes("TextGeneration");

function abilities({ capabilities }: Entry): { tasks: ["chat"]; features?: Feature[] } {
  if (!Array.isArray(capabilities) || capabilities.length === 0) return { tasks: ["chat"] };
  const features: Feature[] = ["logprobs"];
  if (capabilities.includes("vision")) features.push("vision");
  if (capabilities.includes("thinking")) features.push("reasoning");
  return { tasks: ["chat"], features };
}
