// Processes: the operating system's list of them with their CPU time, and who listens where a backend is.
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { RunTool } from "../device/tool.ts";
import type { ProcessRow } from "./foreign-load.ts";

/** A tick of /proc/[pid]/stat (USER_HZ, 100 a second on every Linux that Bun runs on). */
const TICK_MS = 10;

/** Null where the platform has no cheap list. `proc`: the mount of procfs. */
export async function listProcesses(
  run: RunTool,
  platform: NodeJS.Platform = process.platform,
  proc = "/proc",
): Promise<ProcessRow[] | null> {
  if (platform === "linux") return linuxProcesses(proc);
  if (platform === "win32") return null;
  const answer = await run(["ps", "-axo", "pid=,ppid=,time=,comm="]);
  return answer.ok ? parsePs(answer.value) : null;
}

async function linuxProcesses(proc: string): Promise<ProcessRow[]> {
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name));
  const rows = await Promise.all(pids.map(async (pid) => parseStat(await readOrNothing(join(proc, pid, "stat")))));
  return rows.filter((row) => row !== null);
}

/** Empty where the process has gone in the meantime. */
const readOrNothing = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");

/** `pid (name) state ppid …` (proc_pid_stat(5)): the name may hold anything, so it is cut at the last parenthesis. */
export function parseStat(text: string): ProcessRow | null {
  const from = text.indexOf("(");
  const to = text.lastIndexOf(")");
  if (from < 0 || to < from) return null;
  const fields = text
    .slice(to + 2)
    .split(" ")
    .map(Number);
  const [pid, parent, user, system] = [Number(text.slice(0, from)), fields[1], fields[11], fields[12]];
  if (parent === undefined || user === undefined || system === undefined) return null;
  if (![pid, parent, user, system].every(Number.isSafeInteger)) return null;
  return { pid, parent, name: text.slice(from + 1, to), cpuMs: (user + system) * TICK_MS };
}

/** Rows of `ps`: pid, parent, `[dd-]hh:mm:ss` or `mm:ss.cc`, path. Null where one does not fit. */
export function parsePs(text: string): ProcessRow[] | null {
  const rows: ProcessRow[] = [];
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const match = /^\s*(\d+)\s+(\d+)\s+(?:(\d+)-)?((?:\d+:)?\d+:\d+(?:\.\d+)?)\s+(.+)$/.exec(line);
    if (!match) return null;
    const [, pid, parent, days = 0, clock = "", path = ""] = match;
    const seconds = clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
    const name = path.trim().split("/").at(-1) ?? path;
    rows.push({
      pid: Number(pid),
      parent: Number(parent),
      name,
      cpuMs: Math.round((Number(days) * 86_400 + seconds) * 1000),
    });
  }
  return rows;
}

/** Processes that listen on a TCP port of this machine, as far as this user may see. */
export async function listenersOn(
  run: RunTool,
  ports: readonly number[],
  platform: NodeJS.Platform = process.platform,
  proc = "/proc",
): Promise<Set<number>> {
  if (ports.length === 0) return new Set();
  if (platform === "linux") return linuxListeners(ports, proc);
  if (platform === "win32") return new Set();
  const selection = `-iTCP:${ports.join(",")}`;
  const answer = await run(["lsof", "-nP", "-sTCP:LISTEN", "-t", selection]);
  return new Set(answer.ok ? answer.value.split("\n").filter(Boolean).map(Number) : []);
}

/** Sockets by port from /proc/net/tcp (state 0A listens), processes by socket from their open files. */
async function linuxListeners(ports: readonly number[], proc: string): Promise<Set<number>> {
  const tables = await Promise.all(["net/tcp", "net/tcp6"].map((file) => readOrNothing(join(proc, file))));
  const sockets = new Set(tables.flatMap((table) => listeningInodes(table, ports)).map((inode) => `socket:[${inode}]`));
  const found = new Set<number>();
  if (sockets.size === 0) return found;
  for (const pid of await readdir(proc)) {
    if (!/^\d+$/.test(pid)) continue;
    const files = join(proc, pid, "fd");
    const names = await readdir(files).catch(() => []); // Another user's: not to be seen.
    const links = await Promise.all(names.map((name) => readlink(join(files, name)).catch(() => "")));
    if (links.some((link) => sockets.has(link))) found.add(Number(pid));
  }
  return found;
}

export function listeningInodes(table: string, ports: readonly number[]): string[] {
  const inodes: string[] = [];
  for (const line of table.split("\n").slice(1)) {
    const cells = line.trim().split(/\s+/);
    const port = Number.parseInt(cells[1]?.split(":").at(-1) ?? "", 16);
    const inode = cells[9];
    if (cells[3] === "0A" && inode !== undefined && ports.includes(port)) inodes.push(inode);
  }
  return inodes;
}
