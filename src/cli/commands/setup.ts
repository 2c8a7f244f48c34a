// infernet setup: a few questions, whose answers go into config.toml. Each can be given as a flag; with --yes, or where
// nobody can be asked, flags and defaults are all there is.
import { join } from "node:path";
import { CONFIG_KEYS, type Config, type LoadedConfig } from "../../config.ts";
import { firstModel, underTheFloor } from "../../daemon/device/fit.ts";
import { checkCoordinatorUrl } from "../../identity/transport-rule.ts";
import { startValue } from "../../modes/start-error.ts";
import { decodeJoinToken } from "../../protocol/join-token.ts";
import { type FoundBackend, lookForBackends } from "../checks/backends.ts";
import { type SeenMachine, seeMachine } from "../checks/machine.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, configError, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { checkedModel, installCommand, installOllama, noInstaller, pullModel } from "../install-ollama.ts";
import { dataDirectory } from "../instance.ts";
import { machineJson } from "../machine-json.ts";
import { type Answers, writeAnswers } from "../setup-file.ts";
import type { Asked } from "../wizard.ts";

export type SetupFlags = {
  yes?: boolean;
  json?: boolean;
  backend?: string[];
  installOllama?: boolean;
  /** A model's name; false for `--no-pull`. */
  pull?: string | false;
};
const TIMEOUT_MS = 5_000;

export async function setup(context: Context, options: GlobalOptions, flags: SetupFlags): Promise<ExitCode> {
  const loaded = await requireConfig(context, options);
  const given = givenAnswers(loaded, flags);
  if (typeof flags.pull === "string") checkedModel(flags.pull);
  const seen = await look(context, loaded.config, given, flags);
  const asked = await ask(context, loaded.config, given, flags, seen);
  if (asked === null) {
    context.terminal.err("Nothing was written.\n");
    return EXIT.failed;
  }
  if (asked.installOllama && seen.install === null) throw noInstaller(process.platform);
  const joined = applyJoinToken(asked.answers, loaded.config);
  const path = options.configFile ?? loaded.file ?? join(dataDirectory(loaded.config).path, "config.toml");
  const written = writeAnswers(path, joined.answers);
  if (!written.ok) throw configError(written.error);
  if (!flags.json) context.terminal.out(`wrote ${harmless(path)}\n`);
  if (asked.installOllama && seen.install !== null) await installOllama(context, seen.install);
  if (asked.pull !== null) await pullModel(context, asked.pull);
  // What was installed is there now.
  const changed = asked.installOllama || asked.pull !== null;
  const backends = changed ? await lookForBackends(context, loaded.config) : seen.found;
  if (flags.json) printJson(context, summary(path, joined.answers, backends, seen.machine, asked));
  else {
    if (changed) for (const backend of backends) sayBackend(context, backend);
    if (joined.url !== null) await sayReachable(context, joined.url);
    context.terminal.err(
      "`infernet start` starts it in the background, `infernet` in this terminal, `infernet service install` at boot.\n",
    );
  }
  return EXIT.good;
}

type Seen = { machine: SeenMachine | null; found: FoundBackend[]; install: string | null };

/** Looks at this machine, where it is to serve. */
async function look(context: Context, config: Config, given: Answers, flags: SetupFlags): Promise<Seen> {
  const serves = (given.mode ?? config.mode) !== "coordinator";
  const has = (program: string) => Bun.which(program, { PATH: context.env.PATH ?? "" }) !== null;
  const [machine, found] = await Promise.all([
    serves ? seeMachine(config, context.env) : null,
    serves && (asks(context, flags) || flags.json) ? lookForBackends(context, config) : [],
  ]);
  return { machine, found, install: installCommand(process.platform, has) };
}

const asks = ({ terminal }: Context, flags: SetupFlags): boolean =>
  !flags.yes && !flags.json && terminal.stdinIsTty && terminal.stderrIsTty;

