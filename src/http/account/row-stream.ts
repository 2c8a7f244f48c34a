// Row stream: an answer of any length, as JSON or CSV, read from the database as fast as its client takes it.
import { type CsvCell, csvLine } from "../../lib/csv.ts";

export type RowStream<R> = {
  /** Name of the rows' field, and of the file. */
  name: string;
  /** What stands before the rows, and what is known after them. */
  head: object;
  tail: () => object;
  rows: AsyncIterable<R>;
  /** Titles, and a row's cells under them; lines before and after the rows. */
  csv: {
    titles: readonly string[];
    cells: (row: R) => readonly CsvCell[];
    first?: () => readonly CsvCell[];
    last?: () => readonly CsvCell[];
  };
};

/** `?format=csv`, or an Accept of text/csv; else JSON: an object with `head`, the rows and `tail`. */
export function rowResponse<R>(request: Request, query: URLSearchParams, stream: RowStream<R>): Response {
  const accepted = request.headers.get("accept") ?? "";
  const isCsv = query.has("format") ? query.get("format") === "csv" : accepted.startsWith("text/csv");
  const texts = isCsv ? csvTexts(stream) : jsonTexts(stream);
  const headers = isCsv
    ? {
        "content-type": "text/csv; charset=utf-8; header=present",
        "content-disposition": `attachment; filename="${stream.name}.csv"`,
      }
    : { "content-type": "application/json" };
  return new Response(bodyOf(texts), {
    headers: { ...headers, "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
}

/** Texts, as fast as their reader takes them. */
export function bodyOf(texts: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await texts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await texts.return(undefined);
    },
  });
}

/** Rows that go out together. */
const ROWS_AT_ONCE = 200;

async function* together(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let waiting: string[] = [];
  for await (const line of lines) {
    waiting.push(line);
    if (waiting.length < ROWS_AT_ONCE) continue;
    yield waiting.join("");
    waiting = [];
  }
  if (waiting.length > 0) yield waiting.join("");
}

async function* csvTexts<R>({ rows, csv }: RowStream<R>): AsyncGenerator<string> {
  yield csvLine(csv.titles);
  if (csv.first) yield csvLine(csv.first());
  async function* lines() {
    for await (const row of rows) yield csvLine(csv.cells(row));
  }
  yield* together(lines());
  if (csv.last) yield csvLine(csv.last());
}

async function* jsonTexts<R>({ head, name, rows, tail }: RowStream<R>): AsyncGenerator<string> {
  const fields = JSON.stringify(head).slice(0, -1);
  yield `${fields}${fields === "{" ? "" : ","}${JSON.stringify(name)}:[`;
  async function* lines() {
    let isFirst = true;
    for await (const row of rows) {
      yield `${isFirst ? "" : ","}${JSON.stringify(row)}`;
      isFirst = false;
    }
  }
  yield* together(lines());
  const rest = JSON.stringify(tail()).slice(1);
  yield `]${rest === "}" ? "" : ","}${rest}`;
}
