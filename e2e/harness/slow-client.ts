// Slow client: one HTTP request over a bare socket, so that a test decides when bytes are read. An HTTP library would read
// ahead into memory, and the other side would never notice that nobody takes the answer.
import { connect, type Socket } from "node:net";
import { within } from "./wait-for.ts";

export type SlowClient = {
  /** Bytes taken off the socket so far. */
  received(): number;
  /** Stops reading: what comes stays in the kernel, until its buffers are full. */
  pause(): void;
  resume(): void;
  /** The answer's body once the server has closed the connection, chunks joined (RFC 9112 §7.1). */
  body(): Promise<string>;
  close(): void;
};

/**
 * Sends a GET, or with a body a POST, with `Connection: close`. Resolves when the first bytes of the answer are there, and
 * reads no further.
 */
export async function slowRequest(url: string, headers: Record<string, string>, body?: object): Promise<SlowClient> {
  const { hostname, port, pathname, host } = new URL(url);
  const payload = Buffer.from(body === undefined ? "" : JSON.stringify(body));
  const pieces: Buffer[] = [];
  let bytes = 0;
  const first = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const socket: Socket = connect({ host: hostname, port: Number(port) });
  socket.on("data", (piece: Buffer) => {
    if (bytes === 0) {
      socket.pause();
      first.resolve();
    }
    pieces.push(piece);
    bytes += piece.length;
  });
  socket.on("error", (error) => {
    first.reject(error);
    ended.reject(error);
  });
  socket.on("close", () => ended.resolve());
  ended.promise.catch(() => undefined); // told by body(), where somebody asks for it
  const fields = {
    host,
    connection: "close",
    "content-type": "application/json",
    "content-length": `${payload.length}`,
    ...headers,
  };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`${body === undefined ? "GET" : "POST"} ${pathname} HTTP/1.1\r\n${head.join("")}\r\n`);
  if (payload.length > 0) socket.write(payload);
  await within("the answer to begin", first.promise);
  return {
    received: () => bytes,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    async body() {
      await within("the end of the answer", ended.promise);
      return unchunked(Buffer.concat(pieces));
    },
    close: () => socket.destroy(),
  };
}

function unchunked(answer: Buffer): string {
  const bodyStart = answer.indexOf("\r\n\r\n") + 4;
  const head = answer.subarray(0, bodyStart).toString("latin1").toLowerCase();
  if (!head.includes("transfer-encoding: chunked")) return answer.subarray(bodyStart).toString("utf8");
  const parts: Buffer[] = [];
  for (let at = bodyStart; ; ) {
    const lineEnd = answer.indexOf("\r\n", at);
    if (lineEnd < 0) throw new Error(`the answer breaks off ${answer.length - at} bytes into a chunk's head`);
    const size = Number.parseInt(answer.subarray(at, lineEnd).toString("latin1"), 16);
    if (size === 0) return Buffer.concat(parts).toString("utf8");
    parts.push(answer.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}
