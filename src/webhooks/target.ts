// Target: where a webhook may go. Its address is a stranger's word, and this process may reach what strangers may not:
// the machine itself, its private networks, a cloud's metadata. So an address is judged as it is written, and again as the
// name resolves, and the connection goes to what was judged (post.ts).
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { err, ok, type Result } from "../lib/result.ts";

export type TargetRule = {
  /** `[webhooks] allow_private`: http, and addresses of private networks and of this machine, too. */
  allowPrivate: boolean;
};

const MAX_URL_CHARS = 2048;
/** Ports below this belong to the system's services: mail, databases, remote shells. */
const FIRST_FREE_PORT = 1024;
const ALLOWED_PORTS = [443, 8443];

/** The parsed address, as far as it can be judged without resolving its name. The error is a clause: "must …". */
export function checkWebhookUrl(text: string, rule: TargetRule): Result<URL, string> {
  if (text.length > MAX_URL_CHARS) return err(`must have at most ${MAX_URL_CHARS} characters`);
  const url = URL.parse(text);
  if (url === null) return err("must be an address such as https://example.com/hook");
  const protocols = rule.allowPrivate ? ["https:", "http:"] : ["https:"];
  if (!protocols.includes(url.protocol)) return err("must begin with https://");
  if (url.username !== "" || url.password !== "") return err("must not carry a password");
  const port = portOf(url);
  const usual = ALLOWED_PORTS.includes(port) || (rule.allowPrivate && port === 80);
  if (port < FIRST_FREE_PORT && !usual) return err(`must not name port ${port}`);
  const host = hostOf(url);
  if (isIP(host) !== 0 && !isAllowedAddress(host, rule)) return err("must not be an address that is not public");
  const isHere = /^(.+\.)?localhost\.?$/.test(host);
  if (isHere && !rule.allowPrivate) return err("must not be this machine");
  return ok(url);
}

export const portOf = (url: URL): number => Number(url.port) || (url.protocol === "https:" ? 443 : 80);
/** The name or address without an IPv6 address's brackets. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, "$1");

/** Ranges (as ipaddr.js names them) that `allowPrivate` opens. */
const PRIVATE_RANGES = ["loopback", "private", "uniqueLocal", "carrierGradeNat"];
/**
 * Metadata services, which hand a cloud's credentials to whoever asks from the machine; nothing opens them. Most are in
 * `linkLocal`; the others: Azure's wire server, a public address, Alibaba's, and in IPv6 Amazon's and Google's.
 */
const METADATA = ["168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"];
/** RFC 4291 §2.4, RFC 3587: all that is global unicast so far. What the ranges do not name lies outside of it. */
const GLOBAL_V6 = ipaddr.IPv6.parseCIDR("2000::/3");

/**
 * Whether a connection may go to this IP address. Only what is globally reachable unicast; so neither private, loopback,
 * link-local, shared (100.64/10), multicast and reserved ranges, nor IPv4 in IPv6 in any form (mapped, NAT64, 6to4,
 * Teredo), which leads wherever the embedded address does.
 */
export function isAllowedAddress(address: string, { allowPrivate }: TargetRule): boolean {
  // ipaddr.js reads "1.2.3" and "0x7f.1" too, which resolvers may read otherwise.
  if (isIP(address) === 0) return false;
  const parsed = ipaddr.parse(address);
  const range = parsed.range();
  if (METADATA.includes(parsed.toString())) return false;
  if (allowPrivate && PRIVATE_RANGES.includes(range)) return true;
  if (range !== "unicast") return false;
  return !(parsed instanceof ipaddr.IPv6) || parsed.match(GLOBAL_V6);
}
