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
import { booksOf, faultsOf } from "./money.ts";

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

export type StageOptions = {
  /** Another executable than the one that is built from here. */
  executable?: string;
  /**
   * Coordinators charge for everything, nodes ask for something, and the client has plenty. At the end the books are
   * looked at, whatever was killed meanwhile: `close` rejects where something is wrong with them.
   */
  charges?: boolean;
};

const CHARGING = '[billing]\nmode = "credits"\n';
/** µ$ per million tokens; by environment, so that a test's own table of the node stays as it is. */
const ASKING = { INFERNET_NODE_PRICE_INPUT: "1000000", INFERNET_NODE_PRICE_OUTPUT: "2000000" };
/** µ$: more than any test spends. */
const PLENTY = 1_000_000_000_000;

export async function openStage({ executable: given, charges = false }: StageOptions = {}): Promise<Stage> {
  const executable = given ?? (await builtExecutable());
  const root = mkdtempSync(join(tmpdir(), "infernet-e2e-"));
  const closers: (() => void | Promise<void>)[] = [];
  const instances = new Set<Instance>();
  const charging = new Set<string>();
  const kept = (instance: Instance) => {
    instances.add(instance);
    return instance;
  };
  const directory = (name: string) => mkdtempSync(join(root, `${name}-`));
  const start: Stage["start"] = async (options) => {
    const env = charges && options.mode === "node" ? { ...ASKING, ...options.env } : (options.env ?? {});
    return kept(await startInstance(executable, { dataDirectory: directory(options.mode), ...options, env }));
  };
  /** What is wrong with the books of the coordinators that charged, a line each. */
  const wrong = async (): Promise<string[]> => {
    const faults: string[] = [];
    for (const one of charging) {
      const books = await booksOf(one);
      faults.push(...faultsOf(await books.check()));
      await books.close();
    }
    charging.clear();
    return faults;
  };
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
      const coordinator = await start({ mode: "coordinator", config: charges ? `${config}\n${CHARGING}` : config });
      if (charges) {
        charging.add(coordinator.dataDirectory);
        const books = await booksOf(coordinator.dataDirectory);
        await books.grant(PLENTY);
        await books.close();
      }
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
      instances.clear();
      const faults = await wrong();
      for (const close of closers.splice(0).reverse()) await close();
      rmSync(root, { recursive: true, force: true });
      if (faults.length > 0) throw new Error(`the books are wrong:\n${faults.join("\n")}`);
    },
  };
}
