// Stage: everything one test file starts, in one place, so that all of it is stopped and removed at the end.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtExecutable } from "./executable.ts";
import { type FaultBackend, type FaultBackendOptions, startFaultBackend } from "./fault-backend.ts";
import {
  type CommandResult,
  command,
  createJoinToken,
  createKey,
  type Instance,
  type InstanceOptions,
  startInstance,
  waitForModel,
} from "./instance.ts";

export type Stage = {
  executable: string;
  /** A fresh empty directory, 0700. */
  directory(name: string): string;
  /** Something to close at the end. */
  onClose(close: () => void | Promise<void>): void;
  start(options: Omit<InstanceOptions, "dataDirectory"> & { dataDirectory?: string }): Promise<Instance>;
  /** Starts it again after it has ended. */
  restart(instance: Instance): Promise<Instance>;
  backend(options?: FaultBackendOptions): FaultBackend;
  /** A coordinator with an API key. */
  coordinator(config?: string): Promise<{ coordinator: Instance; key: string }>;
  /** A node with these backends, joined to the coordinator by a fresh token; waits for nothing further. */
  node(coordinator: Instance, backendUrls: string[], config?: string): Promise<Instance>;
  run(instance: Instance, args: string[], options?: { stdin?: string }): Promise<CommandResult>;
  /** Waits until so many nodes serve the model. */
  served(instance: Instance, model: string, nodes?: number): Promise<void>;
  close(): Promise<void>;
};

/** TOML for a node that fronts these OpenAI-compatible servers. */
export const backendsToml = (urls: string[]): string =>
  urls.map((url) => `[[node.backends]]\nkind = "openai"\nurl = "${url}"\n`).join("");

/** `given`: another executable than the one that is built from here. */
export async function openStage(given?: string): Promise<Stage> {
  const executable = given ?? (await builtExecutable());
  const root = mkdtempSync(join(tmpdir(), "infernet-e2e-"));
  const closers: (() => void | Promise<void>)[] = [];
  const instances = new Set<Instance>();
  const kept = (instance: Instance) => {
    instances.add(instance);
    return instance;
  };
  const directory = (name: string) => mkdtempSync(join(root, `${name}-`));
  const start: Stage["start"] = async (options) =>
    kept(await startInstance(executable, { dataDirectory: directory(options.mode), ...options }));
  return {
    executable,
    directory,
    onClose: (close) => void closers.push(close),
    start,
    restart: async (instance) => kept(await instance.restart()),
    backend(options) {
      const backend = startFaultBackend(options);
      closers.push(() => backend.close());
      return backend;
    },
    async coordinator(config = "") {
      const coordinator = await start({ mode: "coordinator", config });
      return { coordinator, key: await createKey(executable, coordinator) };
    },
    async node(coordinator, backendUrls, config = "[node]") {
      const token = await createJoinToken(executable, coordinator);
      const toml = `${config}\njoin_token = "${token}"\n${backendsToml(backendUrls)}`;
      return start({ mode: "node", config: toml });
    },
    run: ({ dataDirectory }, args, options) => command(executable, dataDirectory, args, options),
    async served(instance, model, nodes = 1) {
      await waitForModel(executable, instance, { model, nodes });
    },
    async close() {
      // Killed, not stopped: how an instance stops is the matter of the tests that stop one.
      await Promise.all([...instances].filter((one) => one.running()).map((one) => one.kill9()));
      for (const close of closers.reverse()) await close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
