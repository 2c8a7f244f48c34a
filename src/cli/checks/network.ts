// Network checks: the running instance, the coordinators a node dials, and the clock against theirs.
import type { Config } from "../../config.ts";
import { checkCoordinatorUrl } from "../../identity/transport-rule.ts";
import { decodeJoinToken } from "../../protocol/join-token.ts";
import type { Context } from "../context.ts";
import { runningOwner } from "../instance.ts";
import { bad, type Check, good, skipped, warning } from "./check.ts";

/** Signed requests are refused beyond this. */
const MAX_SKEW_S = 60;
const NOTABLE_SKEW_S = 10;
const TIMEOUT_MS = 5_000;

/** Whether something runs here and answers. */
export async function checkInstance({ fetch }: Pick<Context, "fetch">, config: Config): Promise<Check> {
  const name = "instance";
  const owner = runningOwner(config);
  if (!owner) return skipped(name, "infernet is not running here");
  if (owner.url === null)
    return warning(name, `pid ${owner.pid} (${owner.mode}) does not answer yet`, "wait, then see `infernet logs`");
  const mend = "see `infernet logs`; `infernet restart` starts it anew";
  try {
    const response = await fetch(`${owner.url}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) return good(name, `pid ${owner.pid} answers at ${owner.url}`);
    return bad(name, `${owner.url}/readyz says ${response.status}: ${(await response.text()).slice(0, 200)}`, mend);
  } catch {
    return bad(name, `pid ${owner.pid} runs, but ${owner.url} does not answer`, mend);
  }
}

/** Two for each coordinator that this node dials: reachable, and the clock. */
export async function checkCoordinators(context: Pick<Context, "fetch" | "nowMs">, { node }: Config): Promise<Check[]> {
  const all = await Promise.all(coordinatorUrls(node).map((url) => checkCoordinator(context, url, node.insecure)));
  return all.flat();
}

/** The configured ones, and that of the join token where it is not among them, as a node dials them. */
function coordinatorUrls({ coordinators, join_token: joinToken }: Config["node"]): string[] {
  const token = joinToken === null ? null : decodeJoinToken(joinToken);
  const urls = coordinators.map(({ url }) => url);
  if (!token?.ok || coordinators.some(({ pubkey }) => pubkey === token.value.coordinator)) return urls;
  return [...urls, token.value.url];
}

async function checkCoordinator(
  { fetch, nowMs }: Pick<Context, "fetch" | "nowMs">,
  url: string,
  insecure: boolean,
): Promise<Check[]> {
  const name = `coordinator ${url}`;
  const allowed = checkCoordinatorUrl(url, { insecure });
  if (!allowed.ok) return [bad(name, allowed.error.message, allowed.error.hint)];
  try {
    const askedMs = nowMs();
    const response = await fetch(`${url.replace(/\/+$/, "")}/healthz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const answeredMs = nowMs();
    await response.body?.cancel();
    const clock = clockCheck(response.headers.get("date"), (askedMs + answeredMs) / 2);
    if (response.ok) return [good(name, `answers in ${answeredMs - askedMs} ms`), clock];
    return [bad(name, `/healthz says ${response.status}`, "is that a coordinator's address?"), clock];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [bad(name, `does not answer: ${why}`, "look at the address, the network between, and whether it runs")];
  }
}

/** The clock here against a `Date` header (RFC 9110 §6.6.1), whose resolution is a second. */
export function clockCheck(header: string | null, nowMs: number): Check {
  const thereMs = header === null ? Number.NaN : Date.parse(header);
  if (Number.isNaN(thereMs)) return skipped("clock", "the coordinator tells no time");
  const skewS = Math.round(Math.abs(nowMs - (thereMs + 500)) / 1000);
  const text =
    skewS === 0
      ? "agrees with the coordinator's"
      : `${skewS} s ${nowMs > thereMs ? "ahead of" : "behind"} the coordinator's`;
  const mend = "set the clock by NTP, e.g. `timedatectl set-ntp true`";
  if (skewS > MAX_SKEW_S) return bad("clock", `${text}: signed requests are refused beyond ${MAX_SKEW_S} s`, mend);
  return skewS > NOTABLE_SKEW_S ? warning("clock", text, mend) : good("clock", text);
}
