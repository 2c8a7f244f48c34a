// Exo's state: what its cluster runs and fetches, out of `GET /state`. Its values are tagged: `{"RunnerReady": {…}}`.
import { ok, type Result } from "../../lib/result.ts";
import type { BackendError } from "../backend.ts";
import { type Endpoint, requestJson } from "../http.ts";
import { isRecord } from "../record.ts";

export type ExoInstance = {
  id: string;
  model: string;
  /** All its runners can work. */
  ready: boolean;
  /** What went wrong with one of them; null for nothing. */
  failure: string | null;
  /** Layers in memory and layers in all, while it loads. */
  layers: { loaded: number; total: number } | null;
};

export type ExoDownload = {
  node: string;
  model: string;
  state: "pending" | "ongoing" | "completed" | "failed";
  completed: number | null;
  total: number | null;
  failure: string | null;
};

export type ExoState = { instances: ExoInstance[]; downloads: ExoDownload[] };

type Json = Record<string, unknown>;

export async function readState(server: Endpoint, signal: AbortSignal): Promise<Result<ExoState, BackendError>> {
  const answer = await requestJson(server, "/state", null, signal);
  if (!answer.ok) return answer;
  const state = isRecord(answer.value) ? answer.value : {};
  const runners = isRecord(state.runners) ? state.runners : {};
  const instances = Object.entries(isRecord(state.instances) ? state.instances : {}).flatMap(([id, tagged]) => {
    const found = instance(id, untag(tagged).value, runners);
    return found === null ? [] : [found];
  });
  const downloads = Object.entries(isRecord(state.downloads) ? state.downloads : {}).flatMap(([node, list]) =>
    Array.isArray(list) ? list.map((tagged) => download(node, tagged)).filter((found) => found !== null) : [],
  );
  return ok({ instances, downloads });
}

/** Its tag and what is in it; a value without a tag stands for itself. */
export function untag(tagged: unknown): { tag: string; value: Json } {
  if (!isRecord(tagged)) return { tag: "", value: {} };
  const [tag, ...others] = Object.keys(tagged);
  const inner = tag === undefined ? undefined : tagged[tag];
  return tag !== undefined && others.length === 0 && isRecord(inner)
    ? { tag, value: inner }
    : { tag: "", value: tagged };
}

function instance(id: string, value: Json, runners: Json): ExoInstance | null {
  const assigned = isRecord(value.shardAssignments) ? value.shardAssignments : {};
  const model = assigned.modelId;
  if (typeof model !== "string") return null;
  const ids = Object.keys(isRecord(assigned.runnerToShard) ? assigned.runnerToShard : {});
  const states = ids.map((runner) => untag(runners[runner]));
  const failed = states.find(({ tag }) => tag === "RunnerFailed");
  const failure = failed === undefined ? null : (text(failed.value.errorMessage) ?? "a runner failed");
  const loading = states.filter(({ tag }) => tag === "RunnerLoading");
  return {
    id,
    model,
    ready: states.length > 0 && states.every(({ tag }) => READY.has(tag)),
    failure,
    layers: loading.length === 0 ? null : { loaded: sum(loading, "layersLoaded"), total: sum(loading, "totalLayers") },
  };
}

const READY = new Set(["RunnerReady", "RunnerRunning", "RunnerDegraded"]);

const sum = (tagged: { value: Json }[], field: string): number =>
  tagged.reduce((all, { value }) => all + (bytes(value[field]) ?? 0), 0);

const STATES: Record<string, ExoDownload["state"]> = {
  DownloadPending: "pending",
  DownloadOngoing: "ongoing",
  DownloadCompleted: "completed",
  DownloadFailed: "failed",
};

function download(node: string, tagged: unknown): ExoDownload | null {
  const { tag, value } = untag(tagged);
  const state = STATES[tag];
  const card = untag(value.shardMetadata).value.modelCard;
  const model = isRecord(card) ? card.modelId : null;
  if (state === undefined || typeof model !== "string") return null;
  const progress = isRecord(value.downloadProgress) ? value.downloadProgress : {};
  return {
    node,
    model,
    state,
    completed: bytes(progress.downloadedBytes ?? progress.downloaded),
    total: bytes(progress.totalBytes ?? progress.total),
    failure: state === "failed" ? (text(value.errorMessage) ?? "the download failed") : null,
  };
}

/** A count, or Exo's `Memory`: `{"inBytes": n}`. */
function bytes(value: unknown): number | null {
  const found = isRecord(value) ? value.inBytes : value;
  return typeof found === "number" && Number.isFinite(found) && found >= 0 ? Math.round(found) : null;
}

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);
