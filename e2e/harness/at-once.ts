// At once: many chats in the same instant, each on a connection of its own that is open already. An HTTP library would
// hold most of them back.
import { connect, type Socket } from "node:net";
import { within } from "./wait-for.ts";

export type Answered = { status: number; code: string | null };

/** Asks `count` times, spread over the `urls` in turn, and reads every answer to its end. */
export async function askAtOnce(urls: string[], key: string, body: object, count: number): Promise<Answered[]> {
  const asking = Array.from({ length: count }, (_, n) => opened(urls[n % urls.length] ?? ""));
  const sockets = await within("all connections to be open", Promise.all(asking));
  return within("every answer", Promise.all(sockets.map((socket) => ask(socket, key, body))));
}

type Open = { socket: Socket; host: string };

async function opened(address: string): Promise<Open> {
  const { hostname, port, host } = new URL(address);
  const socket = connect({ host: hostname, port: Number(port) });
  const open = Promise.withResolvers<void>();
  socket.once("connect", () => open.resolve());
  socket.once("error", open.reject);
  await open.promise;
  return { socket, host };
}

async function ask({ socket, host }: Open, key: string, body: object): Promise<Answered> {
  const ended = Promise.withResolvers<void>();
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  socket.on("error", ended.reject);
  socket.on("close", () => ended.resolve());
  const payload = JSON.stringify(body);
  const head = [
    "POST /v1/chat/completions HTTP/1.1",
    `host: ${host}`,
    "connection: close",
    `authorization: Bearer ${key}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(payload)}`,
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n${payload}`);
  await ended.promise;
  const text = Buffer.concat(pieces).toString();
  const status = Number(text.match(/^HTTP\/1\.1 (\d{3})/)?.[1] ?? 0);
  return { status, code: text.match(/"code":"([^"]*)"/)?.[1] ?? null };
}
