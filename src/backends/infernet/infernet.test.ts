import { afterEach, describe, expect, test } from "bun:test";
import { pubkeySchema } from "../../protocol/primitives.ts";
import { markOf } from "../../protocol/trail.ts";
import { createBackend, parseBackendOverride } from "../create.ts";
import type { Fetch } from "../http.ts";
import { collect } from "../testing/collect.ts";
import { endless, type Route, type ScriptedServer, scriptedServer, streamed } from "../testing/scripted-server.ts";
import { infernet, type PeerNode } from "./infernet.ts";

const key = (digit: string) => pubkeySchema.parse(digit.repeat(64));
const UPSTREAM = key("b");
const OURS = key("a");
const OTHER = key("c");
const NODE = key("1");

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.stop();
});

/** A backend whose upstream is scripted. Its signature is a plain header that names the recipient. */
function lent(routes: Record<string, Route>, over: Partial<PeerNode> = {}, joinToken: string | null = null) {
  server = scriptedServer(routes);
  const notices: string[] = [];
  const node: PeerNode = {
    pubkey: NODE,
    name: null,
    coordinators: [OURS],
    priceOf: () => ({ input: 10, output: 20 }),
    notice: (message) => notices.push(message),
    signedFor:
      (coordinator): Fetch =>
      (url, init) =>
        fetch(url, { ...init, headers: { ...(init.headers as Record<string, string>), "x-signed-for": coordinator } }),
    ...over,
  };
  return { backend: infernet({ url: `${server.url}/v1`, coordinator: UPSTREAM, joinToken, node }), server, notices };
}

const listing = (...data: object[]): Record<string, Route> => ({
  "GET /v1/models": () => Response.json({ object: "list", data }),
});
const refusing = (status: number, error: object | string): Record<string, Route> => ({
  "*": () => new Response(typeof error === "string" ? error : JSON.stringify({ error }), { status }),
});
const models = async (backend: ReturnType<typeof infernet>) => {
  const answer = await backend.models(AbortSignal.timeout(5_000));
  return answer.ok ? answer.value : answer.error;
};

describe("the models of an upstream coordinator", () => {
  test("are asked for in our name, with the trail that requests will have", async () => {
    const { backend, server } = lent(listing());
    await models(backend);
    expect(server.seen.map(({ headers }) => [headers.get("x-signed-for"), headers.get("x-infernet-hops")])).toEqual([
      [UPSTREAM, "1"],
    ]);
    expect(server.seen[0]?.headers.get("x-infernet-via")).toBe(markOf(OURS));
  });

  test("come with context, tasks, features and the way to them", async () => {
    const { backend } = lent(
      listing(
        {
          id: "near",
          context_length: 8192,
          tasks: ["chat", "embedding", "dream"],
          features: ["tools"],
          hops: 0,
          via: [],
        },
        { id: "far", context_length: null, hops: 1, via: [markOf(OTHER)], demo: true },
      ),
    );
    const plain = { digest: null, loaded: null, quantization: null };
    expect(await models(backend)).toEqual([
      {
        ...plain,
        name: "near",
        contextLength: 8192,
        demo: false,
        path: [markOf(UPSTREAM)],
        tasks: ["chat", "embedding"],
        features: ["tools"],
      },
      { ...plain, name: "far", contextLength: null, demo: true, path: [markOf(UPSTREAM), markOf(OTHER)] },
    ]);
  });

  test("that it has from us are not ours to offer, nor are those whose way it does not tell", async () => {
    const { backend } = lent(
      listing(
        { id: "ours", hops: 1, via: [markOf(OURS)] },
        { id: "ours by another", hops: 2, via: [markOf(OTHER), markOf(OURS)] },
        { id: "untold", hops: 1 },
        { id: "half told", hops: 2, via: [markOf(OTHER)] },
        { id: "nonsense", hops: 1, via: ["x"] },
        { id: "too far", hops: 16, via: Array.from({ length: 16 }, (_, i) => i.toString(16).repeat(16)) },
        { id: "plain" },
      ),
    );
    expect(await models(backend)).toMatchObject([{ name: "plain", path: [markOf(UPSTREAM)] }]);
  });

  test("that cost more there than the node asks are told to its operator, once until it changes", async () => {
    let price = 30;
    const { backend, notices } = lent({
      "GET /v1/models": () =>
        Response.json({
          data: [
            { id: "dear", price_input: price, price_output: 20 },
            { id: "cheap", price_input: 10, price_output: 20 },
            { id: "unknown" },
          ],
        }),
    });
    await models(backend);
    await models(backend);
    expect(notices).toEqual([expect.stringContaining("asks more than this node does for dear (dear: 30 and 20 µ$")]);
    price = 31;
    await models(backend);
    expect(notices.length).toBe(2);
  });

  test("are no list where somebody else answers", async () => {
    const { backend } = lent({ "GET /v1/models": () => Response.json({ hello: 1 }) });
    expect(await models(backend)).toMatchObject({ code: "backend_failed" });
  });
});

