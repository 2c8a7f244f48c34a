// Process tables: the formats of Linux and of ps, and this very machine.
import { describe, expect, test } from "bun:test";
import { ok } from "../../lib/result.ts";
import { parseIoreg } from "../device/apple.ts";
import { runTool } from "../device/tool.ts";
import { foreignLoad } from "./foreign-load.ts";
import { listenersOn, listeningInodes, listProcesses, parsePs, parseStat } from "./processes.ts";
import { meter } from "./reading.ts";

describe("/proc/[pid]/stat", () => {
  const rest = "S 1 10 10 0 -1 4194304 100 200 0 0 150 50 7 8 20 0 1 0 123 1000 50";
  test("a name may hold spaces and parentheses", () => {
    expect(parseStat(`42 (a) (b c) ${rest}`)).toEqual({ pid: 42, parent: 1, name: "a) (b c", cpuMs: 2_000 });
  });
  test.each(["", "42", "42 (x", "42 (x) S", `x (x) ${rest}`])("%j is none", (text) => {
    expect(parseStat(text)).toBeNull();
  });
});

// As `ps -axo pid=,ppid=,time=,comm=` prints it on macOS (fixture; written after ps(1), no Mac was at hand).
const MACOS_PS = `    1     0   0:12.34 /sbin/launchd
  501     1 123:04.50 /Applications/Ollama.app/Contents/Resources/ollama
  777   501   1:02:03 /usr/bin/long running
  888     1 2-01:00:00 vm
`;
test("ps, in all its ways to write a time", () => {
  expect(parsePs(MACOS_PS)).toEqual([
    { pid: 1, parent: 0, name: "launchd", cpuMs: 12_340 },
    { pid: 501, parent: 1, name: "ollama", cpuMs: (123 * 60 + 4.5) * 1000 },
    { pid: 777, parent: 501, name: "long running", cpuMs: 3_723_000 },
    { pid: 888, parent: 1, name: "vm", cpuMs: 49 * 3600 * 1000 },
  ]);
  expect(parsePs("garbage\n")).toBeNull();
});

test("this process and its child are in this machine's list, by /proc and by ps", async () => {
  const child = Bun.spawn(["sleep", "60"]);
  try {
    for (const platform of ["linux", "darwin"] as const) {
      const rows = await listProcesses(runTool, platform);
      expect(rows?.find(({ pid }) => pid === process.pid)?.parent).toBe(process.ppid);
      expect(rows?.find(({ pid }) => pid === child.pid)).toMatchObject({ parent: process.pid, name: "sleep" });
    }
    expect(await listProcesses(runTool, "win32")).toBeNull();
  } finally {
    child.kill("SIGKILL");
  }
});

describe("listeners", () => {
  test("who listens on a port is found, a client of it is not", async () => {
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("ok") });
    const port = server.port ?? 0;
    expect([...(await listenersOn(runTool, [port]))]).toEqual([process.pid]);
    expect((await listenersOn(runTool, [1])).size).toBe(0);
    expect((await listenersOn(runTool, [])).size).toBe(0);
  });

  // Lines of /proc/net/tcp6 and tcp: 2CAA is 11434; 0A listens, 01 is a connection.
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2CAA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 31337 1 0000000000000000
   1: 0100007F:2CAA 0100007F:D431 01 00000000:00000000 00:00000000 00000000   998        0 31338 1 0000000000000000
   2: 00000000000000000000000000000000:2CAA 00000000000000000000000000000000:0000 0A 0:0 0:0 0 998 0 31339 1 0
   3: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31340 1 0000000000000000
`;
  test("only sockets that listen on the port count", () => {
    expect(listeningInodes(table, [11_434])).toEqual(["31337", "31339"]);
  });

  test("lsof is asked where there is no /proc", async () => {
    const asked: string[][] = [];
    const pids = await listenersOn(
      async (command) => {
        asked.push([...command]);
        return ok("501\n502\n");
      },
      [11_434, 8000],
      "darwin",
    );
    expect([...pids]).toEqual([501, 502]);
    expect(asked).toEqual([["lsof", "-nP", "-sTCP:LISTEN", "-t", "-iTCP:11434,8000"]]);
  });
});

describe("a reading", () => {
  const deps = { nowMs: () => Date.now(), gpuPercent: 20 };

  test("of this machine has times that go on, and this process", async () => {
    const reads = meter({ ...deps, backends: [] });
    const [first, second] = [await reads.read(), await reads.read()];
    expect(second?.cpuTotalMs).toBeGreaterThanOrEqual(first?.cpuTotalMs ?? Number.POSITIVE_INFINITY);
    expect(first?.processes?.some(({ pid }) => pid === process.pid)).toBe(true);
  });

  test("work of a child is this process's own, and foreign to everybody else", async () => {
    const reads = meter({ ...deps, backends: [] });
    const before = await reads.read();
    const count = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read _";
    const child = Bun.spawn(["sh", "-c", count], { stdin: "pipe", stdout: "pipe" });
    try {
      await child.stdout.getReader().read();
      const after = await reads.read();
      if (!before || !after) throw new Error("nothing could be read");
      const own = await reads.own();
      const mine = foreignLoad(before, after, { ...own, working: false }).cpuPercent ?? Number.NaN;
      const nobodys = foreignLoad(before, after, { roots: new Set(), names: new Set(), working: false }).cpuPercent;
      expect(nobodys).toBeGreaterThan(mine);
      const spentMs = after.processes?.find(({ pid }) => pid === child.pid)?.cpuMs ?? 0;
      expect(spentMs).toBeGreaterThan(20);
      const share = (100 * spentMs) / (after.cpuTotalMs - before.cpuTotalMs);
      expect((nobodys ?? 0) - mine).toBeGreaterThanOrEqual(share * 0.5);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("own are this process, who listens for a backend here, and local backends' names", async () => {
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("ok") });
    const reads = meter({
      ...deps,
      backends: [
        { kind: "ollama", url: `http://127.0.0.1:${server.port}` },
        { kind: "vllm", url: "http://10.0.0.9:8000" },
        { kind: "embedded", url: null },
      ],
    });
    const { roots, names } = await reads.own();
    expect([...roots]).toEqual([process.pid]);
    expect(names.has("ollama")).toBe(true);
    expect(names.has("vllm")).toBe(false);
  });

  test("an Apple GPU's use is the largest that ioreg says", () => {
    const text = '"PerformanceStatistics" = {"Device Utilization %"=37,"Renderer Utilization %"=90}';
    expect(parseIoreg(text)).toBe(37);
    expect(parseIoreg("nothing")).toBeNull();
  });
});
