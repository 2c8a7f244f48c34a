// Node link: the WebSocket upgrade of `GET /api/v1/node/link`, and the coordinator's end of the socket.
import type { Server, ServerWebSocket, WebSocketHandler } from "bun";
import { LINK_SUBPROTOCOL, MAX_NODE_MESSAGE_BYTES } from "../protocol/frames.ts";
import { CLOSE_PROTOCOL, type Transport, type TransportEvents } from "../protocol/transport.ts";
import type { LinkCaller, Links } from "../registry/links.ts";

/** More than `links.ts` lets wait for a node, so that this end is met only by what one turn adds to it. */
const MAX_WAITING_BYTES = 128 * 1024 * 1024;

/** What a socket carries: who upgraded it, and where its events go once it is open. */
export type LinkSocket = { caller: LinkCaller; events: TransportEvents | null };

/** Answers an upgrade whose signature was verified. Undefined: the socket is taken over. */
export function upgradeLink(request: Request, server: Server<LinkSocket>, caller: LinkCaller): Response | undefined {
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
  if (!offered.includes(LINK_SUBPROTOCOL)) {
    return Response.json(
      { error: `the link speaks the subprotocol ${LINK_SUBPROTOCOL}`, code: "subprotocol_unsupported" },
      { status: 400 },
    );
  }
  const data: LinkSocket = { caller, events: null };
  if (server.upgrade(request, { data, headers: { "sec-websocket-protocol": LINK_SUBPROTOCOL } })) return undefined;
  return Response.json({ error: "this address speaks WebSocket", code: "upgrade_required" }, { status: 426 });
}

/** Handlers for Bun's server: each socket becomes one link. */
export function linkSockets(
  links: Pick<Links, "accept">,
  maxWaitingBytes = MAX_WAITING_BYTES,
): WebSocketHandler<LinkSocket> {
  return {
    perMessageDeflate: false,
    maxPayloadLength: MAX_NODE_MESSAGE_BYTES,
    // Bun would drop single messages beyond 16 MiB and say nothing: a node that misses one has to dial again instead.
    backpressureLimit: maxWaitingBytes,
    closeOnBackpressureLimit: true,
    // Nodes send a heartbeat every 30 s.
    idleTimeout: 120,
    sendPings: true,
    open(socket) {
      links.accept(socket.data.caller, (events) => {
        socket.data.events = events;
        return transportOf(socket);
      });
    },
    message(socket, message) {
      if (typeof message === "string") socket.data.events?.message(message);
      else socket.close(CLOSE_PROTOCOL, "frames are text");
    },
    close(socket, code, reason) {
      socket.data.events?.closed(code, reason);
    },
  };
}

const transportOf = (socket: ServerWebSocket<LinkSocket>): Transport => ({
  send: (text) => void socket.send(text),
  bufferedBytes: () => socket.getBufferedAmount(),
  close: (code, reason) => socket.close(code, reason.slice(0, 120)),
});
