import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { largestOf, parsePrometheus, sumOf } from "./prometheus.ts";

describe("samples", () => {
  test("with and without labels, timestamps and exemplars", () => {
    const page = `# HELP a_total What it is.
# TYPE a_total counter
a_total 3
a:b{x="1",y="two words"} 4.5e2 1395066363000
c{} -0.5
d{x="q\\"uo\\\\te\\n",} +Inf
e{x="}"} .5 # {trace="t"} 1
f 1.
`;
    expect(parsePrometheus(page)).toEqual([
      { name: "a_total", labels: {}, value: 3 },
      { name: "a:b", labels: { x: "1", y: "two words" }, value: 450 },
      { name: "c", labels: {}, value: -0.5 },
      { name: "d", labels: { x: 'q"uo\\te\n' }, value: Number.POSITIVE_INFINITY },
      { name: "e", labels: { x: "}" }, value: 0.5 },
      { name: "f", labels: {}, value: 1 },
    ]);
  });

  test("a line that is no sample is left out, and the others stay", () => {
    const lines = ["a", "a b", "1a 2", "a{x=1} 2", 'a{x="1} 2', 'a{x="1" 2', "a 0x10", "a 1_0", "<html>", '{x="1"} 1'];
    expect(parsePrometheus([...lines, "good 1"].join("\r\n"))).toEqual([{ name: "good", labels: {}, value: 1 }]);
  });

  test("whatever stands on the page, nothing is thrown, and what is written as a sample is read back", () => {
    const name = fc.stringMatching(/^[a-z_:][a-z0-9_:]{0,12}$/);
    const sample = fc.record({
      name,
      labels: fc.dictionary(fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/), fc.string(), { maxKeys: 3 }),
      value: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    });
    const escaped = (text: string) => text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
    fc.assert(
      fc.property(sample, fc.string(), ({ name: metric, labels, value }, noise) => {
        const written = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
        if (Object.values(labels).some((text) => /[\r\u2028\u2029]/.test(text))) return;
        const page = `#${noise.replace(/\n/g, " ")}\n${metric}{${written.join(",")}} ${value}\n`;
        expect(parsePrometheus(page)).toEqual([{ name: metric, labels: { ...labels }, value }]);
        parsePrometheus(noise);
      }),
    );
  });
});

describe("gauges", () => {
  const samples = parsePrometheus('new{e="0"} 1\nnew{e="1"} 2\nold 9\nbroken NaN\n');
  test("are summed under the first name that is there", () => {
    expect(sumOf(samples, ["new", "old"])).toBe(3);
    expect(sumOf(samples, ["gone", "old"])).toBe(9);
    expect(sumOf(samples, ["new"], ({ labels }) => labels.e === "1")).toBe(2);
    expect(largestOf(samples, ["new"])).toBe(2);
  });
  test("that are not there, or no number, are null", () => {
    expect(sumOf(samples, ["gone"])).toBeNull();
    expect(sumOf(samples, ["broken"])).toBeNull();
    expect(largestOf(samples, [])).toBeNull();
  });
});
