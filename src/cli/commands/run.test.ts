// run: from start to stop, with a stand-in for the mode.
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../config.ts";
import type { Running } from "../../modes/running.ts";
import { pubkeySchema } from "../../protocol/primitives.ts";
import { CliError } from "../cli-error.ts";
import type { Context } from "../context.ts";
import { runMode } from "./run.ts";

const directory = mkdtempSync(join(tmpdir(), "infernet-run-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const KEY = "inf_0123456789012345678901234567890123456789012";

function world({ tty = false, flags = {} }: { tty?: boolean; flags?: Record<string, string> } = {}) {
  const loaded = loadConfig({ flags, env: { INFERNET_DATA_DIR: directory }, cwd: directory });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const seen = { err: "", out: "", stops: [] as string[], again: 0 };
  let restart: (() => void) | undefined;
  let send: (signal: "SIGINT" | "SIGTERM") => void = () => undefined;
  const started = Promise.withResolvers<void>();
  const context: Context = {
    terminal: {
      out(text) {
        seen.out += text;
      },
      err(text) {
        seen.err += text;
        if (text.includes("answers at")) started.resolve();
      },
      readStdin: async () => "",
      question: async () => null,
      stdinIsTty: tty,
      stdoutIsTty: tty,
      stderrIsTty: tty,
      colors: false,
    },
    env: {},
    cwd: directory,
    fetch: () => Promise.reject(new TypeError("no network here")),
    nowMs: () => 0,
    onSignal(fn) {
      send = fn;
      return () => undefined;
    },
    shell: async () => 1,
    self: [],
    startAgain: () => void seen.again++,
  };
  const stopped = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<Error>();
  const running: Running = {
    mode: "both",
    url: "http://127.0.0.1:5",
    pubkey: pubkeySchema.parse("ab".repeat(32)),
    model: { name: "it's \u001b[2J\u202ea model", demo: false },
    apiKey: KEY,
    setupLink: null,
    dashboardLink: null,
    failed: failed.promise,
    stop(reason) {
      seen.stops.push(reason);
      return stopped.promise;
    },
  };
  const go = (mode = running) =>
    runMode(context, loaded.value, async () => async (input) => {
      restart = input.restart;
      return mode;
    });
  const goThrowing = (error: Error) => runMode(context, loaded.value, async () => () => Promise.reject(error));
  return {
    seen,
    go,
    goThrowing,
    running,
    restart: () => restart?.(),
    signal: (name: "SIGINT" | "SIGTERM") => send(name),
    started: started.promise,
    stopped,
    failed,
  };
}

describe("a run", () => {
  test("told to start again, stops first; a signal meanwhile ends it for good", async () => {
    for (const [signals, again] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const on = world();
      const ended = on.go();
      await on.started;
      on.restart();
      for (let i = 0; i < signals; i++) on.signal("SIGTERM");
      expect(on.seen.again).toBe(0);
      on.stopped.resolve();
      expect(await ended).toBe(0);
      expect(on.seen).toMatchObject({ again, stops: [signals === 0 ? "restart" : expect.any(String)] });
    }
  });

  test("shows the set-up link on a terminal, and writes it where only its owner reads it otherwise", async () => {
    const link = "http://127.0.0.1:5/setup#secret";
    const file = join(directory, "setup-link");
    for (const tty of [true, false]) {
      const on = world({ tty });
      const ended = on.go({ ...on.running, setupLink: link });
      await on.started;
      expect(on.seen.err.includes(link)).toBe(tty);
      expect(existsSync(file)).toBe(!tty);
      on.signal("SIGTERM");
      on.stopped.resolve();
      await ended;
    }
    expect([readFileSync(file, "utf8"), statSync(file).mode & 0o777]).toEqual([`${link}\n`, 0o600]);
  });

  test("ends well after SIGTERM, once everything has stopped", async () => {
    const { seen, go, signal, started, stopped } = world();
    const ended = go();
    await started;
    signal("SIGTERM");
    signal("SIGTERM");
    stopped.resolve();
    expect(await ended).toBe(0);
    expect(seen.stops).toEqual(["SIGTERM"]);
    expect(seen.out).toBe("");
  });

  test("a second Ctrl-C does not wait for the drain", async () => {
    const { seen, go, signal, started } = world({ tty: true });
    const ended = go();
    await started;
    signal("SIGINT");
    signal("SIGINT");
    expect(await ended).toBe(0);
    expect(seen.err).toContain("Ctrl-C again to stop at once");
  });

  test("ends with 1 and the reason when it cannot go on", async () => {
    const { seen, go, started, stopped, failed } = world();
    const ended = go().catch((error: unknown) => error);
    await started;
    failed.resolve(new Error("the disk is gone"));
    stopped.resolve();
    expect(await ended).toMatchObject({ exitCode: 1, message: "it had to stop: the disk is gone" });
    expect(seen.stops).toEqual(["the disk is gone"]);
  });

  test("says which port is taken", async () => {
    const { goThrowing } = world({ flags: { "server.port": "81" } });
    const error = await goThrowing(Object.assign(new Error("x"), { code: "EADDRINUSE" })).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CliError);
    expect(error).toMatchObject({ message: "127.0.0.1 port 81 is in use", hint: expect.stringContaining("--port") });
    const other = new Error("other");
    expect(await goThrowing(other).catch((e: unknown) => e)).toBe(other);
  });
});

describe("the banner", () => {
  const shown = async (tty: boolean, change: Partial<Running> = {}) => {
    const { seen, go, running, signal, started, stopped } = world({ tty });
    const ended = go({ ...running, ...change });
    await started;
    stopped.resolve();
    signal("SIGTERM");
    await ended;
    return seen.err;
  };

  test("on a terminal holds a call with the key to paste", async () => {
    const text = await shown(true);
    expect(text).toContain("answers at http://127.0.0.1:5\n");
    expect(text).toContain(`-H "Authorization: Bearer ${KEY}"`);
    expect(text).toContain(String.raw`-d '{"model":"it'\''s \u001b[2J\u202ea model"`);
    for (const sign of ["\u001b", "\u202e"]) expect(text).not.toContain(sign);
  });

  test("elsewhere, where it may end up in a log, names the key's file instead", async () => {
    const text = await shown(false);
    expect(text).not.toContain(KEY);
    expect(text).toContain(`$(cat ${join(directory, "local-api-key")})`);
  });

  test("says when the demo model answers, or none", async () => {
    expect(await shown(false, { model: { name: "demo", demo: true } })).toContain("built-in demo model (demo) answers");
    expect(await shown(false, { model: null })).toContain("No model is served yet");
    expect(await shown(false, { mode: "node", model: null })).not.toContain("curl");
    expect(await shown(false, { apiKey: null })).not.toContain("Authorization");
  });
});
