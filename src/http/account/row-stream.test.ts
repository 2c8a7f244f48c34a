import { expect, test } from "bun:test";
import { rowResponse } from "./row-stream.ts";

type Row = { name: string; n: number };
async function* rowsUpTo(count: number, ended?: (read: number) => void): AsyncGenerator<Row> {
  let n = 0;
  try {
    for (; n < count; n += 1) yield { name: n === 0 ? "=1+1" : `row ${n}`, n };
  } finally {
    ended?.(n);
  }
}
const answer = (
  url: string,
  rows: AsyncIterable<Row>,
  accept?: string,
  head: object = { from: 1 },
  tail: object = { to: 2 },
) => {
  const request = new Request(url, accept === undefined ? {} : { headers: { accept } });
  return rowResponse<Row>(request, new URL(url).searchParams, {
    name: "things",
    head,
    tail: () => tail,
    rows,
    csv: { titles: ["name", "n"], cells: ({ name, n }) => [name, n], last: () => ["end", null] },
  });
};
const HERE = "http://here.example/";

test("as JSON it is one object, whatever the number of rows", async () => {
  expect(await answer(HERE, rowsUpTo(0)).json()).toEqual({ from: 1, things: [], to: 2 });
  expect(await answer(HERE, rowsUpTo(2), undefined, {}, {}).json()).toEqual({
    things: [
      { name: "=1+1", n: 0 },
      { name: "row 1", n: 1 },
    ],
  });
  const many = (await answer(HERE, rowsUpTo(1_234)).json()) as { things: Row[] };
  expect(many.things.map(({ n }) => n)).toEqual(Array.from({ length: 1_234 }, (_, n) => n));
});

test.each([
  [`${HERE}?format=csv`, undefined],
  [HERE, "text/csv"],
])("as CSV it is a file that no spreadsheet runs: %s", async (url, accept) => {
  const response = answer(url, rowsUpTo(2), accept);
  expect(response.headers.get("content-type")).toStartWith("text/csv");
  expect(response.headers.get("content-disposition")).toBe('attachment; filename="things.csv"');
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(await response.text()).toBe("name,n\r\n'=1+1,0\r\nrow 1,1\r\nend,\r\n");
});

test("no more is read than the client takes, and nothing once it has left", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const reader = answer(HERE, rowsUpTo(1_000_000, resolve)).body?.getReader();
  await reader?.read();
  await reader?.read();
  await reader?.cancel();
  expect(await promise).toBeLessThan(2_000);
});
