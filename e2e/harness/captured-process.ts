// Captured process: a child whose output is kept, with waiting for a line of it and for its end. All waiting is bounded
// and says what the process printed.
import { DEADLINE_MS, type WaitOptions, within } from "./wait-for.ts";

export type Exit = { code: number | null; signal: string | null };

export type CapturedProcess = {
  pid: number;
  /** All it has printed on both streams so far, in the order of arrival. */
  output(): string;
  /** The first match in its output, now or when it comes. */
  waitForOutput(pattern: RegExp, options?: WaitOptions): Promise<RegExpMatchArray>;
  /** Resolves when it has ended. */
  exited: Promise<Exit>;
  running(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, then waits for the end. SIGKILL and an error where it does not come. */
  stop(options?: WaitOptions): Promise<Exit>;
  /** SIGKILL, then waits for the end. */
  kill9(): Promise<Exit>;
};

export type SpawnOptions = { cwd: string; env: Record<string, string> };

async function pump(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const bytes of stream) take(decoder.decode(bytes, { stream: true }));
}

export function spawnCaptured(command: string[], { cwd, env }: SpawnOptions): CapturedProcess {
  const child = Bun.spawn(command, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  const watchers = new Set<() => void>();
  const take = (text: string) => {
    printed += text;
    for (const watcher of watchers) watcher();
  };
  const drained = Promise.all([pump(child.stdout, take), pump(child.stderr, take)]);
  const exited = child.exited.then(async (): Promise<Exit> => {
    await drained;
    return { code: child.exitCode, signal: child.signalCode === null ? null : `${child.signalCode}` };
  });
  const detail = () => `output of ${command.join(" ")} (pid ${child.pid}):\n${printed.slice(-8000)}`;

  const self: CapturedProcess = {
    pid: child.pid,
    output: () => printed,
    async waitForOutput(pattern, options = {}) {
      const found = Promise.withResolvers<RegExpMatchArray>();
      const look = () => {
        const match = printed.match(pattern);
        if (match) found.resolve(match);
      };
      watchers.add(look);
      look();
      const ended = exited.then(({ code, signal }) => {
        look();
        throw new Error(`the process ended (${signal ?? code}) before it printed ${pattern}\n${detail()}`);
      });
      try {
        return await within(`${pattern}`, Promise.race([found.promise, ended]), { detail, ...options });
      } finally {
        watchers.delete(look);
      }
    },
    exited,
    running: () => child.exitCode === null && child.signalCode === null,
    signal: (signal) => child.kill(signal),
    async stop(options = {}) {
      child.kill("SIGTERM");
      try {
        return await within("the process to end after SIGTERM", exited, {
          deadlineMs: DEADLINE_MS,
          detail,
          ...options,
        });
      } catch (error) {
        child.kill("SIGKILL");
        throw error;
      }
    },
    kill9() {
      child.kill("SIGKILL");
      return within("the process to end after SIGKILL", exited, { detail });
    },
  };
  return self;
}
