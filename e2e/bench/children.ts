// Children: starts and stops the processes of a benchmark run, each with its tree, and waits until they answer.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { isAlive, treeOf } from "./process-tree.ts";

export type StartOptions = { env?: Record<string, string> };
export type Children = {
  /** Starts a command in the scratch folder, its output in a log file there. Returns its pid. */
  start(command: string[], options?: StartOptions): number;
  /** SIGTERM to the whole tree, SIGKILL to what is left after two seconds; resolves when all are gone. */
  stop(pid: number): Promise<void>;
  stopAll(): Promise<void>;
};

const TERM_WAIT_MS = 2000;
const POLL_MS = 2;

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has gone meanwhile.
  }
}

/** `directory` takes the logs. */
export function childrenIn(directory: string): Children {
  const running = new Map<number, Bun.Subprocess>();
  const watch = async (child: Bun.Subprocess, command: string[]) => {
    await child.exited;
    // A target that dies by itself explains whatever is bad after that.
    if (!running.delete(child.pid)) return;
    console.error(
      `ended by itself (${child.signalCode ?? child.exitCode}): ${command.join(" ")}; logs in ${directory}`,
    );
  };
  const stop = async (pid: number) => {
    const child = running.get(pid);
    running.delete(pid);
    const tree = treeOf(pid);
    for (const member of tree) signalTo(member, "SIGTERM");
    const deadline = performance.now() + TERM_WAIT_MS;
    while (tree.some(isAlive) && performance.now() < deadline) await Bun.sleep(POLL_MS);
    for (const member of tree) signalTo(member, "SIGKILL");
    await child?.exited;
  };
  return {
    start(command, { env = {} } = {}) {
      const log = Bun.file(join(directory, `${randomUUID()}.log`));
      const child = Bun.spawn(command, {
        cwd: directory,
        env: { ...process.env, ...env },
        stdio: ["ignore", log, log],
      });
      running.set(child.pid, child);
      void watch(child, command);
      return child.pid;
    },
    stop,
    async stopAll() {
      for (const pid of [...running.keys()]) await stop(pid);
    },
  };
}

/** Asks `attempt` again and again until it says true; false when `limitMs` has passed. */
export async function until(attempt: () => Promise<boolean>, limitMs = 30_000): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline) {
    if (await attempt()) return true;
    await Bun.sleep(POLL_MS);
  }
  return false;
}

/** True where the address answers 2xx now. */
export async function answers(url: string): Promise<boolean> {
  try {
    const reply = await fetch(url, { keepalive: false, signal: AbortSignal.timeout(2000) });
    await reply.arrayBuffer();
    return reply.ok;
  } catch {
    return false; // not up yet
  }
}

/** True where a chat endpoint gives a right short answer now. */
export async function chats(target: {
  url: string;
  headers?: Record<string, string>;
  model?: string;
}): Promise<boolean> {
  try {
    const reply = await fetch(target.url, {
      method: "POST",
      keepalive: false,
      headers: { "content-type": "application/json", ...target.headers },
      body: JSON.stringify({
        model: target.model ?? "bench-model",
        max_tokens: 4,
        messages: [{ role: "user", content: "x" }],
      }),
      signal: AbortSignal.timeout(10_000),
    });
    const body = (await reply.json()) as { choices?: { message?: { content?: string } }[] };
    return Boolean(body.choices?.[0]?.message?.content);
  } catch {
    return false; // not up yet, or not JSON
  }
}

/** A port of the loopback interface that nobody listens on now. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
