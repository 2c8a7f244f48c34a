// Content: what was asked and answered, for the account that asked, while it is kept. Nobody else is shown any of it, the
// admins included.
import type { Human } from "../../http/routes.ts";
import type { Job } from "../../jobs/job.ts";
import type { StoredOutput } from "../../jobs/output-log.ts";
import type { JobContentRow, JobRow } from "../../jobs/schema.ts";

export type Said = { role: string; text: string };
export type ContentShown =
  /** Somebody else's. */
  | { kind: "private" }
  /** A chat's is in memory only, and for whoever asked. */
  | { kind: "not kept" }
  | { kind: "deleted" }
  /** A chat's answer so far. */
  | { kind: "live"; answer: string }
  | {
      kind: "kept";
      /** The request's body as it was stored. */
      request: string;
      asked: readonly Said[];
      /** What was left out of `asked`, being longer than a page is good for. */
      more: number;
      /** Null while there is none. */
      answer: string | null;
      expiresMs: number | null;
    };

/** UTF-16 units of a text that a page shows. */
const MAX_SHOWN = 20_000;
const MAX_MESSAGES = 40;

const cut = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
/** Of what is being written, its end. */
const tail = (text: string): string => (text.length > MAX_SHOWN ? `…${text.slice(-MAX_SHOWN)}` : text);

export function contentShown(
  { account }: Human,
  own: boolean,
  row: JobRow,
  content: JobContentRow | null,
  live: Job | undefined,
): ContentShown {
  if (!own) return { kind: "private" };
  if (row.kind === "chat") {
    // In an organisation a chat is for the member who asked; whose key that was is not known here.
    const answer = account.kind === "organisation" ? undefined : live?.shown?.text;
    return answer ? { kind: "live", answer: tail(answer) } : { kind: "not kept" };
  }
  if (!content) return { kind: "deleted" };
  const asked = messagesOf(content.request);
  const output = content.output === null ? "" : answerOf(content.output);
  const soFar = live?.shown?.text ?? "";
  return {
    kind: "kept",
    request: content.request,
    asked: asked.slice(-MAX_MESSAGES),
    more: Math.max(0, asked.length - MAX_MESSAGES),
    answer: output !== "" ? cut(output) : soFar !== "" ? tail(soFar) : null,
    expiresMs: content.expiresMs,
  };
}

/** The messages of a stored request; none of one that an older version wrote otherwise. */
function messagesOf(request: string): Said[] {
  const { messages } = parsed(request) as { messages?: unknown };
  if (!Array.isArray(messages)) return [];
  return messages.map((message: { role?: unknown; content?: unknown }) => ({
    role: String(message.role ?? ""),
    text: cut(textOf(message.content)),
  }));
}

/** OpenAI's content: a text, or parts of which some are texts. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part: { type?: unknown; text?: unknown }) =>
      typeof part.text === "string" ? part.text : `(${String(part.type ?? "part").slice(0, 40)})`,
    )
    .join("\n");
}

function answerOf(output: string): string {
  const { choices = [] } = parsed(output) as Partial<StoredOutput>;
  const texts = choices.map(({ message }) => {
    const calls = message.tool_calls ? JSON.stringify(message.tool_calls, null, 2) : "";
    return [message.content ?? "", calls].filter((text) => text !== "").join("\n\n");
  });
  return texts.join("\n\n");
}

function parsed(json: string): object {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
