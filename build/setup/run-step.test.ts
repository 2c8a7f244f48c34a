import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runStep } from "./run-step.ts";

let logs: string;
beforeAll(() => {
  logs = mkdtempSync(join(tmpdir(), "infernet-step-"));
});
afterAll(() => rmSync(logs, { recursive: true, force: true }));

const script = (text: string, limitS = 30) => ({ name: "a step", command: ["sh", "-c", text], limitS });

/** Resolves once the process is gone, or dead and waiting for its parent. Never resolves where it lives on. */
async function gone(pid: number): Promise<void> {
  expect(pid).toBeGreaterThan(1);
  while (isAlive(pid)) await Bun.sleep(5);
}

function isAlive(pid: number): boolean {
  if (!existsSync("/proc/self/stat")) return Bun.spawnSync(["kill", "-0", String(pid)]).exitCode === 0;
  try {
    return !/ [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (error) {
    // ENOENT, or ESRCH when it goes while being read.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

test("gives back exit code and both outputs, and keeps them in a file", async () => {
  const result = await runStep(script("echo out; echo err >&2; exit 3"), logs);
  expect(result.exitCode).toBe(3);
  expect(result.timedOut).toBe(false);
  expect(result.output).toBe("out\nerr\n");
  expect(await Bun.file(result.log).text()).toBe(result.output);
});

test("stops a step that takes too long, with all that it started", async () => {
  // A slow machine stops it before it has said what it started: then it is given longer.
  for (let limitS = 0.3, said = ""; said === ""; limitS *= 2) {
    const result = await runStep(script("sleep 1000 & echo $!; sleep 1000", limitS), logs);
    expect(result.timedOut).toBe(true);
    expect(result.exitCode).not.toBe(0);
    said = result.output.trim();
    if (said !== "") await gone(Number(said));
  }
});

test("leaves nothing running behind a step that ended", async () => {
  const result = await runStep(script("sleep 1000 & echo $!"), logs);
  expect(result.timedOut).toBe(false);
  await gone(Number(result.output.trim()));
});

test("hides a developer's own settings from the tests, and puts the repository's tools first", async () => {
  process.env.INFERNET_SERVER_PORT = "1";
  try {
    const { output } = await runStep(script("printenv INFERNET_SERVER_PORT || echo unset; echo $PATH"), logs);
    expect(output).toStartWith("unset\n");
    expect(output.split("\n")[1]).toMatch(/^[^:]*node_modules\/\.bin/);
  } finally {
    delete process.env.INFERNET_SERVER_PORT;
  }
});
