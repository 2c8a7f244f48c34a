// The Host check: a request whose Host header is a name that nobody configured is refused (421), since a web page can
// point a name of its own at this machine (DNS rebinding) and read what is here. IP addresses and `localhost` cannot be
// pointed anywhere, so they are always fine.
import { isIPv4, isIPv6 } from "node:net";
import { refuse } from "./refusals.ts";

export type HostRule = {
  /** Names from the configuration; a port in one is ignored. */
  allowedHosts: readonly string[];
  /** The address clients use, where one is configured. */
  publicUrl: string | null;
};

/** Spellings of good Host headers that are remembered. */
const MAX_KEPT = 64;

/** The test for one configuration. Ports, case and one trailing dot do not matter; a missing Host is refused. */
export function hostRule({ allowedHosts, publicUrl }: HostRule): (hostHeader: string | null) => boolean {
  const names = new Set<string>();
  for (const host of allowedHosts) addName(names, `http://${host}`);
  if (publicUrl !== null) addName(names, publicUrl);
  const judge = (hostHeader: string | null): boolean => {
    const host = hostOf(hostHeader);
    return host !== null && (host === "localhost" || isAddress(host) || names.has(host));
  };
  // A server hears the same few spellings of its own name all day; strangers' spellings are not kept.
  const fine = new Set<string>();
  return (hostHeader) => {
    if (hostHeader !== null && fine.has(hostHeader)) return true;
    const allowed = judge(hostHeader);
    if (allowed && hostHeader !== null && fine.size < MAX_KEPT) fine.add(hostHeader);
    return allowed;
  };
}

/** 421 Misdirected Request (RFC 9110 §15.5.20). */
export const misdirected = (path: string): Response =>
  refuse(
    path,
    "host_not_allowed",
    "this instance does not answer to that Host; add the name to [server] allowed_hosts",
  );

function addName(names: Set<string>, url: string): void {
  if (!URL.canParse(url)) return;
  names.add(new URL(url).hostname.replace(/\.$/, ""));
}

/** `uri-host [":" port]` (RFC 9110 §7.2) without the port, in lower case; null where it is not that. */
function hostOf(header: string | null): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{0,5})?$/.exec((header ?? "").toLowerCase());
  const host = match?.[1];
  if (host === undefined) return null;
  return host.startsWith("[") ? host : host.replace(/\.$/, "");
}

const isAddress = (host: string): boolean => (host.startsWith("[") ? isIPv6(host.slice(1, -1)) : isIPv4(host));
