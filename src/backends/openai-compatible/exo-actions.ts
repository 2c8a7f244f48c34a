// Exo's actions: an instance is placed and deleted, a download started and deleted; all of it happens in the
// background, and its state tells how far it is.
import { readText } from "../../lib/read-text.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { CommandProgress } from "../../protocol/commands.ts";
import type { BackendError, ModelAction } from "../backend.ts";
import { MAX_ERROR_BYTES, request, requestJson } from "../http.ts";
import { isRecord } from "../record.ts";
import type { DialectDeps, ModelActions } from "./dialect.ts";
import { type ExoDownload, type ExoInstance, type ExoState, readState, untag } from "./exo-state.ts";
import { until } from "./waiting.ts";

/** Longest that Exo itself waits for an instance to be there. */
const PLACE_S = 120;
const LAST_WORD_MS = 5000;
const MAX_STALE_LOOKS = 10;

export function exoActions({ server, pollMs }: DialectDeps): ModelActions {
  const watch = (signal: AbortSignal, look: (state: ExoState) => Result<"done" | "not yet", BackendError>) =>
    until(pollMs, signal, async () => {
      const state = await readState(server, signal);
      return state.ok ? look(state.value) : state;
    });
  const deleteInstances = async (instances: readonly ExoInstance[], signal: AbortSignal) => {
    for (const { id } of instances) {
      const gone = await request(server, `/instance/${encodeURIComponent(id)}`, null, signal, { method: "DELETE" });
      if (!gone.ok) return gone;
    }
    return ok(undefined);
  };

  const place = async (model: string, signal: AbortSignal): Promise<Result<void, BackendError>> => {
    const placed = await request(server, "/place_instance", JSON.stringify({ model_id: model }), signal, {
      once: true,
    });
    if (!placed.ok) return placed;
    const query = `model_id=${encodeURIComponent(model)}&timeout_seconds=${PLACE_S}`;
    // Older versions have no such page: the state says the same, later.
    const there = await request(server, `/instance/await?${query}`, null, signal);
    const said = there.ok ? await readText(there.value, MAX_ERROR_BYTES).catch(() => "") : "";
    return /"type"\s*:\s*"timeout"/.test(said) ? failed(`no machine of Exo's has room for ${model}`) : ok(undefined);
  };
  const isLoaded = (model: string, report: (progress: CommandProgress) => void, signal: AbortSignal) =>
    watch(signal, ({ instances }) => {
      const own = ofModel(instances, model);
      if (own.some(({ ready }) => ready)) return ok("done");
      const failure = own.find((instance) => instance.failure !== null)?.failure;
      if (failure != null) return failed(`${model} could not be loaded: ${failure}`);
      report(loading(model, own[0]));
      return ok("not yet");
    });
  const load: ModelAction = async (model, report, signal) => {
    const before = await readState(server, signal);
    if (!before.ok) return before;
    const there = ofModel(before.value.instances, model);
    if (there.some(({ ready }) => ready)) return ok(undefined);
    report(phase(`placing ${model}`));
    const placed = there.length > 0 ? ok(undefined) : await place(model, signal);
    const loaded = placed.ok ? await isLoaded(model, report, signal) : placed;
    if (!loaded.ok && signal.aborted && there.length === 0) void takeBack(model);
    return loaded;
  };
  /** Deletes an instance that nobody wants any more, when it is there. */
  const takeBack = async (model: string): Promise<void> => {
    const signal = AbortSignal.timeout(LAST_WORD_MS);
    let instances: ExoInstance[] = [];
    await watch(signal, (state) => {
      instances = ofModel(state.instances, model);
      return ok(instances.length > 0 ? "done" : "not yet");
    });
    await deleteInstances(instances, signal);
  };
  const unload: ModelAction = async (model, report, signal) => {
    report(phase(`unloading ${model}`));
    const state = await readState(server, signal);
    if (!state.ok) return state;
    const gone = await deleteInstances(ofModel(state.value.instances, model), signal);
    if (!gone.ok) return gone;
    return await watch(signal, ({ instances }) => ok(ofModel(instances, model).length === 0 ? "done" : "not yet"));
  };
  const install: ModelAction = async (model, report, signal) => {
    report(phase(`fetching ${model}`));
    const path = `/instance/previews?model_id=${encodeURIComponent(model)}`;
    const previews = await requestJson(server, path, null, signal);
    if (!previews.ok) return previews;
    const shards = shardsOf(previews.value);
    if (shards.length === 0) return failed(`no machine of Exo's has room for ${model}`);
    const nodes = new Set(shards.map(({ node }) => node));
    const started = await start(shards, signal);
    const fetched = started.ok ? await isFetched(model, nodes, report, signal) : started;
    if (!fetched.ok && signal.aborted) void deleteDownloads(model, [...nodes], AbortSignal.timeout(LAST_WORD_MS));
    return fetched;
  };
  const start = async (shards: readonly Shard[], signal: AbortSignal): Promise<Result<void, BackendError>> => {
    for (const { node, shard } of shards) {
      const body = JSON.stringify({ targetNodeId: node, shardMetadata: shard });
      const started = await request(server, "/download/start", body, signal);
      if (!started.ok) return started;
    }
    return ok(undefined);
  };
  const isFetched = (
    model: string,
    nodes: ReadonlySet<string>,
    report: (progress: CommandProgress) => void,
    signal: AbortSignal,
  ) => {
    /** What failed at an earlier try stands there until this one begins. */
    let stale = MAX_STALE_LOOKS;
    return watch(signal, ({ downloads }) => {
      const own = ofModel(downloads, model).filter(({ node }) => nodes.has(node));
      const failure = own.find((download) => download.failure !== null)?.failure ?? null;
      stale = failure === null ? 0 : stale - 1;
      if (failure !== null && stale < 0) return failed(`${model} could not be fetched: ${failure}`);
      if (own.length >= nodes.size && own.every(({ state }) => state === "completed")) return ok("done");
      report(fetching(model, own));
      return ok("not yet");
    });
  };
  const deleteDownloads = async (model: string, nodes: readonly string[], signal: AbortSignal) => {
    for (const node of nodes) {
      const path = `/download/${encodeURIComponent(node)}/${model.split("/").map(encodeURIComponent).join("/")}`;
      const gone = await request(server, path, null, signal, { method: "DELETE" });
      if (!gone.ok) return gone;
    }
    return ok(undefined);
  };
  const remove: ModelAction = async (model, report, signal) => {
    const unloaded = await unload(model, report, signal);
    if (!unloaded.ok) return unloaded;
    report(phase(`removing ${model}`));
    const state = await readState(server, signal);
    if (!state.ok) return state;
    const held = ofModel(state.value.downloads, model).filter(({ state: is }) => is !== "pending");
    const gone = await deleteDownloads(model, [...new Set(held.map(({ node }) => node))], signal);
    if (!gone.ok) return gone;
    return await watch(signal, ({ downloads }) =>
      ok(
        ofModel(downloads, model).some(({ state: is }) => is === "completed" || is === "ongoing") ? "not yet" : "done",
      ),
    );
  };
  return { model_load: load, model_unload: unload, model_install: install, model_remove: remove };
}

