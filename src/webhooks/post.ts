// Post: one try to deliver. The name is resolved here, every address it has is judged, and the connection goes to a judged
// one: asked again, the name could have another address by then (DNS rebinding). node:http is used because it takes a
// `lookup`, follows no redirect and no proxy of the environment.
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { checkWebhookUrl, hostOf, isAllowedAddress, portOf, type TargetRule } from "./target.ts";

export type PostDeps = {
  clock: Pick<Clock, "after">;
  rule: TargetRule;
  /** All addresses of a name. Rejects where it has none. */
  resolve(hostname: string): Promise<string[]>;
  /** Certificates to trust instead of the system's: PEM. */
  ca?: string;
};

/** `status` is 0 where no answer came. */
export type PostError = { status: number; message: string };
export type Post = (
  url: string,
  headers: Record<string, string>,
  body: string,
  /** Number of the try, from 1: a name with several addresses is tried at one after another. */
  n: number,
  signal: AbortSignal,
) => Promise<Result<void, PostError>>;

/** From the first question to DNS to the answer's status. */
export const POST_TIMEOUT_MS = 10_000;

/** A 2xx answer is good; its body is not read. Anything else is not, redirects included. */
export function poster(deps: PostDeps): Post {
  return async (text, headers, body, n, signal) => {
    const url = checkWebhookUrl(text, deps.rule);
    if (!url.ok) return failed(`the address ${url.error}`);
    const limit = new AbortController();
    const late = Promise.withResolvers<Result<never, PostError>>();
    const stop = (message: string) => {
      late.resolve(failed(message));
      limit.abort();
    };
    const cancelTimer = deps.clock.after(POST_TIMEOUT_MS, () => stop(`no answer within ${POST_TIMEOUT_MS / 1000} s`));
    const onAbort = () => stop("this instance stops");
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await Promise.race([tryOnce(deps, url.value, headers, body, n, limit.signal), late.promise]);
    } finally {
      cancelTimer();
      signal.removeEventListener("abort", onAbort);
    }
  };
}

const failed = (message: string, status = 0): Result<never, PostError> => err({ status, message });

async function tryOnce(
  deps: PostDeps,
  url: URL,
  headers: Record<string, string>,
  body: string,
  n: number,
  signal: AbortSignal,
): Promise<Result<void, PostError>> {
  const address = await judgedAddress(deps, hostOf(url), n);
  if (!address.ok) return failed(address.error);
  if (signal.aborted) return failed("stopped");
  try {
    const status = await send(url, address.value, headers, body, signal, deps.ca);
    return status >= 200 && status < 300 ? ok(undefined) : failed(`the receiver answered ${status}`, status);
  } catch (error) {
    return failed(error instanceof Error ? error.message.slice(0, 200) : String(error));
  }
}

/** Where any address of a name is forbidden, all are: a public name has no reason to have one. */
async function judgedAddress({ resolve, rule }: PostDeps, host: string, n: number): Promise<Result<string, string>> {
  let addresses: string[];
  try {
    addresses = isIP(host) === 0 ? await resolve(host) : [host];
  } catch {
    addresses = []; // Not found, or no DNS: both are worth another try.
  }
  const address = addresses[(n - 1) % addresses.length];
  if (address === undefined) return err(`the name ${host} does not resolve`);
  // Which address it is would tell strangers about names inside.
  if (!addresses.every((one) => isAllowedAddress(one, rule)))
    return err(`the name ${host} leads to an address that is not public`);
  return ok(address);
}

function send(
  url: URL,
  address: string,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
  ca: string | undefined,
): Promise<number> {
  const family = isIP(address);
  const pinned: LookupFunction = (_hostname, { all }, done) =>
    all ? done(null, [{ address, family }]) : done(null, address, family);
  const options = {
    method: "POST",
    host: hostOf(url),
    port: portOf(url),
    path: url.pathname + url.search,
    headers: { ...headers, "content-length": Buffer.byteLength(body) },
    // A connection of its own: one kept from before could lead elsewhere.
    agent: false,
    lookup: pinned,
    signal,
    ...(ca === undefined ? {} : { ca }),
  } as const;
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? requestHttps : requestHttp)(options, (response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
      request.destroy();
    });
    request.on("error", reject);
    request.end(body);
  });
}
