// Up: `bun run up` on a machine with node and npm only. Installs, builds where the sources are newer, starts infernet
// in the foreground, waits until it answers and prints its address, a key and a call to paste. Where one already runs
// on the data directory, prints the same and ends. Flags go to infernet: `bun run up --port 8080`.
import { setTimeout as sleep } from "node:timers/promises";
import { curlLines } from "../src/cli/banner.ts";
import { isStale } from "./setup/freshness.ts";
import {
  effectiveConfig,
  firstModel,
  isReady,
  keyFile,
  lastOwner,
  readLocalKey,
  runningOwner,
} from "./setup/instance.ts";
import { onLauncherGone } from "./setup/launcher.ts";
import { bun, EXECUTABLE, installPackages, ROOT, runScript, toolEnv } from "./setup/tools.ts";

const POLL_MS = 100;
/** After this long without an answer `up` says that it still waits. */
const PATIENCE_MS = 30_000;
/** A terminal's Ctrl-C reaches infernet by itself; what is passed on must come after it, not instead of it. */
const PASS_ON_MS = 250;

/** What is not the result goes to stderr. */
const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function build(): Promise<void> {
  if (!isStale(EXECUTABLE, ROOT)) return;
  say("Building dist/infernet …");
  const child = Bun.spawn(bun("run", "build"), {
    cwd: ROOT,
    env: toolEnv(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`the build failed:\n${out}${err}`);
}

/** Address, key and a call to paste, on stdout. */
async function printAccess(url: string, dataDir: string): Promise<void> {
  const key = readLocalKey(dataDir);
  const lines = [`Address:  ${url}`];
  if (key !== null) {
    lines.push(`API key:  ${key}`, `          (the same at every run; kept in ${keyFile(dataDir)})`);
    const model = await firstModel(url, key);
    if (model === null) lines.push("No model is served yet.");
    else lines.push("", ...curlLines(url, model, key));
  }
  console.log(`\n${lines.join("\n")}\n`);
}

/** The address of the instance that runs on the data directory, once it is ready; null where none runs. */
async function alreadyRunning(dataDir: string): Promise<string | null> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += POLL_MS) {
    const owner = await runningOwner(dataDir);
    if (owner === null) return null;
    if (owner.url !== null && (await isReady(owner.url))) return owner.url;
    await sleep(POLL_MS);
  }
  throw new Error(`an infernet runs on ${dataDir}, but does not answer; stop it, or see its log`);
}

/** Runs infernet in this terminal until it ends; resolves to its exit code. */
async function runHere(flags: string[], dataDir: string): Promise<number> {
  const child = Bun.spawn([EXECUTABLE, ...flags, "run"], { stdin: "inherit", stdout: "inherit", stderr: "inherit" });
  let ended = false;
  const passOn = () => {
    if (!ended) child.kill("SIGTERM");
  };
  process
    .on("SIGINT", () => setTimeout(passOn, PASS_ON_MS))
    .on("SIGTERM", passOn)
    .on("SIGHUP", passOn);
  const stopLooking = onLauncherGone(passOn);
  const exited = child.exited.finally(() => {
    ended = true;
    stopLooking();
  });
  const startedMs = performance.now();
  let said = false;
  while (!ended) {
    const owner = lastOwner(dataDir);
    if (owner?.pid === child.pid && owner.url !== null && (await isReady(owner.url))) {
      // On a terminal infernet has printed address, key and call itself.
      if (!process.stdout.isTTY || !process.stderr.isTTY) await printAccess(owner.url, dataDir);
      else if (readLocalKey(dataDir) !== null) say(`\nThe key is the same at every run; ${keyFile(dataDir)} keeps it.`);
      say("Ctrl-C stops it.");
      break;
    }
    if (!said && performance.now() - startedMs > PATIENCE_MS) {
      said = true;
      say("Still waiting for it to be ready …");
    }
    await Promise.race([exited, sleep(POLL_MS)]);
  }
  return exited;
}

await runScript("up", async () => {
  const flags = process.argv.slice(2);
  say("Installing packages …");
  await installPackages();
  await build();
  const { dataDir } = await effectiveConfig(flags);
  const url = await alreadyRunning(dataDir);
  if (url === null) return runHere(flags, dataDir);
  say(`infernet already runs on ${dataDir}.`);
  await printAccess(url, dataDir);
  return 0;
});