/** The answers, asked for or given; null where the user gave up. */
async function ask(
  context: Context,
  config: Config,
  given: Answers,
  flags: SetupFlags,
  { machine, found, install }: Seen,
): Promise<Asked | null> {
  const installNow = flags.installOllama === true;
  const first = machine && firstModel(machine, machine.diskFreeMib);
  if (!asks(context, flags)) {
    if (machine && !flags.json) sayAdvice(context, machine);
    const pull = flags.pull === false ? null : (flags.pull ?? (installNow ? first : null));
    return { answers: given, installOllama: installNow, pull };
  }
  const { askAnswers } = await import("../wizard.ts");
  const asked = await askAnswers({ given, config, found, machine, first, install, installNow, pull: flags.pull });
  return asked;
}

/** What is under the floor, for those who are asked nothing. */
function sayAdvice({ terminal }: Context, machine: SeenMachine): void {
  for (const { message, mend } of underTheFloor(machine, machine.diskFreeMib))
    terminal.err(`infernet: warning: ${harmless(message)}; ${harmless(mend)}\n`);
}

function summary(
  path: string,
  answers: Answers,
  backends: FoundBackend[],
  machine: SeenMachine | null,
  { installOllama: installed, pull }: Asked,
): unknown {
  const done = { installed_ollama: installed, pulled: pull };
  const seen = machine ? machineJson(machine) : { machine: null };
  return { file: path, answers: Object.keys(answers), backends, ...seen, ...done };
}

function sayBackend({ terminal }: Context, { kind, url, models, error }: FoundBackend): void {
  const at = url === null ? kind : `${kind} at ${harmless(url)}`;
  terminal.err(
    error === null ? `${at} serves ${models} model(s).\n` : `infernet: warning: ${at}: ${harmless(error)}\n`,
  );
}

/** What flags of the configuration and `--backend` say. */
function givenAnswers({ config, sources }: LoadedConfig, flags: SetupFlags): Answers {
  const answers: Answers = {};
  for (const { name, section, key } of CONFIG_KEYS) {
    if (sources[name]?.from !== "flag" || name === "data_dir") continue;
    const table = (section === "" ? config : config[section as keyof Config]) as Record<string, unknown>;
    answers[name] = table[key];
  }
  if (flags.backend) answers["node.backends"] = flags.backend.map(backendEntry);
  return answers;
}

/** `ollama@http://10.0.0.5:11434` or `ollama`; what is wrong with it the schema says. */
function backendEntry(text: string): Record<string, string> {
  const at = text.indexOf("@");
  return at < 0 ? { kind: text } : { kind: text.slice(0, at), url: text.slice(at + 1) };
}

/** A join token names its coordinator, so both go into the file; mode `node` unless another was asked for. */
function applyJoinToken(answers: Answers, config: Config): { answers: Answers; url: string | null } {
  const token = answers["node.join_token"];
  if (typeof token !== "string") return { answers, url: null };
  const decoded = decodeJoinToken(token);
  if (!decoded.ok) {
    const hint = "`infernet join-token create` on the coordinator prints one";
    throw new CliError(decoded.error.message, { exitCode: EXIT.usage, hint });
  }
  const { url, coordinator } = decoded.value;
  startValue(checkCoordinatorUrl(url, { insecure: answers["node.insecure"] === true || config.node.insecure }));
  const others = config.node.coordinators.filter((entry) => entry.pubkey !== coordinator && entry.url !== url);
  const coordinators = [...others, { url, pubkey: coordinator }];
  return {
    answers: { mode: "node", ...answers, "node.join_token": token.trim(), "node.coordinators": coordinators },
    url,
  };
}

async function sayReachable({ fetch, terminal }: Context, url: string): Promise<void> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    await response.body?.cancel();
    if (response.ok) terminal.err(`The coordinator answers at ${harmless(url)}.\n`);
    else terminal.err(`infernet: warning: ${harmless(url)}/healthz says ${response.status}\n`);
  } catch {
    terminal.err(
      `infernet: warning: ${harmless(url)} cannot be reached from here now; the node keeps trying once it runs\n`,
    );
  }
}
