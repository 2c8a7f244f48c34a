// infernet run: loads the configuration, starts the mode, prints how to reach it, and stops it on a signal.
import { statSync } from "node:fs";
import { join } from "node:path";
import { CONFIG_KEYS, holdsSecret, type LoadedConfig, type Mode } from "../../config.ts";
import { writeSecretFile } from "../../identity/secret-file.ts";
import { systemCode } from "../../identity/start-refusal.ts";
import { createLog, type LeveledLog } from "../../lib/log.ts";
import { createLogTail, type LogTail } from "../../lib/log-tail.ts";
import { LOCAL_API_KEY_FILE, SETUP_LINK_FILE } from "../../modes/data-files.ts";
import type { Running, StartInput, StartMode } from "../../modes/running.ts";
import { startValue } from "../../modes/start-error.ts";
import { banner } from "../banner.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, requireConfig } from "../context.ts";

export async function run(context: Context, options: GlobalOptions): Promise<ExitCode> {
  const loaded = await requireConfig(context, options);
  checkForRun(loaded);
  return runMode(context, loaded, () => loadMode(loaded.config.mode));
}

/** Why it stops where a command told it to start again. */
const RESTART = "restart";

/** Starts what `load` gives, and lives until a signal or a fault ends it. A second SIGINT does not wait for the drain. */
export async function runMode(
  context: Context,
  loaded: LoadedConfig,
  load: () => Promise<StartMode>,
): Promise<ExitCode> {
  const { config, sources } = loaded;
  const tail = createLogTail();
  const log = await openLog(context, loaded, tail);
  const stopAsked = waitForStop(context);
  const restartAsked = Promise.withResolvers<typeof RESTART>();
  const restart = context.startAgain && (() => restartAsked.resolve(RESTART));
  const running = await Promise.race([
    startMode(await load(), { config, sources, log, setLogLevel: log.setLevel, tail, restart }),
    stopAsked.first,
  ]);
  if (typeof running === "string") return EXIT.good;
  const { colors, stderrIsTty } = context.terminal;
  const keyFile = join(config.data_dir, LOCAL_API_KEY_FILE);
  const setupFile = join(config.data_dir, SETUP_LINK_FILE);
  if (running.setupLink !== null && !stderrIsTty) startValue(writeSecretFile(setupFile, `${running.setupLink}\n`));
  context.terminal.err(banner(running, { colors, showKey: stderrIsTty, keyFile, setupFile }));
  const end = await Promise.race([stopAsked.first, running.failed, restartAsked.promise]);
  const stopping = running.stop(typeof end === "string" ? end : end.message).then(() => "stopped" as const);
  await Promise.race([stopping, stopAsked.second]);
  // Whoever wanted it stopped in the meantime has the last word.
  if (end === RESTART && !stopAsked.seen()) context.startAgain?.();
  if (end instanceof Error) throw new CliError(`it had to stop: ${end.message}`, { cause: end });
  return EXIT.good;
}

/** Says which address is the trouble where the server could not listen. */
async function startMode(start: StartMode, input: StartInput): Promise<Running> {
  const { config } = input;
  try {
    return await start(input);
  } catch (error) {
    const code = systemCode(error);
    const at = `${config.server.host} port ${config.server.port}`;
    if (code === "EADDRINUSE") {
      const hint = "stop what listens there, or take another one with --port (0 takes any free one)";
      throw new CliError(`${at} is in use`, { hint, cause: error });
    }
    if (code === "EACCES" || code === "EADDRNOTAVAIL") {
      const hint = "name an address of this machine with --host, and a port above 1023 with --port";
      throw new CliError(`cannot listen on ${at} (${code})`, { hint, cause: error });
    }
    throw error;
  }
}

async function loadMode(mode: Mode): Promise<StartMode> {
  if (mode === "coordinator") return (await import("../../modes/coordinator.ts")).start;
  if (mode === "node") return (await import("../../modes/node.ts")).start;
  return (await import("../../modes/both.ts")).start;
}

/** Resolves `first` at the first signal; `second` at a SIGINT after it, for users who will not wait. */
function waitForStop(context: Context): {
  first: Promise<string>;
  second: Promise<"hurried">;
  seen: () => boolean;
} {
  const first = Promise.withResolvers<string>();
  const second = Promise.withResolvers<"hurried">();
  let seen = 0;
  context.onSignal((signal) => {
    seen += 1;
    if (seen === 1) {
      first.resolve(signal);
      if (context.terminal.stderrIsTty) context.terminal.err("\nStopping; Ctrl-C again to stop at once.\n");
    } else if (signal === "SIGINT") second.resolve("hurried");
  });
  return { first: first.promise, second: second.promise, seen: () => seen > 0 };
}

/** The program's log, as `[log]` says. */
async function openLog({ terminal }: Context, { config }: LoadedConfig, tail: LogTail): Promise<LeveledLog> {
  const { level, format } = config.log;
  const text = format === "text" || (format === "auto" && terminal.stderrIsTty);
  return createLog({ level, format: text ? "text" : "json", write: terminal.err, colors: terminal.colors, tail });
}

/** Refuses what the schema cannot: a node that has nowhere to go, and secrets in a file that others can read. */
export function checkForRun({ config, sources, file }: LoadedConfig): void {
  const { coordinators, join_token } = config.node;
  if (config.mode === "node" && coordinators.length === 0 && join_token === null) {
    throw new CliError("a node needs a coordinator, and none is configured (node.coordinators)", {
      exitCode: EXIT.usage,
      hint: "`infernet setup --join TOKEN`, with a token from `infernet join-token create` on the coordinator",
    });
  }
  const secrets = CONFIG_KEYS.filter((key) => sources[key.name]?.from === "file" && holdsSecret(config, key));
  const [secret] = secrets;
  if (file === null || secret === undefined || process.platform === "win32") return;
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new CliError(`others can read ${file}, which holds a secret (${secret.name})`, { hint: `chmod 600 ${file}` });
  }
}
