// hop2: the least infernet's shape can cost in Bun: coordinator (HTTP) -> WebSocket link -> node -> backend.
//   bun hop2.ts coordinator PORT     nodes join at ws://127.0.0.1:PORT/node
//   bun hop2.ts node PORT BACKEND
//   bun hop2.ts both PORT BACKEND    the coordinator, with the node as a child process: one tree to measure
// Frames are binary: u32 request id, u8 kind, payload. The node does not parse the SSE bytes; it passes on what each
// read gives. Nothing is authenticated, recorded, scheduled, validated or cancelled: that is the point.
const [role = "", portText = "", backend = ""] = process.argv.slice(2);
const port = Number(portText);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const REQUEST = 0;
const HEAD = 1;
const BODY = 2;
const END = 3;

function frame(id: number, kind: number, payload?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(5 + (payload?.length ?? 0));
  bytes[0] = id;
  bytes[1] = id >>> 8;
  bytes[2] = id >>> 16;
  bytes[3] = id >>> 24;
  bytes[4] = kind;
  if (payload) bytes.set(payload, 5);
  return bytes;
}
const idOf = (bytes: Uint8Array) =>
  ((bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8) | ((bytes[2] ?? 0) << 16) | ((bytes[3] ?? 0) << 24)) >>> 0;

function runNode(): void {
  const link = new WebSocket(`ws://127.0.0.1:${port}/node`);
  link.binaryType = "arraybuffer";
  link.onclose = () => process.exit(0);
  link.onmessage = async (event: MessageEvent<ArrayBuffer>) => {
    const bytes = new Uint8Array(event.data);
    const id = idOf(bytes);
    const reply = await fetch(`${backend}/v1/chat/completions`, {
      method: "POST",
      body: bytes.subarray(5),
      headers: { "content-type": "application/json" },
    });
    const contentType = reply.headers.get("content-type") ?? "";
    link.send(frame(id, HEAD, encoder.encode(`${reply.status} ${contentType}`)));
    if (contentType.startsWith("application/json"))
      link.send(frame(id, BODY, new Uint8Array(await reply.arrayBuffer())));
    else if (reply.body) for await (const piece of reply.body) link.send(frame(id, BODY, piece));
    link.send(frame(id, END));
  };
}

type Pending = {
  head: (line: string) => void;
  pieces: Uint8Array[];
  controller: ReadableStreamDirectController | null;
  ended: boolean;
  wake: (() => void) | null;
};

function streamOf(pending: Pending): ReadableStream {
  return new ReadableStream({
    type: "direct",
    async pull(controller) {
      for (const piece of pending.pieces) void controller.write(piece);
      pending.pieces = [];
      if (!pending.ended) {
        void controller.flush();
        pending.controller = controller;
        await new Promise<void>((resolve) => {
          pending.wake = resolve;
        });
      }
      void controller.close();
    },
  });
}

function runCoordinator(): void {
  const requests = new Map<number, Pending>();
  let node: Bun.ServerWebSocket<undefined> | null = null;
  let nextId = 1;

  async function chat(request: Request): Promise<Response> {
    const text = await request.text();
    const body = JSON.parse(text) as { model?: string; stream?: boolean };
    if (body.model !== "bench-model" || !request.headers.get("authorization") || !node)
      return new Response("no", { status: 400 });
    const id = nextId++;
    const { promise: head, resolve } = Promise.withResolvers<string>();
    const pending: Pending = { head: resolve, pieces: [], controller: null, ended: false, wake: null };
    requests.set(id, pending);
    node.send(frame(id, REQUEST, encoder.encode(text)));
    const line = await head;
    const headers = { "content-type": line.slice(4) };
    if (body.stream) return new Response(streamOf(pending), { headers });
    if (!pending.ended)
      await new Promise<void>((wake) => {
        pending.wake = wake;
      });
    const [only, ...more] = pending.pieces;
    const whole = only && more.length === 0 ? only : Buffer.concat(pending.pieces);
    return new Response(whole, { status: Number(line.slice(0, 3)), headers });
  }

  Bun.serve({
    port,
    hostname: "127.0.0.1",
    idleTimeout: 120,
    fetch(request, server) {
      if (request.method !== "GET") return chat(request);
      if (new URL(request.url).pathname === "/node")
        return server.upgrade(request) ? undefined : new Response("no", { status: 400 });
      return new Response(node ? "ok" : "no node", { status: node ? 200 : 503 });
    },
    websocket: {
      perMessageDeflate: false,
      maxPayloadLength: 64 << 20,
      open(socket) {
        node = socket;
      },
      close() {
        node = null;
      },
      message(_socket, message) {
        if (typeof message === "string") return;
        const id = idOf(message);
        const pending = requests.get(id);
        if (!pending) return;
        if (message[4] === HEAD) pending.head(decoder.decode(message.subarray(5)));
        else if (message[4] === BODY && pending.controller) {
          void pending.controller.write(message.subarray(5));
          void pending.controller.flush();
        } else if (message[4] === BODY) pending.pieces.push(message.slice(5));
        else {
          pending.ended = true;
          requests.delete(id);
          pending.wake?.();
        }
      },
    },
  });
}

if (role === "node") runNode();
else {
  runCoordinator();
  if (role === "both") {
    const command = [process.execPath, import.meta.path, "node", portText, backend];
    const node = Bun.spawn(command, { stdio: ["ignore", "inherit", "inherit"] });
    const stop = () => {
      node.kill();
      process.exit(0);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  }
}
