// Install Ollama: the makers' own way to install it, shown to the user before it is run.
import { CliError } from "./cli-error.ts";
import type { Context } from "./context.ts";

/** A first model: small enough for any machine. */
const FIRST_MODEL = "llama3.2";

/** What would be run on this platform (docs.ollama.com, as of 2025); null where there is no one-line way. */
export function installCommand(platform: NodeJS.Platform): string | null {
  if (platform === "linux") return `curl -fsSL https://ollama.com/install.sh | sh && ollama pull ${FIRST_MODEL}`;
  if (platform === "darwin") return `brew install ollama && brew services start ollama && ollama pull ${FIRST_MODEL}`;
  return null;
}

/** Runs it at the user's terminal. Ask first. */
export async function installOllama(
  { shell, terminal }: Pick<Context, "shell" | "terminal">,
  command: string,
): Promise<void> {
  terminal.err(`Running: ${command}\n`);
  const code = await shell(command);
  if (code === 0) return;
  throw new CliError(`installing Ollama ended with ${code}`, {
    hint: "see https://ollama.com/download, then run setup again",
  });
}
