// Dial a coordinator over a WebSocket. The upgrade request is signed (X-Infernet-Auth v2) at every dial.
import { LINK_SUBPROTOCOL } from "../protocol/frames.ts";
import { CLOSE_GOING_AWAY, type Dial } from "../protocol/transport.ts";

/** Bun's WebSocket takes headers; the types at hand know only the standard one. */
const SocketWithHeaders = WebSocket as unknown as new (
  url: string,
  options: { protocols: string[]; headers: Record<string, string> },
) => WebSocket;

/** Path of the link under a coordinator's address. */
export const LINK_PATH = "/api/v1/node/link";

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
    socket.onopen = () => {
      for (const text of waiting) socket.send(text);
      waiting = [];
    };
    socket.onmessage = (event) => {
      if (typeof event.data === "string") events.message(event.data);
    };
    socket.onerror = () => {
      // Every error is followed by a close, which says more.
    };
    socket.onclose = (event) => events.closed(event.code, event.reason || "no connection");
    return {
      send(text) {
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
        else if (socket.readyState === WebSocket.CONNECTING) waiting.push(text);
      },
      bufferedBytes: () => socket.bufferedAmount,
      close(code, reason) {
        // Only these codes may be sent by a client (RFC 6455 §7.4.2, WHATWG WebSockets).
        socket.close(code === CLOSE_GOING_AWAY || code < 3000 ? 1000 : code, reason.slice(0, 120));
      },
    };
  };
}
