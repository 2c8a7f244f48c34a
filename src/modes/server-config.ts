// Server configuration: what the HTTP server takes from config.toml, in every mode.
import { readFileSync } from "node:fs";
import type { Config } from "../config.ts";
import type { ServerDeps } from "../http/server.ts";
import type { Log } from "../lib/log.ts";

export function serverConfig(
  config: Config,
  log: Log,
): Omit<ServerDeps, "routes" | "clientAuth" | "humanAuth" | "verify" | "links"> {
  const { server } = config;
  const { tls_cert: cert, tls_key: key } = server;
  return {
    log,
    host: server.host,
    port: server.port,
    tls: cert !== null && key !== null ? { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") } : null,
    hosts: { allowedHosts: server.allowed_hosts, publicUrl: server.public_url },
    corsOrigins: server.cors_origins,
    maxBodyBytes: server.max_body_mib * 1024 * 1024,
    idleTimeoutS: server.idle_timeout_s,
  };
}
