// infernet chat: a conversation with a model, over the same client API that everybody uses.
import { z } from "zod";
import type { Backend, BackendError, ChatBody, GenerateEnd } from "../../backends/backend.ts";
import { openAiCompatible } from "../../backends/openai-compatible/openai-compatible.ts";
import { readSecretFile } from "../../identity/secret-file.ts";
import type { Result } from "../../lib/result.ts";
import { LOCAL_API_KEY_FILE } from "../../modes/data-files.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import type { ChatFlags } from "../commands.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless, harmlessText } from "../harmless.ts";
import { dataDirectory, runningOwner } from "../instance.ts";
import { decimal, wholeNumber } from "../values.ts";

export type Target = { url: string; apiKey: string | null };
type Message = { role: "system" | "user" | "assistant"; content: string };
type Session = { backend: Backend; model: string; settings: Record<string, number>; messages: Message[] };

/** One answer for `--prompt` or standard input, else a conversation until Ctrl-D. */
export async function chat(
  context: Context,
  options: GlobalOptions,
  wanted: string | undefined,
  flags: ChatFlags,
): Promise<ExitCode> {
  const { terminal } = context;
  const settings = settingsOf(flags);
  const prompt = flags.prompt ?? (terminal.stdinIsTty ? undefined : (await terminal.readStdin()).trim());
  if (prompt === "") {
    const hint = "pipe it in, or give it with --prompt; a word after `chat` names a model";
    throw new CliError("there is nothing to ask: the prompt is empty", { exitCode: EXIT.usage, hint });
  }
  const target = await findTarget(context, options, flags.url);
  const model = wanted ?? (await firstModel(context, target));
  const { url, apiKey } = target;
  const session: Session = {
    backend: openAiCompatible({ kind: "openai", url, apiKey, fetch: context.fetch }),
    model,
    settings,
    messages: flags.system ? [{ role: "system", content: flags.system }] : [],
  };
  if (prompt === undefined) return converse(context, session);
  session.messages.push({ role: "user", content: prompt });
  const answer = await ask(context, session, flags.json ? () => undefined : terminal.out);
  if (!answer.end.ok) throw chatError(answer.end.error);
  if (flags.json) printJson(context, { model, content: answer.text, ...answer.end.value });
  else terminal.out("\n");
  return EXIT.good;
}

function settingsOf({ maxTokens, temperature }: ChatFlags): Record<string, number> {
  const settings: Record<string, number> = {};
  if (maxTokens !== undefined) settings.max_tokens = wholeNumber(maxTokens, "--max-tokens", 1, 10_000_000);
  if (temperature !== undefined) settings.temperature = decimal(temperature, "--temperature", 0, 2);
  return settings;
}

/** The coordinator to ask: the one named, else the instance here, else the first one this node dials. */
export async function findTarget(context: Context, options: GlobalOptions, named: string | undefined): Promise<Target> {
  const apiKey = context.env.INFERNET_API_KEY || null;
  const url = named ?? context.env.INFERNET_URL;
  if (url) {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
      throw new CliError(`--url ${JSON.stringify(url)} is no http or https address`, { exitCode: EXIT.usage });
    }
    return { url: url.replace(/\/+$/, ""), apiKey };
  }
  const { config } = await requireConfig(context, options);
  const owner = runningOwner(config);
  if (owner?.url && owner.mode !== "node")
    return { url: owner.url, apiKey: apiKey ?? localKey(dataDirectory(config).file(LOCAL_API_KEY_FILE)) };
  const [upstream] = config.node.coordinators;
  if (config.mode === "node" && upstream) return { url: upstream.url, apiKey };
  const hint = "start it with `infernet start`, or name another coordinator with --url";
  throw new CliError("infernet is not running here", { exitCode: EXIT.unreachable, hint });
}

function localKey(path: string): string | null {
  const file = readSecretFile(path);
  return file.ok ? file.value.trim() : null;
}

const modelList = z.object({ data: z.array(z.object({ id: z.string() })) });

