// Dial a coordinator over a WebSocket. The upgrade request is signed (X-Infernet-Auth v2) at every dial.
import { z } from "zod";
import { readText } from "../lib/read-text.ts";
import { LINK_SUBPROTOCOL } from "../protocol/frames.ts";
import { CLOSE_GOING_AWAY, CLOSE_REFUSED, type Dial } from "../protocol/transport.ts";

/** Bun's WebSocket takes headers; the types at hand know only the standard one. */
const SocketWithHeaders = WebSocket as unknown as new (
  url: string,
  options: { protocols: string[]; headers: Record<string, string> },
) => WebSocket;

/** Path of the link under a coordinator's address. */
export const LINK_PATH = "/api/v1/node/link";

/** How long the coordinator may take to say why it refused an upgrade. */
const REFUSAL_TIMEOUT_MS = 5000;
const MAX_REFUSAL_BYTES = 64 * 1024;
const refusalSchema = z.object({ code: z.string().max(64), error: z.string().max(1024) });

/** `authHeader` makes a fresh header value for a GET of the given path. */
export function dialWebSocket(coordinatorUrl: string, authHeader: (path: string) => string): Dial {
  const url = new URL(coordinatorUrl);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.pathname = url.pathname.replace(/\/$/, "") + LINK_PATH;
  return (events) => {
    const socket = new SocketWithHeaders(url.href, {
      protocols: [LINK_SUBPROTOCOL],
      headers: { "x-infernet-auth": authHeader(url.pathname) },
    });
    let waiting: string[] = [];
    let opened = false;
    let closing = false;
    socket.onopen = () => {
      opened = true;
      for (const text of waiting) socket.send(text);
      waiting = [];
    };
    socket.onmessage = (event) => {
      if (typeof event.data === "string") events.message(event.data);
    };
    socket.onerror = () => {
      // Every error is followed by a close, which says more.
    };
    socket.onclose = (event) => {
      if (opened || closing) events.closed(event.code, event.reason || "no connection");
      else {
        void whyRefused(url, authHeader(url.pathname)).then((refusal) =>
          events.closed(refusal.refused ? CLOSE_REFUSED : event.code, refusal.reason),
        );
      }
    };
    return {
      send(text) {
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
        else if (socket.readyState === WebSocket.CONNECTING) waiting.push(text);
      },
      bufferedBytes: () => socket.bufferedAmount,
      close(code, reason) {
        closing = true;
        // Only these codes may be sent by a client (RFC 6455 §7.4.2, WHATWG WebSockets).
        socket.close(code === CLOSE_GOING_AWAY || code < 3000 ? 1000 : code, reason.slice(0, 120));
      },
    };
  };
}

/**
 * Why an upgrade was refused. A WebSocket does not tell, so the upgrade is signed and asked for once more as plain HTTP:
 * a wrong clock, a wrong key or an ejection is then said in the coordinator's own words. Never throws.
 */
async function whyRefused(linkUrl: URL, authHeader: string): Promise<{ refused: boolean; reason: string }> {
  const url = new URL(linkUrl.href);
  url.protocol = linkUrl.protocol === "wss:" ? "https:" : "http:";
  try {
    const response = await fetch(url, {
      // An upgrade that names no subprotocol: verified like any other, and never taken.
      headers: { "x-infernet-auth": authHeader, upgrade: "websocket" },
      redirect: "manual",
      signal: AbortSignal.timeout(REFUSAL_TIMEOUT_MS),
    });
    const refusal = refusalSchema.safeParse(JSON.parse(await readText(response, MAX_REFUSAL_BYTES)));
    // The signature is good: what stood in the way has gone meanwhile.
    if (response.status !== 401 && response.status !== 403) {
      return { refused: false, reason: `no connection (status ${response.status})` };
    }
    if (refusal.success) return { refused: true, reason: `${refusal.data.code}: ${refusal.data.error}` };
    return { refused: true, reason: `refused with status ${response.status}` };
  } catch {
    return { refused: false, reason: "no connection" };
  }
}
