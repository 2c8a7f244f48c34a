import { describe, expect, test } from "bun:test";
import { type IsPlain, PlainTemplate } from "./plain-template.ts";
import { isRecord } from "./record.ts";

const isPlain: IsPlain = (parsed, text, ignored) =>
  isRecord(parsed) && parsed.text === text && (ignored === "" || parsed.time === ignored);

function taught(json: string, text: string, ignored = ""): PlainTemplate {
  const template = new PlainTemplate();
  template.learn({ head: "", json, tail: "\n", text, ignored }, isPlain);
  return template;
}
const read = (template: PlainTemplate, source: string): string | null =>
  template.take(source, 0) === source.length ? template.text : null;

describe("plain template", () => {
  test("knows nothing before its first lesson", () => {
    expect(new PlainTemplate().take('{"text":"a"}\n', 0)).toBe(-1);
  });
  test("reads events that differ in their text only", () => {
    const template = taught('{"id":1,"text":"a"}', "a");
    expect(read(template, '{"id":1,"text":"hello"}\n')).toBe("hello");
    expect(read(template, '{"id":1,"text":""}\n')).toBe("");
    expect(read(template, '{"id":1,"text":"q\\"\\u00e9\\n"}\n')).toBe('q"é\n');
  });
  test("leaves every other event to the parser", () => {
    const template = taught('{"id":1,"text":"a"}', "a");
    for (const source of [
      '{"id":2,"text":"b"}\n',
      '{"id":1,"text":"b","more":1}\n',
      '{"id":1,"text":"b"}',
      '{"id":1,"text":"b',
      '{"id":1,"text":"\\x"}\n',
      '{"id":1,"text":"\\"}\n',
      '{"id":1,"text":"a\tb"}\n',
      '{"id":1,"text":null}\n',
    ]) {
      expect(template.take(source, 0)).toBe(-1);
    }
  });
  test("passes over a string that means nothing", () => {
    const template = taught('{"time":"10:00","text":"a"}', "a", "10:00");
    expect(read(template, '{"time":"10:01","text":"b"}\n')).toBe("b");
    expect(read(template, '{"time":"","text":"c\\n"}\n')).toBe("c\n");
    expect(template.take('{"time":"1\\u0030","text":"b"}\n', 0)).toBe(-1);
  });
  test("a text that stands elsewhere too is found in its own place", () => {
    const template = taught('{"time":"text","text":"text"}', "text", "text");
    expect(read(template, '{"time":"x","text":"y"}\n')).toBe("y");
  });
  test("a key that comes twice counts where the parser counts it", () => {
    const template = taught('{"text":"a","text":"a"}', "a");
    expect(read(template, '{"text":"a","text":"b"}\n')).toBe("b");
    expect(template.take('{"text":"b","text":"a"}\n', 0)).toBe(-1);
  });
  test("a server whose events all differ is left alone after some lessons", () => {
    let asked = 0;
    const template = new PlainTemplate();
    for (let i = 0; i < 50; i++) {
      template.learn({ head: "", json: `{"id":${i},"text":"a"}`, tail: "\n", text: "a", ignored: "" }, () => {
        asked++;
        return true;
      });
    }
    expect(asked).toBeLessThan(10);
  });
});
