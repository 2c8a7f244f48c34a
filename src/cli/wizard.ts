// Wizard: the questions of `infernet setup`, for a terminal. Questions whose answer was given as a flag are left out.
import { cancel, confirm, intro, isCancel, log, multiselect, outro, select, text } from "@clack/prompts";
import { NODE_COMMANDS } from "../config/fields.ts";
import type { Config } from "../config.ts";
import { fits, gib, underTheFloor } from "../daemon/device/fit.ts";
import { microUsd, usd } from "../lib/money.ts";
import { decodeJoinToken } from "../protocol/join-token.ts";
import type { FoundBackend } from "./checks/backends.ts";
import type { SeenMachine } from "./checks/machine.ts";
import { FIT_NOTE, fitTable } from "./fit-table.ts";
import { harmless } from "./harmless.ts";
import type { Answers } from "./setup-file.ts";

type Input = {
  given: Answers;
  config: Config;
  found: FoundBackend[];
  /** Null where this machine is not to serve. */
  machine: SeenMachine | null;
  /** A model for Ollama that fits it. */
  first: string | null;
  /** The command that would install Ollama; null where there is none. */
  install: string | null;
  /** It was asked for by a flag. */
  installNow: boolean;
  /** As given by flag; undefined where it was not. */
  pull: string | false | undefined;
};
export type Asked = {
  answers: Answers;
  installOllama: boolean;
  /** The model that Ollama is to fetch. */
  pull: string | null;
};

/** Asked-for answers over given ones; null where the user gave up. */
export async function askAnswers(input: Input): Promise<Asked | null> {
  intro("infernet setup");
  try {
    const answers = { ...input.given };
    const mode = await askMode(input);
    answers.mode = mode;
    if (mode === "node") await askNode(input, answers);
    else await askCoordinator(input, answers);
    const serving = mode === "coordinator" ? NOTHING : await askServing(input, answers);
    if (!answerOf(await confirm({ message: "Write config.toml?" }))) throw new GaveUp();
    outro("Done.");
    return { answers, ...serving };
  } catch (error) {
    if (!(error instanceof GaveUp)) throw error;
    cancel("Left as it was.");
    return null;
  }
}

const NOTHING: Omit<Asked, "answers"> = { installOllama: false, pull: null };

/** What this machine is to serve, and when. */
async function askServing(input: Input, answers: Answers): Promise<Omit<Asked, "answers">> {
  const { machine, given, config } = input;
  if (machine) sayMachine(machine);
  const installOllama = await askBackends(input);
  const pull = await askModel(input, installOllama);
  if (given["node.idle_only"] === undefined) {
    const message = "Serve only while nobody else uses this machine (a game pauses it, jobs move elsewhere)?";
    answers["node.idle_only"] = answerOf(await confirm({ message, initialValue: config.node.idle_only }));
  }
  return { installOllama, pull };
}

/** What it is, what fits it, and what is under the floor. */
function sayMachine(machine: SeenMachine): void {
  const gpus = machine.gpus.map(({ name, vramMib }) => harmless(name) + (vramMib === null ? "" : ` (${gib(vramMib)})`));
  log.info(`${gib(machine.memoryMib)} of memory, GPU: ${gpus.join(", ") || "none"}.`);
  log.message(`${fitTable(fits(machine))}${FIT_NOTE}`);
  for (const { message } of underTheFloor(machine, machine.diskFreeMib)) log.warn(harmless(message));
}

/** Which model Ollama is to fetch, where it is or will be there and has none. */
async function askModel({ found, first, pull, machine }: Input, installs: boolean): Promise<string | null> {
  if (pull !== undefined) return pull === false ? null : pull;
  const isEmpty = found.some(({ kind, error, models }) => kind === "ollama" && error === null && models === 0);
  if (!first || !machine || (!installs && !isEmpty)) return null;
  const sizes = fits(machine).filter(({ place, quantization }) => place !== "none" && quantization === "Q4_K_M");
  const upTo = sizes.at(-1);
  const message = `Fetch ${first} for a start?${upTo ? ` Models of up to ${upTo.size} fit.` : ""}`;
  return answerOf(await confirm({ message })) ? first : null;
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
  await askPrice(given, answers, "node.price_input", "prompt", config.node.price_input);
  await askPrice(given, answers, "node.price_output", "output", config.node.price_output);
  if (given["node.allow_commands"] === undefined) {
    const labels = {
      models: "install and remove models",
      drain: "drain",
      resume: "resume",
      refresh: "look for models again",
      restart: "restart",
      configure: "change slots, prices and schedule: only where you trust its admins",
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

/** In USD, as prices are told everywhere; in the file in µ$. */
async function askPrice(given: Answers, answers: Answers, key: string, what: string, now: number): Promise<void> {
  if (given[key] !== undefined) return;
  const validate = (value: string | undefined) =>
    microUsd(value ?? "") === undefined ? "an amount in USD, such as 0.25; 0 for nothing" : undefined;
  const message = `USD you ask for a million ${what} tokens ([node] prices has prices by model)`;
  answers[key] = microUsd(answerOf(await text({ message, initialValue: usd(now), validate }))) ?? now;
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
async function askBackends({ given, found, install, installNow }: Input): Promise<boolean> {
  if (installNow) return true;
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
