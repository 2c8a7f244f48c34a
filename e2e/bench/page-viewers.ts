// Page viewers: chats stream through the executable while hundreds of browsers look on at live pages, and while none does,
// in turn. Told is the time between two tokens, as their readers have it.
//   bun page-viewers.ts --look URL --cookie COOKIE… --count 500 --paths /live/overview,…   the lookers' own process: says
//     `ready` when all have had an update, and ends when its input does

import { join } from "node:path";
import { parseArgs } from "node:util";
import { createJoinToken, createKey, type Instance, startInstance, waitForModel } from "../harness/instance.ts";
import { Person } from "../harness/person.ts";
import { firstAdmin } from "../harness/site.ts";
import { childrenIn } from "./children.ts";
import { median, quantilesOf } from "./stats.ts";

export type ViewerFigures = {
  viewers: number;
  /** p99 of each round, ms. */
  without: number[];
  with: number[];
  ratio: number;
  tokens: number;
  updates: number;
};
type Options = { executable: string; directory: string; viewers: number; rounds: number; seconds: number };

const STREAMS = 32;
/** Live pages of one person: a coordinator bounds them. */
const STREAMS_EACH = 50;
const TOKENS = 100;
const MODEL = "bench-model";
const PASSWORD = "correct horse battery";
const LIVE = ["/live/overview", "/live/admin-nodes", "/live/network", "/live/my-nodes", "/live/admin-jobs"];

export async function measureViewers({ executable, directory, ...options }: Options): Promise<ViewerFigures> {
  const children = childrenIn(directory);
  const here = (name: string) => join(directory, name);
  const port = freePort();
  const backend = `http://127.0.0.1:${port}/v1`;
  const script = join(import.meta.dir, "backend.ts");
  children.start([process.execPath, script, "--port", `${port}`, "--delay", "20", "--ttft", "20"]);
  const coordinator = await startInstance(executable, { mode: "coordinator", dataDirectory: here("coordinator") });
  const token = await createJoinToken(executable, coordinator);
  const config = `[node]\njoin_token = "${token}"\nslots = ${STREAMS * 2}\n[[node.backends]]\nkind = "openai"\nurl = "${backend}"\n`;
  const node = await startInstance(executable, { mode: "node", dataDirectory: here("node"), config });
  try {
    await waitForModel(executable, coordinator, { model: MODEL });
    const key = await createKey(executable, coordinator);
    const cookies = await admins(coordinator, Math.ceil(options.viewers / STREAMS_EACH));
    const paths = await livePaths(coordinator.url, cookies[0] ?? "");
    const figures = { without: [] as number[], with: [] as number[] };
    let tokens = 0;
    let updates = 0;
    const round = async (): Promise<number> => {
      const gaps = await streamFor(coordinator.url, key, options.seconds);
      tokens += gaps.length;
      return quantilesOf(gaps).p99;
    };
    await round();
    for (let i = 0; i < options.rounds; i++) {
      figures.without.push(await round());
      const lookers = await lookOn(coordinator.url, cookies, options.viewers, paths);
      figures.with.push(await round());
      updates += await lookers.stop();
    }
    const ratio = median(figures.with) / median(figures.without);
    return { viewers: options.viewers, ...figures, ratio, tokens, updates };
  } finally {
    await node.stop();
    await coordinator.stop();
    await children.stopAll();
  }
}

function freePort(): number {
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  return server.port ?? 0;
}

/** The sessions of so many of them. */
async function admins(coordinator: Instance, count: number): Promise<string[]> {
  const first = await firstAdmin(coordinator);
  const cookies = [first.cookie];
  for (let i = 1; i < count; i++) {
    const email = `admin-${i}@example.org`;
    const { body } = await first.post("/api/v1/admin/users", { email, roles: ["admin"] });
    const link = String(body.link);
    const person = new Person(coordinator.url);
    await person.post("/api/v1/auth/password/reset", { secret: link.slice(link.indexOf("#") + 1), password: PASSWORD });
    const { status } = await person.signIn(email, PASSWORD);
    if (status !== 200) throw new Error(`${email} could not sign in: ${status}`);
    cookies.push(person.cookie);
  }
  return cookies;
}