const failed = (message: string) => err({ code: "backend_failed", message } as const);
const phase = (words: string): CommandProgress => ({ phase: words.slice(0, 256), completed: null, total: null });
const ofModel = <T extends { model: string }>(list: readonly T[], model: string): T[] =>
  list.filter((item) => item.model === model);

function loading(model: string, instance: ExoInstance | undefined): CommandProgress {
  const layers = instance?.layers;
  return phase(layers ? `loading ${model}: layer ${layers.loaded} of ${layers.total}` : `loading ${model}`);
}

function fetching(model: string, downloads: readonly ExoDownload[]): CommandProgress {
  const sum = (field: "completed" | "total") => downloads.reduce((all, download) => all + (download[field] ?? 0), 0);
  const total = sum("total");
  return total === 0
    ? phase(`fetching ${model}`)
    : { ...phase(`fetching ${model}`), completed: sum("completed"), total };
}

/** What one machine would hold of a model. */
type Shard = { node: string; shard: unknown };

/** What each machine would hold, by the preview that needs fewest machines. */
function shardsOf(previews: unknown): Shard[] {
  const list = isRecord(previews) && Array.isArray(previews.previews) ? previews.previews : [];
  const plans = list.flatMap((preview) => {
    const { shardAssignments } = untag(isRecord(preview) ? preview.instance : null).value;
    if (!isRecord(shardAssignments)) return [];
    const { nodeToRunner, runnerToShard } = shardAssignments;
    if (!isRecord(nodeToRunner) || !isRecord(runnerToShard)) return [];
    return [Object.entries(nodeToRunner).map(([node, runner]) => ({ node, shard: runnerToShard[String(runner)] }))];
  });
  return plans.filter((plan) => plan.length > 0).sort((a, b) => a.length - b.length)[0] ?? [];
}
