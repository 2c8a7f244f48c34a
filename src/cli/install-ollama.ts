// Install Ollama: the makers' own way to install it and its own way to fetch a model, each shown before it is run.
import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULT_URLS } from "../backends/create.ts";
import { modelNameSchema } from "../protocol/commands.ts";
import { CliError, EXIT } from "./cli-error.ts";
import type { Context } from "./context.ts";

const MANUALLY = "see https://ollama.com/download, then run setup again";
/** A service that was just installed needs a moment. */
const ANSWERS_WITHIN_MS = 30_000;
const POLL_MS = 500;
const ASK_MS = 2_000;

/**
 * What would be run on this platform (ollama.com/download, as of 2025); null where there is no one-line way. `has`:
 * whether a program is there.
 */
export function installCommand(platform: NodeJS.Platform, has: (program: string) => boolean): string | null {
  if (platform === "linux" && has("curl")) return "curl -fsSL https://ollama.com/install.sh | sh";
  if (platform === "darwin" && has("brew")) return "brew install ollama && brew services start ollama";
  if (platform === "win32" && has("winget"))
    return "winget install --id Ollama.Ollama --exact --accept-package-agreements --accept-source-agreements";
  return null;
}

/** Why there is none, and what to do by hand. */
export function noInstaller(platform: NodeJS.Platform): CliError {
  const missing = { linux: "curl", darwin: "brew", win32: "winget" }[platform as string];
  const why = missing === undefined ? "" : `: ${missing} is not here`;
  return new CliError(`Ollama has no one-line installation here${why}`, { hint: MANUALLY });
}

type World = Pick<Context, "shell" | "terminal" | "fetch">;

/** Runs it at the user's terminal and waits until Ollama answers. Ask first. */
export async function installOllama(world: World, command: string, withinMs = ANSWERS_WITHIN_MS): Promise<void> {
  const { shell, terminal } = world;
  terminal.err(`Running: ${command}\n`);
  const code = await shell(command);
  if (code !== 0) throw new CliError(`installing Ollama ended with ${code}`, { hint: MANUALLY });
  // The last program of a pipe may end well though the first one failed.
  for (let waitedMs = 0; !(await ollamaAnswers(world)); waitedMs += POLL_MS) {
    if (waitedMs >= withinMs)
      throw new CliError("Ollama was installed, but does not answer at its usual address", {
        hint: "start it with `ollama serve`, then run setup again",
      });
    await sleep(POLL_MS);
  }
  terminal.err("Ollama is installed and answers.\n");
}

async function ollamaAnswers({ fetch }: World): Promise<boolean> {
  try {
    const response = await fetch(`${DEFAULT_URLS.ollama}/api/version`, { signal: AbortSignal.timeout(ASK_MS) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // It does not listen yet.
  }
}

/** Fetches a model, with Ollama's own progress at the user's terminal. */
export async function pullModel({ shell, terminal }: Omit<World, "fetch">, model: string): Promise<void> {
  const command = `ollama pull ${checkedModel(model)}`;
  terminal.err(`Running: ${command}\n`);
  const code = await shell(command);
  if (code !== 0)
    throw new CliError(`fetching ${model} ended with ${code}`, {
      hint: `look at the model's name and the space on the disk, then: ${command}`,
    });
}

/** The name as it may stand in a shell's command; throws a usage error for another. */
export function checkedModel(model: string): string {
  const parsed = modelNameSchema.safeParse(model);
  if (parsed.success) return parsed.data;
  const hint = "names are at https://ollama.com/library, e.g. llama3.2:3b";
  throw new CliError(`${JSON.stringify(model)} is no model's name`, { exitCode: EXIT.usage, hint });
}