async function firstModel({ fetch }: Context, { url, apiKey }: Target): Promise<string> {
  const headers: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  const response = await fetch(`${url}/v1/models`, { headers }).catch((cause: unknown) => {
    throw new CliError(`${url} does not answer`, { exitCode: EXIT.unreachable, hint: "see `infernet status`", cause });
  });
  if (response.status === 401 || response.status === 403) {
    const hint = "put a key into INFERNET_API_KEY; `infernet keys create` makes one";
    const what = apiKey === null ? "asks for an API key" : "does not take this API key";
    throw new CliError(`${url} ${what}`, { exitCode: EXIT.notAllowed, hint });
  }
  const list = modelList.safeParse(await response.json().catch(() => undefined));
  if (!response.ok || !list.success)
    throw new CliError(`${url} does not answer like a coordinator (status ${response.status})`);
  const [first] = list.data.data;
  if (!first)
    throw new CliError(`${url} serves no model now`, { hint: "`infernet doctor` looks for inference servers" });
  return first.id;
}

/** Streams one answer to `out`. Ctrl-C ends it early, down to the backend. */
async function ask(
  context: Context,
  { backend, model, settings, messages }: Session,
  out: (text: string) => void,
): Promise<{ text: string; end: Result<GenerateEnd, BackendError> }> {
  const abort = new AbortController();
  const release = context.onSignal(() => abort.abort());
  const body: ChatBody = { model, messages, ...settings };
  let text = "";
  const writer = textWriter(out);
  try {
    const end = await backend.generate(
      { task: "chat", model, body },
      ({ content }) => {
        if (content === undefined) return undefined;
        text += content;
        writer.write(content);
        return undefined;
      },
      abort.signal,
    );
    writer.end();
    return { text, end };
  } finally {
    release();
  }
}

/** Writes text made harmless; half a surrogate pair waits for its other half. */
function textWriter(out: (text: string) => void): { write(piece: string): void; end(): void } {
  let held = "";
  return {
    write(piece) {
      const text = held + piece;
      held = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : "";
      out(harmlessText(held === "" ? text : text.slice(0, -1)));
    },
    end() {
      if (held !== "") out(harmlessText(held));
    },
  };
}

/** A conversation at the terminal. A failed or interrupted answer leaves the conversation as it was before. */
async function converse(context: Context, session: Session): Promise<ExitCode> {
  const { terminal } = context;
  terminal.err(
    `Talking to ${harmless(session.model)}. /new forgets the conversation, Ctrl-C stops an answer, Ctrl-D ends.\n`,
  );
  const opening = session.messages.slice();
  for (;;) {
    const line = await terminal.question("> ");
    if (line === null || line.trim() === "/exit") break;
    if (line.trim() === "") continue;
    if (line.trim() === "/new") {
      session.messages = opening.slice();
      continue;
    }
    session.messages.push({ role: "user", content: line });
    const { text, end } = await ask(context, session, terminal.out);
    terminal.out("\n");
    if (end.ok) session.messages.push({ role: "assistant", content: text });
    else {
      session.messages.pop();
      if (end.error.code !== "aborted")
        terminal.err(`infernet: error: ${harmlessText(chatError(end.error).message)}\n`);
    }
  }
  terminal.err("\n");
  return EXIT.good;
}

function chatError({ code, message }: BackendError): CliError {
  if (code === "aborted") return new CliError("interrupted");
  if (code === "backend_unreachable") {
    return new CliError(`the coordinator does not answer: ${message}`, {
      exitCode: EXIT.unreachable,
      hint: "see `infernet status`",
    });
  }
  if (/HTTP 40[13]/.test(message)) {
    const hint = "put a key into INFERNET_API_KEY; `infernet keys create` makes one";
    return new CliError("the coordinator does not accept the API key", { exitCode: EXIT.notAllowed, hint });
  }
  return new CliError(message, {
    hint: code === "model_not_found" ? "`infernet models list` shows those there are" : undefined,
  });
}
