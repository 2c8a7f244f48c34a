// Banner: what a person sees once the instance answers: where it is, what answers there, and a call to paste.
import { styleText } from "node:util";
import type { Running } from "../modes/running.ts";
import { versionText } from "../version.ts";
import { harmless } from "./harmless.ts";

type Style = {
  colors: boolean;
  /** Keys go to a person's terminal, never into a log. */
  showKey: boolean;
};

/** Lines for stderr, ending in a line feed. */
export function banner({ mode, url, model, apiKey }: Running, { colors, showKey }: Style): string {
  const bold = (text: string) => (colors ? styleText("bold", text) : text);
  const lines = [`infernet ${versionText} (${mode}) answers at ${bold(url)}`];
  if (mode === "node") return `${lines.join("\n")}\n`;
  if (!model) lines.push("No model is served yet: start an inference server on this machine or join a node.");
  else if (model.demo)
    lines.push(`No inference server was found, so the built-in demo model ("${harmless(model.name)}") answers.`);
  else lines.push(`Serving ${harmless(model.name)}.`);
  if (model)
    lines.push("", ...curlLines(url, model.name, showKey ? apiKey : apiKey === null ? null : "$(cat …/local-api-key)"));
  return `${lines.join("\n")}\n`;
}

/** A call to paste into a POSIX shell. */
export function curlLines(url: string, model: string, apiKey: string | null): string[] {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "What is infernet?" }], stream: true });
  return [
    `curl -N ${url}/v1/chat/completions \\`,
    ...(apiKey === null ? [] : [`  -H "Authorization: Bearer ${apiKey}" \\`]),
    "  -H 'Content-Type: application/json' \\",
    `  -d '${body.replaceAll("'", "'\\''")}'`,
  ];
}
