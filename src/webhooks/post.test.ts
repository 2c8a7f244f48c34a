// Post on real sockets: a receiver with a certificate of its own, and a resolver that says what a test wants.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type ManualClock, manualClock } from "../lib/clock.ts";
import { POST_TIMEOUT_MS, poster } from "./post.ts";
import { CERTIFICATE, KEY, NAME } from "./testing/certificate.ts";

type Got = { method: string; url: string; host: string | null; body: string; signature: string | null };
let got: Got[];
let respond: () => Response | Promise<Response>;
let asked: string[];
let addresses: string[];
let clock: ManualClock;
let stop: () => Promise<void>;
let secure: number;
let plain: number;

beforeEach(() => {
  got = [];
  asked = [];
  addresses = ["127.0.0.1"];
  respond = () => new Response("thanks");
  clock = manualClock();
  const take = async (request: Request) => {
    const { method, url, headers } = request;
    got.push({
      method,
      url,
      host: headers.get("host"),
      body: await request.text(),
      signature: headers.get("webhook-signature"),
    });
    return respond();
  };
  const options = { port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: take };
  const servers = [Bun.serve({ ...options, tls: { cert: CERTIFICATE, key: KEY } }), Bun.serve(options)] as const;
  [secure, plain] = servers.map((server) => server.port ?? 0) as [number, number];
  stop = async () => {
    await Promise.all(servers.map((server) => server.stop(true)));
  };
});
afterEach(() => stop());

async function post(
  url: string,
  { allowPrivate = true, ca = true, n = 1, signal = new AbortController().signal } = {},
) {
  const posting = poster({
    clock,
    rule: { allowPrivate },
    async resolve(hostname) {
      asked.push(hostname);
      return addresses;
    },
    ...(ca ? { ca: CERTIFICATE } : {}),
  });
  const posted = await posting(url, { "webhook-signature": "v1,x" }, '{"id":1}', n, signal);
  return posted.ok ? "delivered" : posted.error;
}

describe("the connection goes where the resolver says, once", () => {
  test("over TLS, to the address, under the name", async () => {
    expect(await post(`https://${NAME}:${secure}/a/b?c=d`)).toBe("delivered");
    expect(asked).toEqual([NAME]);
    const url = `https://${NAME}:${secure}/a/b?c=d`;
    expect(got).toEqual([{ method: "POST", url, host: `${NAME}:${secure}`, body: '{"id":1}', signature: "v1,x" }]);
  });

  test("a certificate of another name is refused, and one that nobody vouches for", async () => {
    expect(await post(`https://other.example:${secure}/`)).toMatchObject({ status: 0 });
    expect(await post(`https://${NAME}:${secure}/`, { ca: false })).toMatchObject({ status: 0 });
    expect(got).toEqual([]);
  });

  test("a name whose address changes after it was judged leads to the judged one", async () => {
    // What a second question would be answered: nobody asks it.
    const answers = [["127.0.0.1"], ["127.0.0.2"]];
    const posting = poster({
      clock,
      rule: { allowPrivate: true },
      resolve: async (hostname) => {
        asked.push(hostname);
        return answers.shift() ?? [];
      },
      ca: CERTIFICATE,
    });
    const { signal } = new AbortController();
    expect(await posting(`https://${NAME}:${secure}/`, {}, "", 1, signal)).toMatchObject({ ok: true });
    expect([asked.length, answers]).toEqual([1, [["127.0.0.2"]]]);
  });

  test("in IPv6 too, by name and as it is written", async () => {
    const server = Bun.serve({ port: 0, hostname: "::1", fetch: () => new Response() });
    addresses = ["::1"];
    expect(await post(`http://${NAME}:${server.port}/`)).toBe("delivered");
    expect(await post(`http://[::1]:${server.port}/`)).toBe("delivered");
    await server.stop(true);
  });

  test("of several addresses each try takes the next", async () => {
    addresses = ["127.0.0.1", "127.0.0.9"];
    expect(await post(`http://${NAME}:${plain}/`, { n: 1 })).toBe("delivered");
    expect(await post(`http://${NAME}:${plain}/`, { n: 2 })).toMatchObject({ status: 0 });
    expect(await post(`http://${NAME}:${plain}/`, { n: 3 })).toBe("delivered");
  });
});

