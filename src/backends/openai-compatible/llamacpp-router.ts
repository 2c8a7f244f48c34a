// llama.cpp's router mode: a server that starts and stops servers with one model each, on demand or by command.
import { err, ok, type Result } from "../../lib/result.ts";
import type { CommandProgress } from "../../protocol/commands.ts";
import type { Feature } from "../../protocol/generation.ts";
import type { BackendError, BackendModel, ModelAction } from "../backend.ts";
import { type Endpoint, request } from "../http.ts";
import { isRecord } from "../record.ts";
import type { DialectDeps, ModelActions } from "./dialect.ts";
import { type ServerFacts, serverFacts } from "./llamacpp-server.ts";
import { type Entry, listEntries, offered, page } from "./model-list.ts";
import { until } from "./waiting.ts";

type Status = { value: string; failed: boolean; progress: unknown };

const statusOf = (entry: Entry): Status | null => {
  const { status } = entry;
  if (!isRecord(status) || typeof status.value !== "string") return null;
  return { value: status.value, failed: status.failed === true, progress: status.progress ?? entry.progress };
};

export const isRouter = (entries: readonly Entry[], props: Record<string, unknown> | null): boolean =>
  props?.role === "router" || entries.some((entry) => statusOf(entry) !== null);

/** What it can serve: what is in memory, and what it loads on demand. `before` is what was known of its servers. */
export async function findInRouter(
  server: Endpoint,
  entries: readonly Entry[],
  props: Record<string, unknown> | null,
  before: ReadonlyMap<string, ServerFacts>,
  signal: AbortSignal,
): Promise<{ models: BackendModel[]; facts: Map<string, ServerFacts> }> {
  const loadsOnDemand = props?.models_autoload !== false;
  const facts = new Map<string, ServerFacts>();
  const models = await Promise.all(
    entries.map(async (entry) => {
      const status = statusOf(entry);
      const isUp = status?.value === "loaded" || status?.value === "sleeping";
      if (isUp) {
        const path = `/props?model=${encodeURIComponent(entry.id)}&autoload=false`;
        const own = await page(server, path, signal);
        const found = await serverFacts(server, own, before.get(entry.id), signal, { model: entry.id });
        if (found !== null) facts.set(entry.id, found);
      } else if (!loadsOnDemand || status?.failed === true || status?.value === "downloading") return null;
      const known = facts.get(entry.id)?.known ?? { features: featuresOf(entry) };
      return offered(entry, { ...known, loaded: status?.value === "loaded" });
    }),
  );
  return { models: models.filter((model) => model !== null), facts };
}

/** What the listing says of a model that is not in memory. */
function featuresOf({ architecture }: Entry): Feature[] {
  const inputs = isRecord(architecture) ? architecture.input_modalities : null;
  return Array.isArray(inputs) && inputs.includes("image") ? ["json", "logprobs", "vision"] : ["json", "logprobs"];
}

export function routerActions({ server, pollMs }: DialectDeps): ModelActions {
  const post = (path: string, model: string, signal: AbortSignal) =>
    request(server, path, JSON.stringify({ model }), signal);
  /** Waits until the model's status is as wished; null stands for a model that is not listed. */
  const reaches = (
    model: string,
    signal: AbortSignal,
    look: (status: Status | null) => Result<"done" | "not yet", BackendError>,
    path = "/v1/models",
  ) =>
    until(pollMs, signal, async () => {
      const listed = await listEntries(server, path, signal);
      if (!listed.ok) return listed;
      const entry = listed.value.find(({ id }) => id === model);
      return look(entry === undefined ? null : statusOf(entry));
    });
  const failed = (message: string) => err({ code: "backend_failed", message } as const);

  /** Unloading ends loading, and fetching too. Nobody waits for it. */
  const takeBack = (model: string): void => {
    void post("/models/unload", model, AbortSignal.timeout(LAST_WORD_MS));
  };

  /** What was begun and is not wanted any more ends, however far it is. */
  const orTakenBack =
    (action: ModelAction): ModelAction =>
    async (model, report, signal) => {
      const done = await action(model, report, signal);
      if (!done.ok && signal.aborted) takeBack(model);
      return done;
    };

  const load: ModelAction = async (model, report, signal) => {
    report(phase(`loading ${model}`));
    const asked = await post("/models/load", model, signal);
    // To an unknown model it says the same as to an unknown route.
    if (!asked.ok && /HTTP 404/.test(asked.error.message)) return err(unknown(model));
    if (!asked.ok && !/already (running|loaded)/i.test(asked.error.message)) return asked;
    return await reaches(model, signal, (status) => {
      if (status === null) return failed(`the router does not list ${model} any more`);
      if (status.value === "loaded") return ok("done");
      return status.value === "unloaded" ? failed(`${model} could not be loaded; see the router's log`) : ok("not yet");
    });
  };
  const unload: ModelAction = async (model, report, signal) => {
    report(phase(`unloading ${model}`));
    const asked = await post("/models/unload", model, signal);
    if (!asked.ok && !/not (running|loaded)/i.test(asked.error.message)) return asked;
    return await reaches(model, signal, (status) =>
      ok(status === null || status.value === "unloaded" ? "done" : "not yet"),
    );
  };
  const install: ModelAction = async (model, report, signal) => {
    report(phase(`fetching ${model}`));
    const asked = await post("/models", model, signal);
    if (!asked.ok) return /already exists/i.test(asked.error.message) ? ok(undefined) : asked;
    const fetched = await reaches(model, signal, (status) => {
      if (status?.value !== "downloading") return ok("done");
      report(fetching(model, status.progress));
      return ok("not yet");
    });
    if (!fetched.ok) return fetched;
    const isThere = (status: Status | null) =>
      status === null ? failed(`${model} could not be fetched; see the router's log`) : ok("done" as const);
    return await reaches(model, signal, isThere, "/models?reload=1");
  };
  const remove: ModelAction = async (model, report, signal) => {
    report(phase(`removing ${model}`));
    const gone = await request(server, `/models?model=${encodeURIComponent(model)}`, null, signal, {
      method: "DELETE",
    });
    if (gone.ok) return ok(undefined);
    return /not removable|not found/i.test(gone.error.message) ? err({ ...gone.error, code: "invalid_request" }) : gone;
  };
  return {
    model_load: orTakenBack(load),
    model_unload: unload,
    model_install: orTakenBack(install),
    model_remove: remove,
  };
}

const LAST_WORD_MS = 5000;

const unknown = (model: string): BackendError => ({
  code: "model_not_found",
  message: `the router has no model ${model}`,
});

const phase = (words: string): CommandProgress => ({ phase: words.slice(0, 256), completed: null, total: null });

/** `{url: {done, total}}`, one entry for each file. */
function fetching(model: string, progress: unknown): CommandProgress {
  const files = isRecord(progress) ? Object.values(progress).filter(isRecord) : [];
  const sum = (field: "done" | "total") =>
    files.reduce((all, file) => all + (typeof file[field] === "number" ? Math.max(0, Math.round(file[field])) : 0), 0);
  const said = phase(`fetching ${model}`);
  return files.length === 0 ? said : { ...said, completed: sum("done"), total: sum("total") };
}
