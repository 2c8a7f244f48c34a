// Main: argv → cli. The only file that touches process.exit. What must start fast (version, the engine's child) is
// answered before anything else is loaded.
import { realpathSync } from "node:fs";
import type { Context, Terminal } from "./cli/context.ts";
import { versionText } from "./version.ts";

const stdout = process.stdout;
const stderr = process.stderr;

const terminal: Terminal = {
  out: (text) => void stdout.write(text),
  err: (text) => void stderr.write(text),
  readStdin: () => Bun.stdin.text(),
  question: async (prompt) => (await import("./cli/question.ts")).question(prompt),
  stdinIsTty: process.stdin.isTTY === true,
  stdoutIsTty: stdout.isTTY === true,
  stderrIsTty: stderr.isTTY === true,
  get columns() {
    return stderr.columns ?? 80;
  },
  colors: stderr.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb",
};

/** In the executable the runtime is the program; in development it must be told the entry. */
const compiled = import.meta.path.startsWith("/$bunfs/") || import.meta.path.includes("~BUN");
const self = compiled ? [process.execPath] : [process.execPath, realpathSync(import.meta.path)];

const SHELL = process.platform === "win32" ? ["cmd", "/d", "/c"] : ["sh", "-c"];

/** The same process id, terminal and supervisor; only what runs is new. Windows has no such call. */
function startAgain(): Pick<Context, "startAgain"> {
  const { execve } = process;
  const [file] = self;
  if (process.platform === "win32" || !execve || !file) return {};
  return { startAgain: () => execve(file, [...self, ...process.argv.slice(2)], process.env) };
}

const context: Context = {
  terminal,
  env: process.env,
  cwd: process.cwd(),
  fetch: (input, init) => fetch(input, init),
  nowMs: () => Date.now(),
  onSignal(fn) {
    process.on("SIGINT", fn);
    process.on("SIGTERM", fn);
    return () => {
      process.off("SIGINT", fn);
      process.off("SIGTERM", fn);
    };
  },
  shell: (command) => Bun.spawn([...SHELL, command], { stdin: "inherit", stdout: 2, stderr: "inherit" }).exited,
  self,
  ...startAgain(),
};

/** Ends once what was written has left the process, so that nothing piped is cut short. */
async function exit(code: number): Promise<never> {
  await Promise.all([stdout, stderr].map((stream) => new Promise((done) => stream.write("", done))));
  process.exit(code);
}

async function main(argv: string[]): Promise<number> {
  const [first, ...rest] = argv;
  if (rest.length === 0 && (first === "version" || first === "--version" || first === "-V")) {
    terminal.out(`infernet ${versionText}\n`);
    return 0;
  }
  if (first === "engine") {
    const { runEngineChild } = await import("./backends/embedded/engine-child.ts");
    await runEngineChild();
    return 0;
  }
  const { runCli } = await import("./cli/program.ts");
  return runCli(argv, context);
}

// A reader that went away (`infernet logs | head`) is no fault.
stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

await exit(await main(process.argv.slice(2)));
