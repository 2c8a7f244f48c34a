import { describe, expect, test } from "bun:test";
import { parseGgufHeader } from "./gguf-header.ts";
import { randomGguf } from "./testing/random-gguf.ts";

describe("GGUF header", () => {
  const file = randomGguf({ shape: { contextLength: 768 } });
  test("names architecture, context length, quantization and, behind the vocabulary, the chat template", () => {
    expect(parseGgufHeader(file, "x")).toEqual({
      architecture: "llama",
      contextLength: 768,
      quantization: "F16",
      chatTemplate: expect.stringContaining("<|im_start|>"),
      embedsOnly: false,
    });
  });
  test("the file's first bytes are enough", () => {
    expect(parseGgufHeader(file.slice(0, 1024), "x").contextLength).toBe(768);
  });
  test("cut or damaged at any byte, it gives facts or a readable error", () => {
    for (let at = 0; at < 1200; at++) {
      // A copy: each is damaged at one byte.
      const damaged = Uint8Array.from(file.subarray(0, 1200));
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      for (const bytes of [file.slice(0, at), damaged]) {
        try {
          parseGgufHeader(bytes, "x.gguf");
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Error);
          expect((thrown as Error).message).toContain("x.gguf");
        }
      }
    }
  });
});