describe("a request", () => {
  const chunk = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
  const answer = () => [
    chunk("Hel"),
    ": keep-alive\n\n",
    chunk("lo"),
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: "length" }] })}\n\n`,
    `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } })}\n\n`,
    "data: [DONE]\n\n",
  ];

  test("is streamed through, with its own trail", async () => {
    const { backend, server } = lent({ "POST /v1/chat/completions": () => streamed(answer()) });
    const trail = { hops: 2, via: [markOf(OTHER), markOf(OURS)] };
    const seen: unknown[] = [];
    const result = await backend.generate(
      { task: "chat", model: "m", body: { model: "m", messages: [{ role: "user", content: "hi" }] }, trail },
      (delta) => void seen.push(delta),
      AbortSignal.timeout(5_000),
    );
    expect(seen.map((delta) => (delta as { content: string }).content).join("")).toBe("Hello");
    expect(result).toEqual({
      ok: true,
      value: {
        finish: [{ index: 0, reason: "length" }],
        usage: { prompt_tokens: 3, completion_tokens: 2 },
      },
    });
    const [request] = server.seen;
    expect(request?.headers.get("x-infernet-hops")).toBe("2");
    expect(request?.headers.get("x-infernet-via")).toBe(`${markOf(OTHER)},${markOf(OURS)}`);
    expect(request?.headers.get("x-signed-for")).toBe(UPSTREAM);
    expect(request?.body).toMatchObject({ model: "m", stream: true });
  });

  test("without a trail is one of our own", async () => {
    const { backend, server } = lent({ "POST /v1/chat/completions": () => streamed(answer()) });
    expect((await collect(backend)).text).toBe("Hello");
    expect(server.seen[0]?.headers.get("x-infernet-hops")).toBe("1");
  });

  test("that is cancelled closes the connection upstream", async () => {
    const { response, gone } = endless([chunk("Hel")]);
    const { backend } = lent({ "POST /v1/chat/completions": () => response });
    const abort = new AbortController();
    const ended = await collect(
      backend,
      {},
      {
        signal: abort.signal,
        onDelta: () => {
          abort.abort();
          return undefined;
        },
      },
    );
    expect(ended.result).toMatchObject({ ok: false, error: { code: "aborted" } });
    await gone;
  });

  test.each([
    [404, { code: "model_not_found", message: "no m" }, "model_not_found", "no m"],
    [400, { code: "context_length_exceeded", message: "too long" }, "context_length_exceeded", "too long"],
    [400, { code: "invalid_value", message: "n: no" }, "invalid_request", "n: no"],
    [413, { code: "body_too_large", message: "large" }, "invalid_request", "large"],
    [429, { code: "queue_full", message: "full" }, "backend_busy", "full"],
    [429, { code: "rate_limit", message: "slower" }, "backend_busy", "slower"],
    [503, { code: "no_nodes_online", message: "off" }, "backend_busy", "off"],
    [503, { code: "draining", message: "later" }, "backend_busy", "later"],
    [401, { code: "nonce_store_full", message: "many" }, "backend_busy", "many"],
    [502, { code: "node_lost", message: "lost" }, "backend_failed", "lost"],
    [508, { code: "loop_detected", message: "came through" }, "backend_failed", "loop_detected"],
    [508, { code: "hop_limit", message: "too far" }, "backend_failed", "hop_limit"],
    [402, { code: "insufficient_credit", message: "0 left" }, "backend_failed", "short of credit: 0 left"],
    [401, { code: "key_unknown", message: "who" }, "backend_failed", `infernet nodes allow ${NODE} --role client`],
    [403, { code: "role_not_allowed", message: "no" }, "backend_failed", `infernet nodes allow ${NODE} --role client`],
    [403, { code: "key_pending", message: "wait" }, "backend_failed", `infernet nodes approve ${NODE}`],
    [403, { code: "key_ejected", message: "out" }, "backend_failed", "ejected"],
    [
      401,
      { code: "wrong_recipient", message: "signed for b" },
      "backend_failed",
      "another coordinator than the configured",
    ],
    [502, "<html>Bad Gateway</html>", "backend_failed", "HTTP 502"],
  ])("refused with %i %o is %s", async (status, error, code, message) => {
    const { backend } = lent(refusing(status, error));
    const { result } = await collect(backend);
    expect(result).toMatchObject({ ok: false, error: { code, message: expect.stringContaining(message) } });
  });

  test("that finds nobody there is unreachable", async () => {
    const { backend, server } = lent({});
    await server.stop();
    const message = expect.stringContaining(`the coordinator at ${server.url} cannot be reached`);
    expect((await collect(backend)).result).toMatchObject({ error: { code: "backend_unreachable", message } });
  });

  test("that is refused for good is told to the operator once", async () => {
    const { backend, notices } = lent(refusing(401, { code: "key_unknown", message: "who" }));
    await models(backend);
    await collect(backend);
    await collect(backend);
    expect(notices).toEqual([expect.stringContaining("infernet nodes allow")]);
  });
});

describe("a node that the upstream does not know", () => {
  /** An upstream that knows the node once it has registered, as `standing`. */
  function strict(standing: "approved" | "pending", registration: (body: unknown) => Response | null = () => null) {
    let known: string | null = null;
    const refuse = (status: number, code: string) => Response.json({ error: { message: code, code } }, { status });
    return {
      "GET /v1/models": () => {
        if (known === null) return refuse(401, "key_unknown");
        return known === "approved" ? Response.json({ data: [{ id: "m" }] }) : refuse(403, "key_pending");
      },
      "POST /api/v1/node/register": ({ body }: { body: unknown }) => {
        const refused = registration(body);
        if (refused) return refused;
        known = standing;
        return Response.json({ data: { id: NODE, node_id: "x", status: standing } });
      },
    } satisfies Record<string, Route>;
  }
  const registrations = () => server?.seen.filter(({ path }) => path === "/api/v1/node/register") ?? [];

  test("registers as a client with its token, and is served at once", async () => {
    const { backend } = lent(strict("approved"), { name: "gpu-1" }, "infjoin_x");
    expect(await models(backend)).toMatchObject([{ name: "m" }]);
    expect(registrations().map(({ body }) => body)).toEqual([
      { role: "client", node_id: `client-${markOf(NODE)}`, name: "gpu-1", join_token: "infjoin_x" },
    ]);
    expect(registrations()[0]?.headers.get("x-signed-for")).toBe(UPSTREAM);
    await models(backend);
    expect(registrations().length).toBe(1);
  });

  test("without a token waits for approval, registers once, and says what is to be done", async () => {
    const { backend, notices } = lent(strict("pending"), { name: "gpu-1" });
    for (let i = 0; i < 3; i++) await models(backend);
    expect(registrations().map(({ body }) => body)).toEqual([
      { role: "client", node_id: `client-${markOf(NODE)}`, name: "gpu-1" },
    ]);
    expect(notices.at(-1)).toContain(`infernet nodes approve ${NODE}`);
  });

  test("says why it was not registered", async () => {
    const used = () =>
      Response.json({ error: "the join token was used", code: "registration_refused" }, { status: 403 });
    const { backend, notices } = lent(strict("approved", used), { name: "gpu-1" }, "infjoin_x");
    expect(await models(backend)).toMatchObject({ code: "backend_failed" });
    expect(notices.join()).toContain("the join token was used");
  });

  test("does not register where it only looks", async () => {
    const { backend } = lent(strict("approved"));
    expect(await models(backend)).toMatchObject({ code: "backend_failed" });
    expect(registrations()).toEqual([]);
  });
});

describe("making one", () => {
  const { backend } = lent({});
  const peer: PeerNode = {
    pubkey: NODE,
    name: null,
    coordinators: [OURS],
    priceOf: () => ({ input: 0, output: 0 }),
    notice: () => undefined,
    signedFor: () => fetch as Fetch,
  };
  const error = (config: Parameters<typeof createBackend>[0], deps = {}) => {
    const made = createBackend(config, deps);
    return made.ok ? "" : made.error;
  };

  test("needs a url, a key and a node, and no coordinator that the node serves", () => {
    const url = "https://b.example";
    expect(error({ kind: "infernet" })).toContain("needs a url");
    expect(error({ kind: "infernet", url })).toContain("pubkey");
    expect(error({ kind: "infernet", url, pubkey: UPSTREAM })).toContain("belongs to a node");
    expect(error({ kind: "infernet", url, pubkey: OURS }, { peer })).toContain("cannot be its backend");
    expect(error({ kind: "infernet", url, pubkey: UPSTREAM }, { peer })).toBe("");
  });

  test("shows its address without /v1, and continues nobody's answer", () => {
    expect([backend.kind, backend.continues, backend.url?.endsWith("/v1")]).toEqual(["infernet", false, false]);
  });

  test("by its short form", () => {
    expect(parseBackendOverride(`infernet@https://b.example#${UPSTREAM}`)).toEqual({
      ok: true,
      value: { kind: "infernet", url: "https://b.example", pubkey: UPSTREAM },
    });
    for (const text of ["infernet", "infernet@https://b.example", "infernet@https://b.example#12", "infernet@b#x"])
      expect(parseBackendOverride(text).ok).toBe(false);
  });
});
