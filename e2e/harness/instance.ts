// Instance: one running `infernet`, started from the compiled file in a data directory, and the commands that act on it.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Output } from "../../src/admin/operations.ts";
import { type CapturedProcess, spawnCaptured } from "./captured-process.ts";
import { type WaitOptions, waitFor, within } from "./wait-for.ts";

export type InstanceOptions = {
  mode: "both" | "coordinator" | "node";
  /** Made where it is missing. */
  dataDirectory: string;
  /** TOML for DATA/config.toml, beside what `mode` and `port` say. */
  config?: string;
  /** 0 takes a free one. */
  port?: number;
  env?: Record<string, string>;
  args?: string[];
};

export type CommandResult = { code: number; stdout: string; stderr: string };

export type Instance = CapturedProcess & {
  mode: InstanceOptions["mode"];
  dataDirectory: string;
  /** Base address, without a slash at the end. */
  url: string;
  /** Starts it again on the same data directory and port, after it has ended. */
  restart(): Promise<Instance>;
};

const COMMAND_LIMIT_MS = 120_000;

/** What a child gets of this process's environment: nothing that could change how it is configured. */
export function plainEnvironment(home: string, more: Record<string, string> = {}): Record<string, string> {
  return { PATH: process.env.PATH ?? "/usr/bin:/bin", HOME: home, NO_COLOR: "1", ...more };
}

/** Starts an instance and waits until it says that it answers. Its working directory is the data directory. */
export async function startInstance(executable: string, options: InstanceOptions): Promise<Instance> {
  const { mode, dataDirectory, config = "", port = 0, env = {}, args = [] } = options;
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  if (config !== "") writeFileSync(join(dataDirectory, "config.toml"), config, { mode: 0o600 });
  const flags = ["--data-dir", dataDirectory, `--mode=${mode}`, "--port", `${port}`, ...args];
  const child = spawnCaptured([executable, ...flags, "run"], {
    cwd: dataDirectory,
    env: plainEnvironment(dataDirectory, env),
  });
  // Up to the end of the line: output comes in pieces.
  const [, url = ""] = await child.waitForOutput(/answers at (http\S+)\s/);
  const samePort = Number(new URL(url).port);
  return {
    ...child,
    mode,
    dataDirectory,
    url,
    async restart() {
      await within("the old process to end", child.exited);
      return startInstance(executable, { ...options, port: samePort });
    },
  };
}

/** Runs one command on an instance's data directory. Never throws for the command's failure. */
export async function command(
  executable: string,
  dataDirectory: string,
  args: string[],
  { stdin = "", env = {} }: { stdin?: string; env?: Record<string, string> } = {},
): Promise<CommandResult> {
  const child = Bun.spawn([executable, "--data-dir", dataDirectory, ...args], {
    cwd: dataDirectory,
    env: plainEnvironment(dataDirectory, env),
    stdio: [new Blob([stdin]), "pipe", "pipe"],
    timeout: COMMAND_LIMIT_MS,
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, stdout, stderr };
}

/** The JSON that a command prints; throws with its error where it fails. */
export async function commandJson<T>(executable: string, dataDirectory: string, args: string[]): Promise<T> {
  const { code, stdout, stderr } = await command(executable, dataDirectory, [...args, "--json"]);
  if (code !== 0) throw new Error(`infernet ${args.join(" ")} exited with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** A fresh API key. */
export async function createKey(executable: string, { dataDirectory }: Instance, name = "e2e"): Promise<string> {
  return (await commandJson<Output<"createKey">>(executable, dataDirectory, ["keys", "create", name])).key;
}

/** A fresh single-use join token. */
export async function createJoinToken(executable: string, { dataDirectory }: Instance): Promise<string> {
  return (await commandJson<Output<"createJoinToken">>(executable, dataDirectory, ["join-token", "create"])).token;
}

/** The key that a coordinator keeps for its own banner. */
export const localApiKey = ({ dataDirectory }: Instance): string =>
  readFileSync(join(dataDirectory, "local-api-key"), "utf8").trim();

/** Waits until the client API lists a model, and at least `nodes` nodes are online. Returns the model's name. */
export async function waitForModel(
  executable: string,
  instance: Instance,
  { model, nodes = 1, ...wait }: { model?: string; nodes?: number } & WaitOptions = {},
): Promise<string> {
  return waitFor(
    `${model ?? "a model"} on ${nodes} node(s)`,
    async () => {
      const { models } = await commandJson<Output<"listModels">>(executable, instance.dataDirectory, [
        "models",
        "list",
      ]);
      return models.find((row) => (model === undefined || row.name === model) && row.nodes >= nodes)?.name;
    },
    { detail: () => instance.output(), ...wait },
  );
}
