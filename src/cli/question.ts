// Question: one line typed at the terminal, with editing and a history.
import { createInterface } from "node:readline";

const history: string[] = [];

/** The line without its end; null at Ctrl-D or Ctrl-C. Prompts on stderr, since stdout is for results. */
export function question(prompt: string): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const lines = createInterface({
    input: process.stdin,
    output: process.stderr,
    history: [...history],
    terminal: true,
  });
  lines.once("SIGINT", () => lines.close());
  lines.once("close", () => resolve(null));
  lines.question(prompt, (line) => {
    if (line.trim() !== "") history.unshift(line);
    resolve(line);
    lines.close();
  });
  return promise;
}
