// Scripted server: a stand-in for an inference server in tests, for the dialects and faults that a real engine cannot
// be made to show. A real HTTP server on a free port of 127.0.0.1; only what it answers is scripted.

export type Seen = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: Record<string, unknown> | null;
};
export type Route = (seen: Seen, signal: AbortSignal) => Response | Promise<Response>;

export type ScriptedServer = { url: string; seen: Seen[]; stop(): Promise<void> };

/** Routes by "METHOD /path"; "*" for what no other takes, else 404 with no body. */
export function scriptedServer(routes: Record<string, Route>): ScriptedServer {
  const seen: Seen[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const { pathname: path, searchParams: query } = new URL(request.url);
      const text = await request.text();
      const body = text === "" ? null : (JSON.parse(text) as Record<string, unknown>);
      const entry: Seen = { method: request.method, path, query, headers: request.headers, body };
      seen.push(entry);
      const route = routes[`${request.method} ${path}`] ?? routes["*"];
      return route === undefined ? new Response(null, { status: 404 }) : await route(entry, request.signal);
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, seen, stop: async () => await server.stop(true) };
}

/** A streamed body: each piece is written and flushed alone, the next turn of the event loop brings the next one. */
export function streamed(pieces: (string | Uint8Array)[], contentType = "text/event-stream"): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const piece of pieces) {
        controller.enqueue(typeof piece === "string" ? encoder.encode(piece) : piece);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": contentType } });
}

/** A streamed body that stays open after its pieces; `gone` resolves when the client closes the connection. */
export function endless(
  pieces: string[],
  contentType = "text/event-stream",
): { response: Response; gone: Promise<void> } {
  const gone = Promise.withResolvers<void>();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(encoder.encode(piece));
    },
    cancel: () => gone.resolve(),
  });
  return { response: new Response(body, { headers: { "content-type": contentType } }), gone: gone.promise };
}

/** A TCP server that answers every request with these bytes and then cuts the connection. */
export function cuttingServer(answer: string): { url: string; stop(): void } {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        socket.write(answer);
        socket.flush();
        socket.terminate();
      },
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}
