// Banner: what a person sees once the instance answers: where it is, what answers there, and a call to paste.
import { styleText } from "node:util";
import type { Running } from "../modes/running.ts";
import { versionText } from "../version.ts";
import { harmless, harmlessJson } from "./harmless.ts";

type Style = {
  colors: boolean;
  /** Keys go to a person's terminal, never into a log: there the call reads this file. */
  keyFile: string;
  showKey: boolean;
  /** Where the set-up link is read from where it is not shown. */
  setupFile: string;
};

/** Lines for stderr, ending in a line feed. */
export function banner(running: Running, { colors, showKey, keyFile, setupFile }: Style): string {
  const { mode, url, model, apiKey, setupLink, dashboardLink } = running;
  const bold = (text: string) => (colors ? styleText("bold", text) : text);
  const lines = [`infernet ${versionText} (${mode}) answers at ${bold(url)}`];
  if (mode === "node") {
    if (dashboardLink !== null) {
      lines.push(`Its dashboard: ${showKey ? dashboardLink : "`infernet status` gives the link"}`);
    }
    return `${lines.join("\n")}\n`;
  }
  if (!model) lines.push("No model is served yet: start an inference server on this machine, or let a node join.");
  else if (model.demo) {
    const name = harmless(model.name);
    lines.push(`The built-in demo model (${name}) answers; for real ones start Ollama or another inference server.`);
  } else lines.push(`Serving ${harmless(model.name)}.`);
  if (setupLink !== null) {
    const where = showKey ? setupLink : `the link in ${harmless(setupFile)}`;
    lines.push(`Nobody governs it yet. Within an hour, become its admin: ${where}`);
  }
  if (model) {
    const key = apiKey === null ? null : showKey ? apiKey : `$(cat ${shellWord(keyFile)})`;
    lines.push("", ...curlLines(url, model.name, key));
  }
  return `${lines.join("\n")}\n`;
}

/** A path within double quotes of a POSIX shell's `$( )`. */
const shellWord = (path: string): string => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);

/** A call to paste into a POSIX shell. */
export function curlLines(url: string, model: string, apiKey: string | null): string[] {
  const body = harmlessJson({ model, messages: [{ role: "user", content: "What is infernet?" }], stream: true }, 0);
  return [
    `curl -N ${url}/v1/chat/completions \\`,
    ...(apiKey === null ? [] : [`  -H "Authorization: Bearer ${apiKey}" \\`]),
    "  -H 'Content-Type: application/json' \\",
    `  -d '${body.replaceAll("'", "'\\''")}'`,
  ];
}
