// The transport rule: outside loopback and private addresses a node speaks to coordinators through TLS only, unless its
// owner says `--insecure`. Decided by the address alone: what a name resolves to is somebody else's word.
import { isIPv4, isIPv6 } from "node:net";
import { err, ok, type Result } from "../lib/result.ts";
import type { StartRefusal } from "./start-refusal.ts";

export type TransportRefusal = StartRefusal<"coordinator_url_invalid" | "coordinator_url_insecure">;

/**
 * The parsed address of a coordinator (`http`, `https`, `ws`, `wss`). Without TLS it must be `localhost` or an IP address
 * that is loopback (127/8, ::1), private (RFC 1918, fc00::/7) or link-local (169.254/16, fe80::/10). Every other name
 * counts as public, `.local` and single words too, and so do carrier-grade NAT (100.64/10) and 0.0.0.0.
 */
export function checkCoordinatorUrl(text: string, { insecure }: { insecure: boolean }): Result<URL, TransportRefusal> {
  if (!URL.canParse(text)) return err(invalid(text, "it is not an address"));
  const url = new URL(text);
  if (!["http:", "https:", "ws:", "wss:"].includes(url.protocol)) return err(invalid(text, "it must be https or http"));
  if (url.username !== "" || url.password !== "") return err(invalid(url.origin, "it must not carry a password"));
  const encrypted = url.protocol === "https:" || url.protocol === "wss:";
  if (encrypted || insecure || isNearby(url.hostname)) return ok(url);
  return err({
    code: "coordinator_url_insecure",
    message: `${url.origin} is not encrypted, and ${url.hostname} is not a loopback or private address`,
    hint: `use ${url.protocol === "ws:" ? "wss" : "https"}, or the coordinator's private IP address; --insecure takes the risk`,
  });
}

const invalid = (address: string, why: string): TransportRefusal => ({
  code: "coordinator_url_invalid",
  message: `coordinator address ${JSON.stringify(address)}: ${why}`,
  hint: "give it as https://host[:port]",
});

/** `hostname` as `URL` spells it: lower case, IPv4 in four decimals, IPv6 in brackets and shortened. */
function isNearby(hostname: string): boolean {
  if (hostname === "localhost" || hostname === "localhost.") return true;
  if (isIPv4(hostname)) return isNearbyV4(hostname);
  const v6 = hostname.startsWith("[") && hostname.endsWith("]") ? hostname.slice(1, -1) : "";
  return isIPv6(v6) && isNearbyV6(v6);
}

function isNearbyV4(address: string): boolean {
  const [a = 0, b = 0] = address.split(".").map(Number);
  if (a === 127 || a === 10) return true;
  return (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168) || (a === 169 && b === 254);
}

function isNearbyV6(address: string): boolean {
  if (address === "::1") return true;
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (mapped) return isNearbyV4(fromGroups(mapped[1] ?? "", mapped[2] ?? ""));
  const first = Number.parseInt(address.split(":")[0] || "0", 16);
  const uniqueLocal = (first & 0xfe00) === 0xfc00;
  const linkLocal = (first & 0xffc0) === 0xfe80;
  return uniqueLocal || linkLocal;
}

function fromGroups(high: string, low: string): string {
  const [h, l] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [h >> 8, h & 255, l >> 8, l & 255].join(".");
}
