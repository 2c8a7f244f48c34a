// Addresses: under which address others reach this instance.
import { networkInterfaces } from "node:os";
import type { Config } from "../config.ts";

type Server = Pick<Config, "server">;

const EVERY_INTERFACE = new Set(["0.0.0.0", "::", "[::]"]);

/** For other machines: the public address, else the one of the interface listened on. */
export function joinUrl({ server }: Server, port: number): string {
  if (server.public_url !== null) return server.public_url.replace(/\/+$/, "");
  return baseUrl(server, EVERY_INTERFACE.has(server.host) ? outerAddress() : server.host, port);
}

function baseUrl(server: Config["server"], host: string, port: number): string {
  const scheme = server.tls_cert === null ? "http" : "https";
  return `${scheme}://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`;
}

/** The first IPv4 address that others can see; loopback where there is none. */
function outerAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "127.0.0.1";
}
