// infernet setup: a few questions, whose answers go into config.toml. Each can be given as a flag; with --yes, or where
// nobody can be asked, flags and defaults are all there is.
import { join } from "node:path";
import { CONFIG_KEYS, type Config, type LoadedConfig } from "../../config.ts";
import { checkCoordinatorUrl } from "../../identity/transport-rule.ts";
import { startValue } from "../../modes/start-error.ts";
import { decodeJoinToken } from "../../protocol/join-token.ts";
import { lookForBackends } from "../checks/backends.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, configError, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { installCommand, installOllama } from "../install-ollama.ts";
import { dataDirectory } from "../instance.ts";
import { type Answers, writeAnswers } from "../setup-file.ts";

export type SetupFlags = { yes?: boolean; json?: boolean; backend?: string[]; installOllama?: boolean };
const TIMEOUT_MS = 5_000;

export async function setup(context: Context, options: GlobalOptions, flags: SetupFlags): Promise<ExitCode> {
  const loaded = await requireConfig(context, options);
  const given = givenAnswers(loaded, flags);
  const { terminal } = context;
  const asks = !flags.yes && !flags.json && terminal.stdinIsTty && terminal.stderrIsTty;
  const found = asks || flags.json ? await lookForBackends(context, loaded.config) : [];
  const install = installCommand(process.platform);
  const wanted = flags.installOllama === true;
  const question = { given, config: loaded.config, found, install: wanted ? null : install };
  const asked = asks
    ? await (await import("../wizard.ts")).askAnswers(question)
    : { answers: given, installOllama: false };
  if (asked === null) {
    terminal.err("Nothing was written.\n");
    return EXIT.failed;
  }
  if (wanted || asked.installOllama) {
    if (install === null)
      throw new CliError("Ollama has no one-line installation here", { hint: "see https://ollama.com/download" });
    await installOllama(context, install);
  }
  const joined = applyJoinToken(asked.answers, loaded.config);
  const path = options.configFile ?? loaded.file ?? join(dataDirectory(loaded.config).path, "config.toml");
  const written = writeAnswers(path, joined.answers);
  if (!written.ok) throw configError(written.error);
  if (flags.json) printJson(context, { file: path, answers: Object.keys(joined.answers), backends: found });
  else {
    terminal.out(`wrote ${harmless(path)}\n`);
    if (joined.url !== null) await sayReachable(context, joined.url);
    terminal.err("`infernet start` starts it in the background, `infernet` in this terminal.\n");
  }
  return EXIT.good;
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
