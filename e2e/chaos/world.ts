// World: a coordinator and three nodes on the real embedded engine, and everything that can happen to them. Two nodes
// hold links, each through a proxy that can be cut; the third asks for its work over HTTP.
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Output } from "../../src/admin/operations.ts";
import { type CapturedProcess, spawnCaptured } from "../harness/captured-process.ts";
import { type Client, client } from "../harness/client.ts";
import { type CuttableProxy, startCuttableProxy } from "../harness/cuttable-proxy.ts";
import { commandJson, type Instance, localApiKey, plainEnvironment } from "../harness/instance.ts";
import { type Books, booksOf } from "../harness/money.ts";
import type { Stage } from "../harness/stage.ts";
import { waitFor } from "../harness/wait-for.ts";
import type { Random } from "./random.ts";

export const MODEL = "infernet-demo";

/** Something that can be disturbed. `disturb` resolves when it is well again. */
export type Victim = { name: string; disturb(how: Disturbance, random: Random): Promise<void> };
export const DISTURBANCES = ["kill", "stop", "cut", "engine", "coordinator"] as const;
export type Disturbance = (typeof DISTURBANCES)[number];

export type World = {
  api: Client;
  /** Three nodes, then the coordinator. */
  nodes: Victim[];
  restartCoordinator(): Promise<void>;
  /** Waits until all of it serves. */
  settled(): Promise<void>;
  /** What the coordinator's database says of money. */
  books: Books;
  /** Everything is charged for. */
  charges: boolean;
  output(): string;
};

/** µ$ a token, of every node: so that what an answer costs is seen in its usage. */
export const TOKEN_PRICES = { input: 2, output: 5 };
/** µ$ that the client has at the beginning: more than any storm spends. */
export const CREDIT = 1_000_000_000_000;
const MILLION = 1_000_000;
const PRICES = { input: TOKEN_PRICES.input * MILLION, output: TOKEN_PRICES.output * MILLION };
const PRICES_TOML = `price_input = ${PRICES.input}\nprice_output = ${PRICES.output}\n`;

const COORDINATOR_TOML = `[coordinator]
registration = "open"
max_attempts = 10
queue_limit = 1000
queue_timeout_s = 600
`;
const ENGINE_TOML = "[engine]\nslots = 4\n";

export async function openWorld(stage: Stage, { charges }: { charges: boolean }): Promise<World> {
  const config = `${COORDINATOR_TOML}${charges ? '[billing]\nmode = "credits"\n' : ""}`;
  let coordinator = await stage.start({ mode: "coordinator", config });
  const books = await booksOf(coordinator.dataDirectory);
  stage.onClose(() => books.close());
  if (charges) await books.grant(CREDIT);
  const { key } = await commandJson<Output<"createKey">>(stage.executable, coordinator.dataDirectory, [
    "keys",
    "create",
    "chaos",
  ]);
  const { pubkey } = await commandJson<Output<"status">>(stage.executable, coordinator.dataDirectory, ["status"]);
  const api = client(() => coordinator.url, key, MODEL);
  const linked = await Promise.all([1, 2].map((n) => linkedNode(stage, coordinator.url, pubkey, `linked ${n}`)));
  const nodes = [...linked, await askingNode(stage, coordinator)];
  return {
    api,
    nodes,
    async restartCoordinator() {
      await coordinator.kill9();
      coordinator = await stage.restart(coordinator);
    },
    settled: () => stage.served(coordinator, MODEL, nodes.length),
    books,
    charges,
    output: () => [coordinator, ...nodes].map((one) => one.output().slice(-4000)).join("\n----\n"),
  };
}

type Member = Victim & { output(): string };

const sleep = (random: Random, fromMs: number, toMs: number) => Bun.sleep(random.between(fromMs, toMs));

async function linkedNode(stage: Stage, coordinatorUrl: string, pubkey: string, name: string): Promise<Member> {
  const proxy = startCuttableProxy(coordinatorUrl);
  stage.onClose(() => proxy.close());
  const coordinators = `coordinators = [{ url = "${proxy.url}", pubkey = "${pubkey}" }]`;
  const config = `[node]\nname = "${name}"\nprobe = false\n${PRICES_TOML}${coordinators}\n${ENGINE_TOML}`;
  let node = await stage.start({ mode: "node", config });
  return {
    name,
    output: () => node.output(),
    async disturb(how, random) {
      if (how === "cut") return cutLink(proxy, random);
      if (how === "stop") return stopped(node, random);
      if (how === "engine") return killEngine(node);
      await node.kill9();
      await sleep(random, 100, 1_500);
      node = await stage.restart(node);
    },
  };
}

async function cutLink(proxy: CuttableProxy, random: Random): Promise<void> {
  proxy.cut();
  await sleep(random, 20, 3_000);
  proxy.mend();
}

async function stopped(process: CapturedProcess, random: Random): Promise<void> {
  process.signal("SIGSTOP");
  await sleep(random, 200, 14_000);
  process.signal("SIGCONT");
}

/** The process that holds the native engine is a child of the node's. */
function killEngine(node: CapturedProcess): Promise<void> {
  for (const pid of childrenOf(node.pid)) process.kill(pid, "SIGKILL");
  return Promise.resolve();
}

function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        // Fields after the command's name in brackets, which may hold anything: state, then the parent (proc(5)).
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** A worker in front of an instance of its own, which has the engine and nothing to do with the network. */
async function askingNode(stage: Stage, coordinator: Instance): Promise<Member> {
  let engine = await stage.start({ mode: "both", config: `[node]\nprobe = false\n${ENGINE_TOML}` });
  const { key } = await commandJson<Output<"createKey">>(stage.executable, coordinator.dataDirectory, [
    "keys",
    "create",
    "worker",
    "--role",
    "operator",
  ]);
  const spawn = () => {
    const worker = spawnCaptured([process.execPath, resolve(import.meta.dir, "worker.ts")], {
      cwd: engine.dataDirectory,
      env: plainEnvironment(engine.dataDirectory, {
        COORDINATOR: coordinator.url,
        COORDINATOR_KEY: key,
        ENGINE: engine.url,
        ENGINE_KEY: localApiKey(engine),
        MODEL,
        PRICES: JSON.stringify(PRICES),
      }),
    });
    stage.onClose(async () => void (await worker.kill9()));
    return worker;
  };
  let worker = spawn();
  await worker.waitForOutput(/registered/);
  return {
    name: "asking",
    output: () => worker.output() + engine.output(),
    async disturb(how, random) {
      if (how === "stop") return stopped(worker, random);
      if (how === "engine" || how === "cut") {
        await engine.kill9();
        engine = await stage.restart(engine);
        return;
      }
      await worker.kill9();
      await sleep(random, 100, 1_500);
      worker = spawn();
      await waitFor("the worker to register again", () => worker.output().includes("registered"));
    },
  };
}