describe("what is forbidden is not connected to", () => {
  test.each([
    ["loopback", ["127.0.0.1"]],
    ["private", ["10.0.0.1"]],
    ["metadata", ["169.254.169.254"]],
    ["mapped", ["::ffff:127.0.0.1"]],
    ["NAT64", ["64:ff9b::7f00:1"]],
    ["one of several", ["8.8.8.8", "127.0.0.1"]],
  ])("%s, behind a public name", async (_, found) => {
    addresses = found;
    const refused = await post(`https://${NAME}:${secure}/`, { allowPrivate: false });
    expect(refused).toEqual({ status: 0, message: `the name ${NAME} leads to an address that is not public` });
    expect(got).toEqual([]);
  });

  test("as it is written, and without asking anybody", async () => {
    for (const url of [`https://127.0.0.1:${secure}/`, `http://${NAME}:${plain}/`, `https://[::1]:${secure}/`])
      expect(await post(url, { allowPrivate: false })).toMatchObject({ status: 0 });
    expect([asked, got]).toEqual([[], []]);
  });

  test("a name that does not resolve says so", async () => {
    addresses = [];
    expect(await post(`https://${NAME}/`)).toEqual({ status: 0, message: `the name ${NAME} does not resolve` });
  });
});

describe("answers", () => {
  test.each([200, 201, 202, 204])("%i is good", async (status) => {
    respond = () => new Response(null, { status });
    expect(await post(`http://${NAME}:${plain}/`)).toBe("delivered");
  });

  test.each([400, 404, 410, 429, 500, 503])("%i is not", async (status) => {
    respond = () => new Response("no", { status });
    const message = `the receiver answered ${status}`;
    expect(await post(`http://${NAME}:${plain}/`)).toEqual({ status, message });
  });

  test.each([301, 302, 303, 307, 308])("%i is not followed", async (status) => {
    respond = () => new Response(null, { status, headers: { location: `http://127.0.0.1:${plain}/inside` } });
    expect(await post(`http://${NAME}:${plain}/`)).toMatchObject({ status });
    expect(got.length).toBe(1);
  });

  test("without end are not read", async () => {
    const left = Promise.withResolvers<void>();
    respond = () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
          cancel: () => left.resolve(),
        }),
      );
    expect(await post(`http://${NAME}:${plain}/`)).toBe("delivered");
    await left.promise;
  });

  test("that do not come in time are given up, and so is a resolver that does not answer", async () => {
    respond = () => new Promise(() => undefined);
    const posting = post(`http://${NAME}:${plain}/`);
    while (got.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    clock.advance(POST_TIMEOUT_MS);
    expect(await posting).toEqual({ status: 0, message: "no answer within 10 s" });

    const never = poster({ clock, rule: { allowPrivate: true }, resolve: () => new Promise(() => undefined) });
    const resolving = never(`http://${NAME}/`, {}, "", 1, new AbortController().signal);
    clock.advance(POST_TIMEOUT_MS);
    expect(await resolving).toMatchObject({ ok: false, error: { message: "no answer within 10 s" } });
  });

  test("nobody there is not", async () => {
    await stop();
    expect(await post(`http://${NAME}:${plain}/`)).toMatchObject({ status: 0 });
  });

  test("are not waited for when this instance stops", async () => {
    respond = () => new Promise(() => undefined);
    const stopping = new AbortController();
    const posting = post(`http://${NAME}:${plain}/`, { signal: stopping.signal });
    while (got.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    stopping.abort();
    expect(await posting).toEqual({ status: 0, message: "this instance stops" });
  });
});
