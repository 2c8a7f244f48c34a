// Receipt lines: an export of receipts, or the one document that the API answers with, read piece by piece into its lines.
import { err, ok, type Result } from "../lib/result.ts";
import {
  type ExportLine,
  exportDocumentSchema,
  exportLineSchema,
  linesOf,
  MAX_EXPORT_LINE_CHARS,
} from "./receipt-export.ts";

/** Largest document that is read at once; lines of an export are read one by one. */
const MAX_DOCUMENT_CHARS = 64 * 1024 * 1024;

/** An export begins so; a document that the API answered with does not. */
const FIRST_LINE = /^\s*\{\s*"t"\s*:/;
/** So much is enough to tell. */
const TELLING_CHARS = 64;

/** The lines of an export, or of the one document that the API answers with; the first that is neither ends it. */
export async function* exportLines(pieces: AsyncIterable<string>): AsyncGenerator<Result<ExportLine, string>> {
  let rest = "";
  let number = 0;
  let kind: "unknown" | "lines" | "document" = "unknown";
  for await (const piece of pieces) {
    rest += piece;
    if (kind === "unknown" && rest.length >= TELLING_CHARS) kind = FIRST_LINE.test(rest) ? "lines" : "document";
    if (rest.length > MAX_DOCUMENT_CHARS && kind !== "lines") return yield err("is too large for one document");
    if (kind !== "lines") continue;
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const parsed = parseLine(line, ++number);
      if (parsed) yield parsed;
      if (parsed?.ok === false) return;
    }
    if (rest.length > MAX_EXPORT_LINE_CHARS) return yield err(`line ${number + 1} is too long`);
  }
  if (rest.trim() === "") return;
  if (kind !== "lines" && !FIRST_LINE.test(rest)) return yield* documentLines(rest);
  for (const line of rest.split("\n")) {
    const parsed = parseLine(line, ++number);
    if (parsed) yield parsed;
    if (parsed?.ok === false) return;
  }
}

/** Undefined for an empty one. */
function parseLine(line: string, number: number): Result<ExportLine, string> | undefined {
  if (line.trim() === "") return undefined;
  if (line.length > MAX_EXPORT_LINE_CHARS) return err(`line ${number} is too long`);
  const json = parseJson(line);
  if (!json.ok) return err(`line ${number} is not JSON`);
  const parsed = exportLineSchema.safeParse(json.value);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  return err(`line ${number}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "does not fit"}`.slice(0, 300));
}

function* documentLines(text: string): Generator<Result<ExportLine, string>> {
  const json = parseJson(text);
  if (!json.ok) return yield err("is neither an export of receipts nor JSON");
  const parsed = exportDocumentSchema.safeParse(json.value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return yield err(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "does not fit"}`.slice(0, 300));
  }
  for (const line of linesOf(parsed.data)) yield ok(line);
}

function parseJson(text: string): Result<unknown, undefined> {
  try {
    return ok(JSON.parse(text));
  } catch {
    return err(undefined);
  }
}