/** Those of the streams that there are. */
async function livePaths(url: string, cookie: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of LIVE) {
    const controller = new AbortController();
    const { status } = await fetch(url + path, { headers: { cookie }, signal: controller.signal });
    controller.abort();
    if (status === 200) found.push(path);
  }
  return found;
}

/** Milliseconds between each two tokens of each stream. */
async function streamFor(url: string, key: string, seconds: number): Promise<number[]> {
  const gaps: number[] = [];
  const endMs = performance.now() + seconds * 1000;
  const reader = async () => {
    while (performance.now() < endMs) await readOne(url, key, gaps);
  };
  await Promise.all(Array.from({ length: STREAMS }, reader));
  return gaps;
}

async function readOne(url: string, key: string, gaps: number[]): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: MODEL,
      stream: true,
      max_tokens: TOKENS,
      messages: [{ role: "user", content: "go" }],
    }),
  });
  if (!response.ok || !response.body) throw new Error(`a chat failed: ${response.status} ${await response.text()}`);
  const decoder = new TextDecoder();
  let lastMs = Number.NaN;
  for await (const bytes of response.body) {
    const nowMs = performance.now();
    const count = decoder.decode(bytes, { stream: true }).split('"content":').length - 1;
    for (let i = 0; i < count; i++) {
      if (!Number.isNaN(lastMs)) gaps.push(i === 0 ? nowMs - lastMs : 0);
      lastMs = nowMs;
    }
  }
}

async function lookOn(url: string, cookies: readonly string[], count: number, paths: readonly string[]) {
  const args = [
    "--look",
    url,
    ...cookies.flatMap((cookie) => ["--cookie", cookie]),
    "--count",
    `${count}`,
    "--paths",
    paths.join(","),
  ];
  const child = Bun.spawn([process.execPath, import.meta.path, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    // Bun opens 256 connections at once, unless it is told otherwise.
    env: { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: `${count + 10}` },
  });
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let said = "";
  const read = async () => {
    const { done, value } = await reader.read();
    if (value) said += decoder.decode(value);
    return done;
  };
  while (!said.includes("ready")) if (await read()) throw new Error("those who look on ended by themselves");
  return {
    /** How many updates they had. */
    async stop(): Promise<number> {
      child.stdin.end();
      while (!(await read()));
      await child.exited;
      return Number(/updates (\d+)/.exec(said)?.[1] ?? Number.NaN);
    },
  };
}

/** The lookers' own process. */
async function look(url: string, cookies: readonly string[], count: number, paths: readonly string[]): Promise<void> {
  let updates = 0;
  const controller = new AbortController();
  const looker = async (path: string, cookie: string, started: () => void): Promise<void> => {
    const { status, body } = await fetch(url + path, { headers: { cookie }, signal: controller.signal });
    if (status !== 200 || !body) throw new Error(`${path} does not stream`);
    for await (const _ of body) {
      updates++;
      started();
    }
  };
  const started = Array.from({ length: count }, async (_, i) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    looker(paths[i % paths.length] ?? "", cookies[i % cookies.length] ?? "", resolve).catch(reject);
    await promise;
  });
  await Promise.all(started);
  process.stdout.write("ready\n");
  await Bun.stdin.text();
  process.stdout.write(`updates ${updates}\n`, () => process.exit(0));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      look: { type: "string", default: "" },
      cookie: { type: "string", multiple: true, default: [] },
      count: { type: "string", default: "500" },
      paths: { type: "string", default: "/live/overview" },
    },
  });
  await look(values.look, values.cookie, Number(values.count), values.paths.split(","));
}
