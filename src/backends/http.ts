// HTTP: what the adapters share of talking to a server: one request, its body read piece by piece, and waiting that
// ends when the signal aborts.
import { readText } from "../lib/read-text.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { BackendError } from "./backend.ts";
import { errorFromStatus, errorFromThrow } from "./http-errors.ts";

/** Just what the adapters use of fetch, so that a test can give its own. */
export type Fetch = (url: string, init: BunFetchRequestInit) => Promise<Response>;

/** How much of an error's or a listing's body is read. */
export const MAX_ERROR_BYTES = 64 * 1024;
export const MAX_JSON_BYTES = 32 * 1024 * 1024;

export type Endpoint = { fetch: Fetch; base: string; headers: Record<string, string> };

/** Splits a configured address into base (no trailing slash, no credentials) and the headers that authorise. */
export function endpoint(fetch: Fetch, url: string, apiKey: string | null): Endpoint {
  const parsed = new URL(url);
  const headers: Record<string, string> = {};
  if (apiKey !== null && apiKey !== "") headers.authorization = `Bearer ${apiKey}`;
  else if (parsed.username !== "") {
    const pair = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`;
    headers.authorization = `Basic ${Buffer.from(pair).toString("base64")}`;
  }
  return { fetch, base: `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}`, headers };
}

/** What a request is beside its path. */
export type Sent = {
  /** JSON text; null or left out for none. */
  body?: string | null;
  /** Left out: POST with a body, else GET. */
  method?: "GET" | "POST" | "DELETE";
  /** Doing it twice would do more: it has a connection of its own and is never sent again. So is every DELETE. */
  once?: boolean;
};

/**
 * Sends a request and gives its answer, whatever its status. Bun's own idle limit is off: callers bound the time by
 * `signal`. A server may close a connection just when it is used again (llama.cpp's after 100 requests, others after
 * seconds without any): what was lost so, before any answer, is sent again over a new one.
 */
export async function send(
  { fetch, base, headers }: Endpoint,
  path: string,
  { body = null, method = body === null ? "GET" : "POST", once = method === "DELETE" }: Sent,
  signal: AbortSignal,
): Promise<Result<Response, BackendError>> {
  if (signal.aborted) return err({ code: "aborted", message: "aborted" } as const);
  const init: BunFetchRequestInit = {
    method,
    headers: body === null ? headers : { "content-type": "application/json", ...headers },
    body,
    signal,
    redirect: "manual",
    timeout: false,
    // Bun too sends again what a connection of its pool lost.
    ...(once ? { keepalive: false } : {}),
  };
  try {
    return ok(await fetch(base + path, init));
  } catch (thrown) {
    if (once || signal.aborted || !isReset(thrown)) return err(errorFromThrow(thrown, signal));
  }
  try {
    return ok(await fetch(base + path, { ...init, keepalive: false }));
  } catch (thrown) {
    return err(errorFromThrow(thrown, signal));
  }
}

const RESETS = new Set<unknown>(["ECONNRESET", "EPIPE", "ConnectionClosed"]);
const isReset = (thrown: unknown): boolean => thrown instanceof Error && "code" in thrown && RESETS.has(thrown.code);

/** Sends a request; anything but 2xx is an error. */
export async function request(
  server: Endpoint,
  path: string,
  body: string | null,
  signal: AbortSignal,
  how: Omit<Sent, "body"> = {},
): Promise<Result<Response, BackendError>> {
  const sent = await send(server, path, { body, ...how }, signal);
  if (!sent.ok || sent.value.ok) return sent;
  const response = sent.value;
  try {
    const text = await readText(response, MAX_ERROR_BYTES);
    return err(errorFromStatus(response.status, text, response.headers.get("retry-after")));
  } catch (thrown) {
    return err(errorFromThrow(thrown, signal));
  }
}

/** GETs (or, with a body, POSTs) and parses JSON. */
export async function requestJson(
  server: Endpoint,
  path: string,
  body: string | null,
  signal: AbortSignal,
): Promise<Result<unknown, BackendError>> {
  const response = await request(server, path, body, signal);
  if (!response.ok) return response;
  try {
    return ok(JSON.parse(await readText(response.value, MAX_JSON_BYTES)));
  } catch (thrown) {
    return err(errorFromThrow(thrown, signal));
  }
}

/** GETs a page of text, cut at `maxBytes`. */
export async function requestText(
  server: Endpoint,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Result<string, BackendError>> {
  const response = await request(server, path, null, signal);
  if (!response.ok) return response;
  try {
    return ok(await readText(response.value, maxBytes));
  } catch (thrown) {
    return err(errorFromThrow(thrown, signal));
  }
}

/** Resolves when `work` does or, at once, when `signal` aborts. */
export async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const aborted = Promise.withResolvers<void>();
  const onAbort = () => aborted.resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/**
 * Feeds every piece of the body to `take` as text, whole UTF-8 characters only; what `take` returns is awaited before
 * more is read. Ends with the body, when `take` returns "enough", or when `signal` aborts.
 */
export async function readPieces(
  response: Response,
  signal: AbortSignal,
  take: (text: string) => Promise<void> | undefined | "enough",
): Promise<void> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const decoder = new TextDecoder();
  try {
    while (!signal.aborted) {
      const { done, value } = await reader.read();
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      const waits = text === "" ? undefined : take(text);
      if (waits === "enough") {
        // Usually the body ends right here; reading its end lets the connection be used again.
        if (!done) void releaseAtEnd(reader);
        return;
      }
      if (waits !== undefined) await orAborted(waits, signal);
      if (done) return;
    }
    void reader.cancel().catch(ignoreLate);
  } catch (thrown) {
    void reader.cancel().catch(ignoreLate);
    throw thrown;
  }
}

/** What goes wrong with a connection after its answer is complete concerns nobody. */
const ignoreLate = (): void => undefined;

const END_WAIT_MS = 1000;

async function releaseAtEnd(reader: { read(): Promise<{ done: boolean }>; cancel(): Promise<void> }): Promise<void> {
  const timer = setTimeout(() => void reader.cancel().catch(ignoreLate), END_WAIT_MS);
  timer.unref();
  try {
    while (!(await reader.read()).done);
  } catch {
    ignoreLate();
  } finally {
    clearTimeout(timer);
  }
}
