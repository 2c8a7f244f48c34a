// Backend checks: the inference servers that are configured, or those found on this machine.
import type { Backend } from "../../backends/backend.ts";
import { createBackend } from "../../backends/create.ts";
import type { PeerNode } from "../../backends/infernet/infernet.ts";
import { probeBackends } from "../../backends/probe.ts";
import type { Config } from "../../config.ts";
import { SLOTS_UNKNOWN } from "../../daemon/serving.ts";
import { openDataDirectory } from "../../identity/data-dir.ts";
import { loadIdentity } from "../../identity/keys.ts";
import { systemClock } from "../../lib/clock.ts";
import { backendConfig } from "../../modes/backend-config.ts";
import { peerNode } from "../../modes/peer-node.ts";
import type { Context } from "../context.ts";
import { bad, type Check, good, skipped, warning } from "./check.ts";

const TIMEOUT_MS = 5_000;

/** An inference server as `setup` and `doctor` see it. */
export type FoundBackend = {
  kind: string;
  /** Null for the embedded engine. */
  url: string | null;
  models: number;
  /** The models, as far as they can be asked. */
  served: { name: string; context_length: number | null; quantization: string | null }[];
  /** Jobs it runs side by side; null where it does not say. */
  slots: number | null;
  /** Why it cannot be used; null where it can. */
  error: string | null;
};

type World = Pick<Context, "fetch">;

/** Asks the configured backends; where there are none, looks for some. */
export async function lookForBackends({ fetch }: World, config: Config): Promise<FoundBackend[]> {
  const { node, engine } = config;
  const embedded = { models: engine.models, slots: engine.slots };
  if (node.backends.length > 0) {
    return Promise.all(
      node.backends.map(async (entry) => {
        const { kind, url = null } = entry;
        const peer = kind === "infernet" ? thisNode(config) : null;
        const made = createBackend(backendConfig(entry), { fetch, embedded, ...(peer ? { peer } : {}) });
        return made.ok ? ask(made.value) : nothingAt(kind, url, made.error);
      }),
    );
  }
  if (!node.probe) return [];
  const found = await probeBackends({ fetch, embedded });
  return Promise.all(found.map(({ backend }) => ask(backend)));
}

/** Who asks an upstream coordinator: the node of this data directory; null where its key cannot be read. */
function thisNode(config: Config): PeerNode | null {
  const dir = openDataDirectory(config.data_dir);
  const identity = dir.ok ? loadIdentity(dir.value, "node") : dir;
  if (!identity.ok) return null;
  const coordinators = config.node.coordinators.map(({ pubkey }) => pubkey);
  const asked = { coordinators, registers: false, notice: () => undefined };
  return peerNode({ clock: systemClock, identity: identity.value, config, ...asked });
}

async function ask(backend: Backend): Promise<FoundBackend> {
  const { kind, url } = backend;
  const answer = await backend.models(AbortSignal.timeout(TIMEOUT_MS));
  const slots = backend.slots();
  await backend.close();
  if (!answer.ok) return nothingAt(kind, url, answer.error.message);
  const served = answer.value.map(({ name, contextLength, quantization }) => ({
    name,
    context_length: contextLength,
    quantization,
  }));
  return { kind, url, models: served.length, served, slots, error: null };
}

const nothingAt = (kind: string, url: string | null, error: string): FoundBackend => ({
  kind,
  url,
  models: 0,
  served: [],
  slots: null,
  error,
});

/** One for each backend, one for each short context, and where the slots come from. */
export function checkBackends(
  found: readonly FoundBackend[],
  { node }: { node: Pick<Config["node"], "slots"> },
): Check[] {
  if (found.length > 0) return [...found.map(backendCheck), ...found.flatMap(contextChecks), slotsCheck(found, node)];
  const mend = "name one in node.backends, or install Ollama: https://ollama.com/download";
  return [warning("backend", "none is configured and none is looked for or built in", mend)];
}

function backendCheck({ kind, url, models, error }: FoundBackend): Check {
  const name = url === null ? `backend ${kind}` : `backend ${kind} at ${url}`;
  if (error !== null) return bad(name, error, "start it, or correct node.backends in config.toml");
  if (models === 0)
    return warning(
      name,
      "serves no model",
      kind === "ollama" ? "pull one: ollama pull llama3.2, or let `infernet setup` choose" : "load a model there",
    );
  return good(name, `serves ${models} model${models === 1 ? "" : "s"}${kind === "embedded" ? " inside infernet" : ""}`);
}

/** Below this, long conversations and tools do not fit. */
const WANTED_CONTEXT = 8192;
/** Where the context is set. */
const CONTEXT_MENDS: Record<string, string> = {
  ollama: "set OLLAMA_CONTEXT_LENGTH=8192 for `ollama serve`, or num_ctx in the model's Modelfile",
  vllm: "start it with --max-model-len 8192",
  sglang: "start it with --context-length 8192",
  max: "start it with --max-length 8192",
  llamacpp: "start it with -c 8192 times its number of slots (-np)",
};

function contextChecks({ kind, served }: FoundBackend): Check[] {
  const mend = CONTEXT_MENDS[kind];
  if (mend === undefined) return [];
  const short = served.filter(({ context_length: length }) => length !== null && length < WANTED_CONTEXT);
  return short.map(({ name, context_length: length }) =>
    warning(`context of ${name}`, `${length} tokens at ${kind}; requests that are longer go elsewhere or fail`, mend),
  );
}

function slotsCheck(found: readonly FoundBackend[], { slots }: Pick<Config["node"], "slots">): Check {
  if (slots > 0) return good("slots", `${slots}, set by node.slots`);
  const usable = found.filter(({ error }) => error === null);
  if (usable.length === 0) return skipped("slots", "no backend to ask");
  const said = usable.map(
    ({ kind, slots: own }) =>
      `${own ?? `up to ${SLOTS_UNKNOWN}`} ${own === null ? `for ${kind}, which does not say` : `by ${kind}`}`,
  );
  return good("slots", `${said.join(", ")}; node.slots sets another number`);
}
