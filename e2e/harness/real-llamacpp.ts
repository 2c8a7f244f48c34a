// Real llama.cpp: its server with the demo model, one model or as a router, on a free port of this machine.
import { copyFileSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { waitFor } from "./wait-for.ts";

/** `LLAMA_SERVER`, else what is on the PATH; null where there is none. */
export const llamaServerBinary: string | null = process.env.LLAMA_SERVER || Bun.which("llama-server");

export const DEMO = resolve(import.meta.dir, "../../src/backends/embedded/demo/infernet-demo.gguf");

export type RealLlamaServer = {
  url: string;
  /** Ends at once, as in a crash. */
  kill(): Promise<void>;
  stop(): Promise<void>;
};

/** One thread: two on a shared machine wait for each other. `port` is for one that is to come back. */
export async function startLlamaServer(args: string[], port?: number): Promise<RealLlamaServer> {
  const listensOn = port ?? (await freePort());
  const url = `http://127.0.0.1:${listensOn}`;
  const command = [llamaServerBinary ?? "", "--host", "127.0.0.1", "--port", `${listensOn}`, "-t", "1", ...args];
  const server = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  await waitFor("llama-server", async () => (await fetch(`${url}/health`).catch(() => null))?.ok === true);
  const end = async (signal: NodeJS.Signals) => {
    server.kill(signal);
    await server.exited;
  };
  return { url, kill: () => end("SIGKILL"), stop: () => end("SIGTERM") };
}

/** A router over copies of the demo model, by their names. */
export async function startRouter(names: string[], args: string[]): Promise<RealLlamaServer> {
  const folder = mkdtempSync(join(tmpdir(), "infernet-real-llamacpp-"));
  for (const name of names) copyFileSync(DEMO, join(folder, `${name}.gguf`));
  const router = await startLlamaServer(["--models-dir", folder, ...args]);
  return {
    ...router,
    async stop() {
      await router.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}
