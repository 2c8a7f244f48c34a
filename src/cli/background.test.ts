// start, stop, restart and logs, on a stand-in process that takes the data directory's lock as an instance does.
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readOwner } from "../identity/lock.ts";
import type { Context } from "./context.ts";
import { runCli } from "./program.ts";

const directory = mkdtempSync(join(tmpdir(), "infernet-background-"));
/** Process ids of every stand-in, a line each. */
const PIDS = join(directory, "pids");
afterAll(() => {
  for (const pid of readFileSync(PIDS, "utf8").trim().split("\n").map(Number)) killIfThere(pid);
  rmSync(directory, { recursive: true, force: true });
});
/** Resolves once the system knows no such process. It lets go of its lock a little before that. */
async function gone(pid: number): Promise<void> {
  expect(pid).toBeGreaterThan(1);
  while (isThere(pid)) await Bun.sleep(5);
}
function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    return false;
  }
}
function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Locks the directory, says its flags and address, and stops at SIGTERM; with log level `error` it dies at once. It is
 * detached, as an instance is, so it looks for itself whether the tests are still there.
 */
const STAND_IN = join(directory, "stand-in.ts");
writeFileSync(
  STAND_IN,
  `import { appendFileSync } from "node:fs";
  import { lockDataDirectory } from ${JSON.stringify(join(import.meta.dirname, "../identity/lock.ts"))};
  appendFileSync(${JSON.stringify(PIDS)}, process.pid + "\\n");
  const dataDir = process.env.INFERNET_DATA_DIR;
  const args = process.argv.slice(2);
  console.error(JSON.stringify({ args, token: process.env.INFERNET_NODE_JOIN_TOKEN ?? null }));
  if (args.includes("--log-level=error")) {
    console.error("infernet: error: the port is taken\\ninfernet: hint: take another");
    process.exit(1);
  }
  const owner = { pid: process.pid, started_at_ms: 1, mode: "both", version: "1", url: null };
  const dir = { path: dataDir, file: (name) => dataDir + "/" + name };
  const lock = lockDataDirectory(dir, owner);
  lock.value.describe({ ...owner, url: "http://127.0.0.1:9" });
  process.on("SIGTERM", () => process.exit(0));
  const gone = () => {
    try {
      return !process.kill(${process.pid}, 0);
    } catch {
      return true;
    }
  };
  setInterval(() => gone() && process.exit(1), 100);
  `,
);

let dataDir = "";
const dir = () => ({ path: dataDir, file: (name: string) => join(dataDir, name) });
const logFile = () => join(dataDir, "infernet.log");
beforeEach(() => {
  dataDir = mkdtempSync(join(directory, "data-"));
});
afterEach(async () => {
  await cli(["stop", "--force"]);
});

type Ran = { code: number; out: string; err: string };
async function cli(argv: string[], signals?: (send: () => void, ran: Ran) => void): Promise<Ran> {
  const ran: Ran = { code: -1, out: "", err: "" };
  const context: Context = {
    terminal: {
      out(text) {
        ran.out += text;
      },
      err(text) {
        ran.err += text;
      },
      readStdin: async () => "",
      question: async () => null,
      stdinIsTty: false,
      stdoutIsTty: false,
      stderrIsTty: false,
      colors: false,
    },
    env: { ...process.env, INFERNET_DATA_DIR: dataDir },
    cwd: directory,
    fetch: () => Promise.reject(new TypeError("no network here")),
    nowMs: () => Date.now(),
    onSignal(fn) {
      signals?.(() => fn("SIGINT"), ran);
      return () => undefined;
    },
    shell: async () => 1,
    self: [process.execPath, STAND_IN],
  };
  ran.code = await runCli(argv, context);
  return ran;
}
const said = () =>
  readFileSync(logFile(), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { args: string[]; token: string | null });

describe("in the background", () => {
  test("start waits until it answers; a second start is refused; stop waits until it is gone", async () => {
    const started = await cli(["start", "--port", "5"]);
    const owner = readOwner(dir());
    expect(started).toMatchObject({ code: 0, out: `infernet answers at http://127.0.0.1:9 (pid ${owner?.pid})\n` });
    expect(said()).toEqual([{ args: ["run", "--server-port=5"], token: null }]);
    expect(statSync(logFile()).mode & 0o077).toBe(0);
    expect(await cli(["start"])).toMatchObject({
      code: 1,
      err: expect.stringContaining(`already running (pid ${owner?.pid})`),
    });
    expect(await cli(["stop"])).toMatchObject({ code: 0, out: `infernet (pid ${owner?.pid}) has stopped\n` });
    await gone(owner?.pid ?? 0);
    expect(await cli(["stop"])).toMatchObject({ code: 0, out: "infernet was not running\n" });
  });

  test("a start that dies says what it said", async () => {
    appendFileSync(logFile(), "infernet: error: from an earlier run\n");
    const { code, err } = await cli(["start", "--log-level", "error"]);
    expect({ code, err }).toEqual({
      code: 1,
      err: "infernet: error: the port is taken\ninfernet: hint: take another\n",
    });
  });

  test("restart keeps the flags of start under those given now; secrets do not show in ps", async () => {
    await cli(["start", "--port", "5", "--server-max-body-mib", "9", "--join", "infjoin_secret"]);
    await cli(["restart", "--port", "6"]);
    const [first, second] = said().slice(-2);
    expect(first).toEqual({ args: ["run", "--server-port=5", "--server-max-body-mib=9"], token: "infjoin_secret" });
    expect(second).toEqual({ args: ["run", "--server-port=6", "--server-max-body-mib=9"], token: "infjoin_secret" });
    expect(statSync(join(dataDir, "start.json")).mode & 0o077).toBe(0);
  });
});

describe("logs", () => {
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `line ${from + i} ünï\n`).join("");

  test("prints the last lines, whole, made harmless", async () => {
    writeFileSync(logFile(), lines(0, 20_000));
    expect(await cli(["logs", "-n", "3"])).toEqual({ code: 0, out: lines(19_997, 20_000), err: "" });
    expect((await cli(["logs"])).out).toBe(lines(19_900, 20_000));
    expect((await cli(["logs", "-n", "30000"])).out).toBe(lines(0, 20_000));
    expect((await cli(["logs", "-n", "0"])).out).toBe("");
    appendFileSync(logFile(), "\u001b[2Jgone\n");
    expect((await cli(["logs", "-n", "1"])).out).toBe("\\u{1b}[2Jgone\n");
  });

  test("without a log says how to get one", async () => {
    expect(await cli(["logs"])).toMatchObject({
      code: 1,
      err: expect.stringContaining(`there is no log at ${logFile()}`),
    });
  });

  test("-f goes on with what comes, also in a new file, until a signal", async () => {
    writeFileSync(logFile(), lines(0, 5));
    let stop: () => void = () => undefined;
    let seen: Ran = { code: -1, out: "", err: "" };
    const following = cli(["logs", "-f", "-n", "1"], (send, ran) => {
      stop = send;
      seen = ran;
    });
    const shown = async (text: string) => {
      while (!seen.out.endsWith(text)) await Bun.sleep(5);
    };
    await shown(lines(4, 5));
    appendFileSync(logFile(), lines(5, 7));
    await shown(lines(5, 7));
    writeFileSync(logFile(), "new\n");
    await shown("new\n");
    stop();
    expect(await following).toEqual({ code: 0, out: `${lines(4, 7)}new\n`, err: "" });
  });
});
