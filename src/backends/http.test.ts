import { afterEach, describe, expect, test } from "bun:test";
import { endpoint, request, send } from "./http.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Answers one request on each connection, and breaks it at the next; `seen` counts requests, `connections` openings. */
function forgetful(answers: (nth: number) => boolean = () => true) {
  const state = { seen: 0, connections: 0, url: "" };
  const server = Bun.listen<{ requests: number }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        state.connections++;
        socket.data = { requests: 0 };
      },
      data(socket) {
        state.seen++;
        if (socket.data.requests++ > 0 || !answers(state.seen)) {
          socket.terminate();
          return;
        }
        socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
      },
    },
  });
  cleanups.push(() => server.stop(true));
  state.url = `http://127.0.0.1:${server.port}`;
  return { server: endpoint(fetch, state.url, null), state };
}
const signal = () => AbortSignal.timeout(10_000);

describe("a connection that the server closes as it is used again", () => {
  test("costs no request: it is sent again over a new one", async () => {
    const { server, state } = forgetful();
    for (let i = 0; i < 6; i++) {
      const answer = await request(server, "/x", "{}", signal());
      expect(answer.ok && (await answer.value.text())).toBe("{}");
    }
    expect(state.connections).toBeGreaterThan(3);
  });

  test("a server that breaks every connection is unreachable, and is asked no more than twice", async () => {
    const { server, state } = forgetful(() => false);
    expect(await request(server, "/x", "{}", signal())).toMatchObject({ error: { code: "backend_unreachable" } });
    expect(state.seen).toBe(2);
  });

  test("what would do more done twice is sent once", async () => {
    for (const how of [{ body: "{}", once: true }, { method: "DELETE" }] as const) {
      const { server, state } = forgetful((nth) => nth === 1);
      const first = await send(server, "/x", how, signal());
      expect(first.ok && (await first.value.text())).toBe("{}");
      expect(await send(server, "/x", how, signal())).toMatchObject({ error: { code: "backend_unreachable" } });
      expect(state.seen).toBe(2);
    }
  });
});
