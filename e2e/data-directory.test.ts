// The data directory: one process at a time, secrets that are secret, a database that this program understands. Where
// something is wrong the start is refused, with the mend.
import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command, createKey, type Instance } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";

let stage: Stage;
let coordinator: Instance;
beforeAll(async () => {
  stage = await openStage();
});
beforeEach(async () => {
  coordinator = await stage.start({ mode: "coordinator" });
});
afterEach(async () => {
  if (coordinator.running()) await coordinator.kill9();
});
afterAll(() => stage.close());

const again = (...args: string[]) => stage.run(coordinator, ["--mode=coordinator", "--port", "0", ...args, "run"]);
const STACK_TRACE = /^\s+at .*:\d+:\d+/m;

test("a second process is refused, and told who has the directory and what to do", async () => {
  const second = await again();
  expect(second.code).toBe(1);
  expect(second.stdout).toBe("");
  expect(second.stderr).toContain(`pid ${coordinator.pid}`);
  expect(second.stderr).toContain("infernet stop");
  expect(second.stderr).toContain("--data-dir");
  expect(second.stderr).not.toMatch(STACK_TRACE);
  expect((await fetch(`${coordinator.url}/readyz`)).status).toBe(200);
});

test("of ten started at once on an empty directory, one runs", async () => {
  const dataDirectory = stage.directory("raced");
  const flags = ["--mode=coordinator", "--port", "0", "run"];
  const children = Array.from({ length: 10 }, () =>
    Bun.spawn([stage.executable, "--data-dir", dataDirectory, ...flags], {
      env: { PATH: process.env.PATH ?? "", HOME: dataDirectory },
      stdio: ["ignore", "ignore", "pipe"],
    }),
  );
  const exits: number[] = [];
  const nine = Promise.withResolvers<void>();
  for (const child of children) {
    void child.exited.then((code) => {
      exits.push(code);
      if (exits.length === 9) nine.resolve();
    });
  }
  await nine.promise;
  expect(exits).toEqual(Array<number>(9).fill(1));
  for (const child of children) child.kill("SIGTERM");
  await Promise.all(children.map((child) => child.exited));
  expect(exits.at(-1)).toBe(0);
});

test("a killed process leaves the directory free", async () => {
  await coordinator.kill9();
  coordinator = await stage.restart(coordinator);
  expect((await fetch(`${coordinator.url}/readyz`)).status).toBe(200);
});

test("a database newer than the program is refused, and left as it is", async () => {
  const file = join(coordinator.dataDirectory, "infernet.db");
  await coordinator.stop();
  const database = new Database(file);
  const columns = database.query("SELECT * FROM schema_migrations LIMIT 0").columnNames;
  expect(columns.slice(0, 3)).toEqual(["n", "name", "checksum"]);
  database.run("INSERT INTO schema_migrations VALUES (9999, '9999_from_the_future', 'x', 1)");
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  const before = readFileSync(file);
  const refused = await again();
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("9999_from_the_future");
  expect(refused.stderr).toMatch(/newer infernet|older backup/);
  expect(refused.stderr).not.toMatch(STACK_TRACE);
  expect(readFileSync(file).equals(before)).toBe(true);
  const migrate = await stage.run(coordinator, ["--mode=coordinator", "migrate"]);
  expect(migrate).toMatchObject({ code: 1 });
  expect(migrate.stderr).toContain("9999_from_the_future");
});

test("a file that is no database is refused in words", async () => {
  await coordinator.stop();
  writeFileSync(join(coordinator.dataDirectory, "infernet.db"), "this is not a database, ".repeat(1000));
  const refused = await again();
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/infernet: error: .*database/);
  expect(refused.stderr).not.toMatch(STACK_TRACE);
});

test("every secret that others can read stops the start, with the mend that works", async () => {
  await createKey(stage.executable, coordinator);
  await coordinator.stop();
  const files = readdirSync(coordinator.dataDirectory).filter((name) => {
    const stat = statSync(join(coordinator.dataDirectory, name));
    return stat.isFile() && /key/.test(name);
  });
  expect(files.length).toBeGreaterThanOrEqual(3); // coordinator key, master key, local API key
  for (const name of files) {
    const path = join(coordinator.dataDirectory, name);
    chmodSync(path, 0o644);
    const refused = await again();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(path);
    expect(refused.stderr).toContain("0644");
    const mend = refused.stderr.match(/`chmod 600 [^`]+`/)?.[0].slice(1, -1) ?? "";
    expect(mend).toBe(`chmod 600 ${path}`);
    Bun.spawnSync(mend.split(" "));
  }
  coordinator = await stage.restart(coordinator);
  expect((await fetch(`${coordinator.url}/readyz`)).status).toBe(200);
});

test("a directory that others can enter is refused or closed, not used as it is", async () => {
  await coordinator.stop();
  chmodSync(coordinator.dataDirectory, 0o755);
  const answer = await command(stage.executable, coordinator.dataDirectory, ["--mode=coordinator", "keys", "list"]);
  const closed = (statSync(coordinator.dataDirectory).mode & 0o077) === 0;
  expect(closed || (answer.code === 1 && answer.stderr.includes("chmod 700"))).toBe(true);
});

test("two instances have keys of their own", async () => {
  const other = await stage.start({ mode: "coordinator" });
  const keyOf = async (instance: Instance) =>
    (JSON.parse((await stage.run(instance, ["status", "--json"])).stdout) as { pubkey: string }).pubkey;
  expect(await keyOf(other)).not.toBe(await keyOf(coordinator));
  await other.kill9();
});
