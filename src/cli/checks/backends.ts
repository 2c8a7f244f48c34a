// Backend checks: the inference servers that are configured, or those found on this machine.
import type { Backend } from "../../backends/backend.ts";
import { createBackend } from "../../backends/create.ts";
import { probeBackends } from "../../backends/probe.ts";
import type { Config } from "../../config.ts";
import type { Context } from "../context.ts";
import { bad, type Check, good, warning } from "./check.ts";

const TIMEOUT_MS = 5_000;

/** An inference server as `setup` and `doctor` see it. */
export type FoundBackend = {
  kind: string;
  /** Null for the embedded engine. */
  url: string | null;
  models: number;
  /** Why it cannot be used; null where it can. */
  error: string | null;
};

type World = Pick<Context, "fetch">;

/** Asks the configured backends; where there are none, looks for some. */
export async function lookForBackends({ fetch }: World, { node }: Config): Promise<FoundBackend[]> {
  if (node.backends.length > 0) {
    return Promise.all(
      node.backends.map(async ({ kind, url = null, api_key: apiKey = null }) => {
        const made = createBackend({ kind, url, apiKey }, { fetch });
        return made.ok ? ask(made.value) : { kind, url, models: 0, error: made.error };
      }),
    );
  }
  if (!node.probe) return [];
  const found = await probeBackends({ fetch });
  return Promise.all(found.map(({ backend }) => ask(backend)));
}

async function ask(backend: Backend): Promise<FoundBackend> {
  const { kind, url } = backend;
  const answer = await backend.models(AbortSignal.timeout(TIMEOUT_MS));
  await backend.close();
  if (!answer.ok) return { kind, url, models: 0, error: answer.error.message };
  return { kind, url, models: answer.value.length, error: null };
}

/** One for each backend. */
export async function checkBackends(world: World, config: Config): Promise<Check[]> {
  const found = await lookForBackends(world, config);
  if (found.length > 0) return found.map(backendCheck);
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
      kind === "ollama" ? "pull one: ollama pull llama3.2" : "load a model there",
    );
  return good(name, `serves ${models} model${models === 1 ? "" : "s"}${kind === "embedded" ? " inside infernet" : ""}`);
}
