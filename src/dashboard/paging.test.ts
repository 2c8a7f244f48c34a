import { expect, test } from "bun:test";
import fc from "fast-check";
import { listPage, type Place } from "./paging.ts";

type Row = { by: number; id: string };
const placeOf = ({ by, id }: Row): Place => [by, id];
const START = { after: null, before: null };
const rowsOf = (count: number): Row[] => Array.from({ length: count }, (_, i) => ({ by: i >> 1, id: `${i % 2}` }));

test("property: whatever their order, going forward shows every row once, and going back the same pages", () => {
  const orders = fc.integer({ min: 0, max: 60 }).chain((count) => {
    const rows = rowsOf(count);
    return fc.shuffledSubarray(rows, { minLength: count }).map((shuffled) => ({ inOrder: rows, rows: shuffled }));
  });
  fc.assert(
    fc.property(orders, fc.integer({ min: 1, max: 9 }), ({ inOrder, rows }, size) => {
      const pages = [listPage(rows, placeOf, START, size)];
      for (let page = pages[0]; page && page.older !== null; ) {
        page = listPage(rows, placeOf, { after: page.older, before: null }, size);
        pages.push(page);
      }
      expect(pages.flatMap((page) => page.rows)).toEqual(inOrder);
      expect(pages[0]?.newer ?? null).toBeNull();
      for (const [i, page] of pages.entries()) {
        if (page.newer === null) continue;
        expect(listPage(rows, placeOf, { after: null, before: page.newer }, size).rows).toEqual(
          pages[i - 1]?.rows ?? [],
        );
      }
    }),
  );
});

test("a row that went meanwhile hides none of the others", () => {
  const rows = rowsOf(10);
  const { older } = listPage(rows, placeOf, START, 4);
  const left = rows.filter((_, i) => i !== 3);
  expect(listPage(left, placeOf, { after: older, before: null }, 4).rows).toEqual(rows.slice(4, 8));
});

test("where fewer than a page stand before a row, going back shows the first page", () => {
  const rows = rowsOf(10);
  const newer = listPage(rows, placeOf, { after: listPage(rows, placeOf, START, 4).older, before: null }, 4).newer;
  const left = rows.slice(2);
  const first = listPage(left, placeOf, { after: null, before: newer }, 4);
  expect([first.rows, first.newer]).toEqual([left.slice(0, 4), null]);
});

test("what is no cursor of ours begins at the start", () => {
  const rows = rowsOf(5);
  for (const after of ["x", "", "bnVsbA", Buffer.from("[1]").toString("base64url"), "A".repeat(9_999)]) {
    expect(listPage(rows, placeOf, { after, before: null }, 2).rows).toEqual(rows.slice(0, 2));
  }
});
