// Cuttable proxy: a TCP relay between a node and its coordinator, so that a test can break the link while both live on.
import type { Socket, TCPSocketListener } from "bun";

export type CuttableProxy = {
  url: string;
  /** Links that were relayed so far. */
  links(): number;
  /** Breaks all connections there are; new ones are refused until `mend()`. */
  cut(): void;
  mend(): void;
  close(): void;
};

type Side = { other: Socket<Side> | null; waiting: Uint8Array[] };

export function startCuttableProxy(targetUrl: string): CuttableProxy {
  const target = new URL(targetUrl);
  const open = new Set<Socket<Side>>();
  let whole = true;
  let links = 0;
  /** What the other side does not take at once waits here: links are small in these tests. */
  const pass = (to: Socket<Side> | null, from: Side, bytes: Uint8Array) => {
    if (!to || from.waiting.length > 0) return void from.waiting.push(bytes);
    const taken = to.write(bytes);
    if (taken < bytes.length) from.waiting.push(bytes.slice(Math.max(0, taken)));
  };
  const push = (side: Side) => {
    const waiting = side.waiting.splice(0);
    for (const bytes of waiting) pass(side.other, side, bytes);
  };
  const common = {
    data: (socket: Socket<Side>, bytes: Uint8Array) => pass(socket.data.other, socket.data, new Uint8Array(bytes)),
    drain(socket: Socket<Side>) {
      if (socket.data.other) push(socket.data.other.data);
    },
    close(socket: Socket<Side>) {
      open.delete(socket);
      socket.data.other?.end();
    },
    error: () => undefined,
  };
  const listener: TCPSocketListener<Side> = Bun.listen<Side>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...common,
      open(socket) {
        socket.data = { other: null, waiting: [] };
        if (!whole) return void socket.terminate();
        links++;
        open.add(socket);
        Bun.connect<Side>({
          hostname: target.hostname,
          port: Number(target.port),
          data: { other: socket, waiting: [] },
          socket: { ...common, open: (upstream) => void open.add(upstream) },
        }).then(
          (upstream) => {
            socket.data.other = upstream;
            push(socket.data);
          },
          () => socket.terminate(),
        );
      },
    },
  });
  const cut = () => {
    whole = false;
    for (const socket of [...open]) socket.terminate();
  };
  return {
    url: `http://127.0.0.1:${listener.port}`,
    links: () => links,
    cut,
    mend() {
      whole = true;
    },
    close() {
      cut();
      listener.stop(true);
    },
  };
}
