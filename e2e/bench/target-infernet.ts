// Infernet as a target: makes data directories as an operator would (join token, API key), once, before anything is
// measured, and says how the prepared installation is started. Billing off where it is not what is measured, key
// authentication and job record on, all other settings at their defaults.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { booksOf } from "../harness/money.ts";
import { answers, chats, childrenIn, until } from "./children.ts";
import type { Target, TargetContext } from "./targets.ts";

const backendToml = (backend: string) => `[[node.backends]]\nkind = "openai"\nurl = "${backend}"\n`;
const PREPARE_LIMIT_MS = 60_000;

function dataDirectory(path: string, config: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  writeFileSync(join(path, "config.toml"), config, { mode: 0o600 });
  return path;
}

/** Runs one command of the executable and returns the first thing in its output that looks as asked. */
async function issue(executable: string, args: string[], shape: RegExp): Promise<string> {
  const child = Bun.spawn([executable, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const [out, problem, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const found = out.match(shape)?.[0];
  if (code !== 0 || !found) throw new Error(`infernet ${args.join(" ")} exited with ${code}: ${problem || out}`);
  return found;
}

/** Runs `prepare` beside the started commands, then stops them. */
async function whileRunning<T>(directory: string, commands: string[][], prepare: () => Promise<T>): Promise<T> {
  const children = childrenIn(directory);
  try {
    for (const command of commands) children.start(command);
    return await prepare();
  } finally {
    await children.stopAll();
  }
}

async function required(what: string, attempt: () => Promise<boolean>): Promise<void> {
  if (!(await until(attempt, PREPARE_LIMIT_MS))) throw new Error(`infernet: ${what} in ${PREPARE_LIMIT_MS / 1000} s`);
}

async function giveCredit(directory: string): Promise<void> {
  const books = await booksOf(directory);
  await books.grant(CREDIT);
  await books.close();
}

const createKey = (executable: string, directory: string) =>
  issue(executable, ["--data-dir", directory, "keys", "create", "bench", "--json"], /inf_[A-Za-z0-9_-]{16,}/);

/** µ$ per million tokens. */
const PRICES = "price_input = 100000\nprice_output = 300000\n";
/** µ$: more than any run spends. */
const CREDIT = 1_000_000_000_000;

/** Coordinator and node as two processes in one tree, joined by a token. */
export const infernetPair = (context: TargetContext): Promise<Target> => pair(context, "");

/** The same, with every request held for, charged and receipted. */
export const infernetCharging = (context: TargetContext): Promise<Target> =>
  pair(context, '[billing]\nmode = "credits"\n');

async function pair(context: TargetContext, billing: string): Promise<Target> {
  const { executable, port, secondPort, backend, directory } = context;
  const base = `http://127.0.0.1:${port}`;
  const url = `${base}/v1/chat/completions`;
  const coordinator = dataDirectory(
    join(directory, "coordinator"),
    `mode = "coordinator"\n[server]\nport = ${port}\n${billing}`,
  );
  const coordinatorCommand = [executable, "--data-dir", coordinator, "run"];
  const node = join(directory, "node");
  const nodeCommand = [executable, "--data-dir", node, "run"];
  const key = await whileRunning(directory, [coordinatorCommand], async () => {
    await required("no /healthz", () => answers(`${base}/healthz`));
    const token = await issue(
      executable,
      ["--data-dir", coordinator, "join-token", "create", "--json"],
      /infjoin_[A-Za-z0-9_-]+/,
    );
    const nodeToml = `mode = "node"\n[server]\nport = ${secondPort}\n[node]\njoin_token = "${token}"\n${PRICES}`;
    dataDirectory(node, nodeToml + backendToml(backend));
    const created = await createKey(executable, coordinator);
    if (billing !== "") await giveCredit(coordinator);
    await whileRunning(directory, [nodeCommand], () =>
      required("no first answer", () => chats({ url, headers: { authorization: `Bearer ${created}` } })),
    );
    return created;
  });
  const shell = [coordinatorCommand, nodeCommand].map((command) => command.map((word) => `'${word}'`).join(" "));
  return {
    command: ["sh", "-c", `${shell.join(" & ")} & wait`],
    url,
    health: `${base}/healthz`,
    headers: { authorization: `Bearer ${key}` },
  };
}

/** One process that is both. */
export async function infernetBoth({ executable, port, backend, directory }: TargetContext): Promise<Target> {
  const base = `http://127.0.0.1:${port}`;
  const url = `${base}/v1/chat/completions`;
  const both = dataDirectory(
    join(directory, "both"),
    `mode = "both"\n[server]\nport = ${port}\n${backendToml(backend)}`,
  );
  const command = [executable, "--data-dir", both, "run"];
  const key = await whileRunning(directory, [command], async () => {
    await required("no /healthz", () => answers(`${base}/healthz`));
    const created = await createKey(executable, both);
    await required("no first answer", () => chats({ url, headers: { authorization: `Bearer ${created}` } }));
    return created;
  });
  return { command, url, health: `${base}/healthz`, headers: { authorization: `Bearer ${key}` } };
}
