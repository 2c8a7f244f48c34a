import { describe, expect, test } from "bun:test";
import { JSON_OBJECT_GRAMMAR, schemaGrammar } from "./json-grammar.ts";

/** The rule `root` of a schema's grammar, with the rules it names written in. */
function grammar(schema: unknown): string {
  const made = schemaGrammar(schema);
  if (!made.ok) throw new Error(made.error);
  const rules = new Map(
    made.value
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" ::= ") as [string, string]),
  );
  const written = (text: string, depth: number): string =>
    text.replace(/\br\d+\b/g, (name) => (depth > 9 ? name : `(${written(rules.get(name) ?? "?", depth + 1)})`));
  return written(rules.get("root") ?? "", 0);
}

describe("JSON grammar", () => {
  test("required properties come first, the others may be left out", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "boolean" }, b: { type: "null" }, c: { type: "integer" } },
      required: ["b"],
      additionalProperties: false,
    };
    expect(grammar(schema)).toBe(
      '("{" space "\\"b\\":" space (null) (("," space "\\"a\\":" space (boolean))? (("," space "\\"c\\":" space (integer))? )) space "}")',
    );
  });
  test("enum, const, anyOf, lists of types and references", () => {
    expect(grammar({ enum: ["x", 1, null] })).toBe('("\\"x\\"" | "1" | "null")');
    expect(grammar({ const: 'q"' })).toBe('("\\"q\\\\\\"\\"")');
    expect(grammar({ anyOf: [{ type: "string" }, { type: "null" }] })).toBe("((string) | (null))");
    expect(grammar({ type: ["string", "null"], maxLength: 2 })).toBe('(("\\"" char{0,2} "\\"") | (null))');
    expect(grammar({ $ref: "#/$defs/x", $defs: { x: { type: "number" } } })).toBe("((number))");
  });
  test("a schema that refers to itself ends", () => {
    const made = schemaGrammar({
      type: "object",
      properties: { next: { $ref: "#" } },
      required: [],
      additionalProperties: false,
    });
    expect(made.ok).toBe(true);
  });
  test("many properties make a long grammar, not a huge one", () => {
    const properties = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`p${i}`, { type: "null" }]));
    const made = schemaGrammar({ type: "object", properties, additionalProperties: false });
    expect(made.ok && made.value.length < 100_000).toBe(true);
    const more = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`p${i}`, { type: "null" }]));
    expect(schemaGrammar({ type: "object", properties: more })).toMatchObject({ ok: false });
  });
  test("bounds of lists and text", () => {
    expect(grammar({ type: "array", items: { type: "null" }, minItems: 2, maxItems: 3 })).toContain("){1,2}");
    expect(grammar({ type: "array", items: { type: "null" }, maxItems: 0 })).toBe('("[" space "]")');
    expect(grammar({ type: "string", minLength: 1 })).toBe('("\\"" char{1,} "\\"")');
  });
  test("what the grammar cannot keep is refused, and named", () => {
    const refused: [unknown, string][] = [
      [{ type: "string", pattern: "^a" }, "pattern"],
      [{ type: "integer", minimum: 3 }, "minimum"],
      [{ type: "array", uniqueItems: true }, "uniqueItems"],
      [{ type: "string", format: "email" }, "email"],
      [{ allOf: [{ type: "string" }, { type: "null" }] }, "allOf"],
      [{ not: {} }, "not"],
      [{ type: "date" }, "date"],
      [{ $ref: "#/$defs/gone" }, "gone"],
      [{ type: "string", maxLength: 1e9 }, "maxLength"],
      [5, "object"],
    ];
    for (const [schema, word] of refused) {
      expect(schemaGrammar(schema)).toMatchObject({ ok: false, error: expect.stringContaining(word) });
    }
  });
  test("any object has a grammar of its own", () => expect(JSON_OBJECT_GRAMMAR).toStartWith("root ::= object\n"));
});
