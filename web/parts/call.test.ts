import { expect, test } from "bun:test";
import fc from "fast-check";
import { curlCall, shellWord, visibleJson, writtenJson } from "./call.ts";

test("property: what is written over lines is the same JSON, with nothing invisible in it", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(writtenJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      expect(JSON.parse(writtenJson(value, "    "))).toEqual(JSON.parse(visibleJson(value)));
    }),
  );
  expect(visibleJson("a\u202eb\u200b\u{e0041}")).toBe('"a\\u202eb\\u200b\\udb40\\udc41"');
});

test("property: a shell takes a word as it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("'", '"', "$", "`", "\\", "a", " ", "\n", "(") }), (text) => {
      const shell = Bun.spawnSync(["sh", "-c", `printf %s ${shellWord(text)}`]);
      expect(shell.stdout.toString()).toBe(text);
    }),
    { numRuns: 20 },
  );
});

test("short lists and objects stand on one line", () => {
  expect(curlCall("http://a", "/v1/x", { model: "m", messages: [{ role: "user", content: "What?" }] })).toBe(
    `curl http://a/v1/x \\
  -H "Authorization: Bearer $INFERNET_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{ "model": "m", "messages": [{ "role": "user", "content": "What?" }] }'`,
  );
});
