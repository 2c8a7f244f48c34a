// Wizard: the questions of `infernet setup`, for a terminal. Questions whose answer was given as a flag are left out.
import { cancel, confirm, intro, isCancel, log, multiselect, outro, select, text } from "@clack/prompts";
import { NODE_COMMANDS } from "../config/fields.ts";
import type { Config } from "../config.ts";
import { decodeJoinToken } from "../protocol/join-token.ts";
import type { FoundBackend } from "./checks/backends.ts";
import { harmless } from "./harmless.ts";
import type { Answers } from "./setup-file.ts";

type Input = {
  given: Answers;
  config: Config;
  found: FoundBackend[];
  /** The command that would install Ollama; null where there is none or it was asked for already. */
  install: string | null;
};
export type Asked = { answers: Answers; installOllama: boolean };

/** Asked-for answers over given ones; null where the user gave up. */
export async function askAnswers(input: Input): Promise<Asked | null> {
  intro("infernet setup");
  try {
    const answers = { ...input.given };
    const mode = await askMode(input);
    answers.mode = mode;
    if (mode === "node") await askNode(input, answers);
    else await askCoordinator(input, answers);
    const installOllama = mode !== "coordinator" && (await askBackends(input));
    if (!answerOf(await confirm({ message: "Write config.toml?" }))) throw new GaveUp();
    outro("Done.");
    return { answers, installOllama };
  } catch (error) {
    if (!(error instanceof GaveUp)) throw error;
    cancel("Left as it was.");
    return null;
  }
}

class GaveUp extends Error {}

/** The answer; Ctrl-C ends the wizard. */
function answerOf<T>(answer: T): Exclude<T, symbol> {
  if (isCancel(answer)) throw new GaveUp();
  return answer as Exclude<T, symbol>;
}

async function askMode({ given, config }: Input): Promise<Config["mode"]> {
  if (given.mode !== undefined) return given.mode as Config["mode"];
  if (given["node.join_token"] !== undefined) return "node";
  return answerOf(
    await select<Config["mode"]>({
      message: "What is this machine to be?",
      initialValue: config.mode,
      options: [
        { value: "both", label: "Everything", hint: "serves its models to clients by itself; others may join" },
        { value: "coordinator", label: "Coordinator", hint: "takes requests and gives them to nodes elsewhere" },
        { value: "node", label: "Node", hint: "offers this machine's models to a coordinator" },
      ],
    }),
  );
}

async function askNode({ given, config }: Input, answers: Answers): Promise<void> {
  if (given["node.join_token"] === undefined && config.node.coordinators.length === 0) {
    const validate = (value: string | undefined) => {
      const decoded = decodeJoinToken(value ?? "");
      return decoded.ok ? undefined : decoded.error.message;
    };
    const message = "Join token (`infernet join-token create` on the coordinator prints one)";
    answers["node.join_token"] = answerOf(await text({ message, validate }));
  }
  if (given["node.name"] === undefined) {
    const answer = answerOf(await text({ message: "Name that others see", initialValue: config.node.name }));
    answers["node.name"] = answer.trim() || config.node.name;
  }
  if (given["node.allow_commands"] === undefined) {
    const labels = {
      models: "install and remove models",
      drain: "drain",
      resume: "resume",
      refresh: "look for models again",
    };
    answers["node.allow_commands"] = answerOf(
      await multiselect({
        message: "What may the coordinator ask of this machine, beside inference?",
        options: NODE_COMMANDS.map((value) => ({ value, label: labels[value] })),
        initialValues: [...config.node.allow_commands],
        required: false,
      }),
    );
  }
}

async function askCoordinator({ given, config }: Input, answers: Answers): Promise<void> {
  if (given["server.host"] === undefined) {
    answers["server.host"] = answerOf(
      await select({
        message: "Who may reach it?",
        initialValue: config.server.host === "127.0.0.1" ? "127.0.0.1" : "0.0.0.0",
        options: [
          { value: "127.0.0.1", label: "This machine only" },
          { value: "0.0.0.0", label: "The network", hint: "clients need a key, nodes a join token" },
        ],
      }),
    );
  }
  if (answers["server.host"] !== "127.0.0.1" && given["server.public_url"] === undefined) {
    const validate = (value: string | undefined) =>
      !value || /^https?:\/\/[^\s/]+/.test(value) ? undefined : "an address beginning with https:// or http://";
    const message = "Address that others use (leave empty for this machine's own)";
    const address = answerOf(await text({ message, initialValue: config.server.public_url ?? "", validate }));
    answers["server.public_url"] = address || null;
  }
}

/** Says what was found; where it was nothing, offers to install Ollama. */
async function askBackends({ given, found, install }: Input): Promise<boolean> {
  if (given["node.backends"] !== undefined) return false;
  const there = found.filter((backend) => backend.error === null && backend.kind !== "embedded");
  for (const { kind, url, models } of there) log.info(`Found ${kind} at ${harmless(url ?? "-")}, models: ${models}.`);
  if (there.length > 0) return false;
  log.info("No inference server was found here, so the built-in demo model would answer.");
  if (install === null) {
    log.message("For real models: https://ollama.com/download");
    return false;
  }
  log.message(`Ollama serves real ones. It would be installed by:\n${install}`);
  return answerOf(await confirm({ message: "Run that now?", initialValue: false }));
}
