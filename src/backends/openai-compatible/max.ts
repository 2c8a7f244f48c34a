// Modular MAX: lists one model and its adapters, all in memory, and tells its load on a port of its own.
import { ok } from "../../lib/result.ts";
import type { Endpoint } from "../http.ts";
import { type Dialect, UNKNOWN_SERVER } from "./dialect.ts";
import { metricsLoad } from "./load.ts";
import { listOfHealthy, offered } from "./model-list.ts";

/** Where its metrics are, unless its operator moved them (`MAX_SERVE_METRICS_ENDPOINT_PORT`). */
const METRICS_PORT = "8001";
const GAUGES = { running: ["maxserve_num_requests_running"], waiting: ["maxserve_num_requests_queued"] };

export function max(server: Endpoint): Dialect {
  const metrics: Endpoint = { ...server, base: withPort(server.base, METRICS_PORT) };
  return {
    ...UNKNOWN_SERVER,
    async find(signal) {
      const listed = await listOfHealthy(server, "/v1/models", signal);
      if (!listed.ok) return listed;
      return ok({ models: listed.value.map((entry) => offered(entry, { loaded: true })), slots: null });
    },
    load: (signal) => metricsLoad(metrics, GAUGES, signal),
  };
}

function withPort(base: string, port: string): string {
  const url = new URL(base);
  url.port = port;
  return url.origin;
}
