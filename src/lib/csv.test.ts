import { expect, test } from "bun:test";
import { csvLine } from "./csv.ts";

test("cells stand between commas, in quotes where they need them", () => {
  expect(csvLine(["a", "b c", 'say "hi"', "x,y", "two\nlines", ""])).toBe('a,b c,"say ""hi""","x,y","two\nlines",\r\n');
  expect(csvLine([null, 0, -5, 12n, -12n])).toBe(",0,-5,12,-12\r\n");
});

test.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])("no spreadsheet runs %j", (text) => {
  expect(csvLine([text]).replaceAll('"', "")).toBe(`'${text}\r\n`);
});

test("what only looks dangerous further inside is left alone", () => {
  expect(csvLine(["a=1", "x@y.example", "1-2"])).toBe("a=1,x@y.example,1-2\r\n");
});
