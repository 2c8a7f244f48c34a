// Streams: results of any length, printed as they come.
import { type CsvCell, csvLine } from "../lib/csv.ts";
import type { Context } from "./context.ts";
import { harmlessJson, harmlessText } from "./harmless.ts";

/** One JSON object: `head`, then the rows under `name`, then what `tail` says once they are there. */
export async function printJsonRows(
  { terminal }: Context,
  {
    head,
    name,
    rows,
    tail = () => ({}),
  }: {
    head: object;
    name: string;
    rows: AsyncIterable<unknown>;
    tail?: () => object;
  },
): Promise<void> {
  const fields = (value: object, before: string, after: string) => {
    const texts = Object.entries(value).map(([key, one]) => `  ${harmlessJson(key)}: ${harmlessJson(one)}`);
    return texts.length === 0 ? "" : before + texts.join(",\n") + after;
  };
  terminal.out(`{\n${fields(head, "", ",\n")}  ${harmlessJson(name)}: [`);
  let count = 0;
  for await (const row of rows) {
    terminal.out(`${count === 0 ? "" : ","}\n    ${harmlessJson(row, 0)}`);
    count += 1;
  }
  terminal.out(`${count === 0 ? "" : "\n  "}]${fields(tail(), ",\n", "")}\n}\n`);
}

/** One line of CSV, without anything that a terminal would obey. */
export function printCsv({ terminal }: Context, cells: readonly CsvCell[]): void {
  terminal.out(csvLine(cells.map((cell) => (typeof cell === "string" ? harmlessText(cell) : cell))));
}
