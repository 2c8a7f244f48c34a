import { afterAll, beforeAll, expect, test } from "bun:test";
import { DrizzleQueryError } from "drizzle-orm/errors";
import { StorageError } from "../db/errors.ts";
import { MemoryNonces } from "../identity/nonces.ts";
import { systemClock } from "../lib/clock.ts";
import { type LogFields, silentLog } from "../lib/log.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import type { HumanAuthDeps } from "./human/guard.ts";
import type { HttpRoute } from "./routes.ts";
import { type HttpServer, startServer } from "./server.ts";

const LIMIT = 1000;
/** A read whose server does not answer. */
const unreadable = () =>
  new DrizzleQueryError("select a_secret", [], new StorageError("storage_failed", "the database could not be read"));
const routes: HttpRoute[] = [
  {
    method: "POST",
    path: "/echo",
    tier: "client",
    summary: "",
    handle: async ({ body }) => new Response(await body()),
  },
  {
    method: "GET",
    path: "/v1/models/*",
    tier: "client",
    summary: "",
    handle: ({ params }) => new Response(params["*"]),
  },
  {
    method: "GET",
    path: "/faulty",
    tier: "public",
    summary: "",
    handle: () => {
      throw new Error("a table's name");
    },
  },
  {
    method: "GET",
    path: "/faulty/later",
    tier: "public",
    summary: "",
    handle: () => Promise.reject(new Error("a table's name")),
  },
  {
    method: "GET",
    path: "/unreadable",
    tier: "public",
    summary: "",
    handle: () => Promise.reject(unreadable()),
  },
  {
    method: "GET",
    path: "/unreadable/page",
    tier: "human",
    access: "visitor",
    summary: "",
    handle: () => Promise.reject(unreadable()),
  },
];
const logged: LogFields[] = [];

let server: HttpServer;
beforeAll(() => {
  const verify = {
    clock: systemClock,
    recipient: pubkeySchema.parse("2".repeat(64)),
    ownKeys: [],
    keys: { lookup: () => undefined, markV2Seen() {} },
    nonces: new MemoryNonces(systemClock),
    acceptV1: false,
    listeningSinceMs: 0,
  };
  server = startServer({
    log: { ...silentLog, error: (message, fields) => void logged.push({ message, ...fields }) },
    host: "127.0.0.1",
    port: 0,
    tls: null,
    hosts: { allowedHosts: [], publicUrl: null },
    corsOrigins: [],
    maxBodyBytes: LIMIT,
    idleTimeoutS: 10,
    routes,
    clientAuth: { ring: { find: () => undefined }, verify, requireApiKey: false, maxHops: 3, fairByAccount: false },
    humanAuth: {
      cookies: { tls: false, publicUrl: null },
      people: { db: { silentMs: () => 0 } },
    } as unknown as HumanAuthDeps,
    verify,
    links: null,
  });
});
afterAll(() => server.stop());

/** Sends pieces without a declared length. */
const undeclared = (pieces: string[]): ReadableStream =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
const echo = (body: string | ReadableStream) => fetch(`${server.url}/echo`, { method: "POST", body });

test("a body within the limit arrives, its length declared or not", async () => {
  const pieces = ["é".repeat(LIMIT / 4), "x".repeat(LIMIT / 2)];
  for (const body of [pieces.join(""), undeclared(pieces)]) {
    const answer = await echo(body);
    expect([answer.status, await answer.text()]).toEqual([200, pieces.join("")]);
  }
});

test("a body over the limit is refused in so many words, however far over and its length declared or not", async () => {
  for (const length of [LIMIT + 1, LIMIT * 4]) {
    for (const body of ["x".repeat(length), undeclared(["x".repeat(length)])]) {
      const answer = await echo(body);
      expect([answer.status, await answer.json()]).toEqual([
        413,
        {
          error: {
            message: "the body may have 1000 bytes",
            type: "invalid_request_error",
            param: null,
            code: "body_too_large",
          },
        },
      ]);
    }
  }
});

test("a model's name may come with its slash as it is or encoded", async () => {
  for (const name of ["meta-llama/Llama-3", "meta-llama%2FLlama-3"]) {
    expect(await (await fetch(`${server.url}/v1/models/${name}`)).text()).toBe("meta-llama/Llama-3");
  }
  expect(await (await fetch(`${server.url}/v1/models/100%25`)).text()).toBe("100%");
  expect(await (await fetch(`${server.url}/v1/models/%ff`)).text()).toBe("%ff");
});

test("a fault is told to the log, and to whoever asks only that there was one", async () => {
  for (const path of ["/faulty", "/faulty/later"]) {
    logged.splice(0);
    const answer = await fetch(server.url + path);
    expect([answer.status, await answer.json()]).toMatchObject([500, { error: { code: "internal_error" } }]);
    const [{ err, ...entry } = {}] = logged;
    expect([String(err), entry]).toEqual(["Error: a table's name", { message: "a request failed", path }]);
  }
});

test.each(["/unreadable", "/unreadable/page"])(
  "%s: a database that cannot be read is no fault of ours",
  async (path) => {
    const answer = await fetch(server.url + path);
    const text = await answer.text();
    expect([answer.status, JSON.parse(text).error.code]).toEqual([503, "storage_failed"]);
    expect(text).not.toContain("a_secret");
  },
);
