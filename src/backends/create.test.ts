import { describe, expect, test } from "bun:test";
import { createBackend, parseBackendOverride } from "./create.ts";

describe("createBackend", () => {
  test("each kind has its adapter at its default address", () => {
    for (const [kind, url] of [
      ["ollama", "http://127.0.0.1:11434"],
      ["vllm", "http://127.0.0.1:8000"],
      ["llamacpp", "http://127.0.0.1:8080"],
      ["embedded", null],
    ] as const) {
      const made = createBackend({ kind });
      expect(made.ok && [made.value.kind, made.value.url]).toEqual([kind, url]);
    }
  });
  test("what cannot be made says why, without credentials", () => {
    const error = (config: Parameters<typeof createBackend>[0]) => {
      const made = createBackend(config);
      return made.ok ? "" : made.error;
    };
    expect(error({ kind: "openai" })).toContain("needs a url");
    expect(error({ kind: "openai", url: "ftp://user:secret@host" })).toContain("http://");
    expect(error({ kind: "openai", url: "ftp://user:secret@host" })).not.toContain("secret");
  });
});

describe("parseBackendOverride", () => {
  test("kind alone and kind with address", () => {
    expect(parseBackendOverride("ollama")).toEqual({ ok: true, value: { kind: "ollama" } });
    expect(parseBackendOverride("openai@http://u:p@h:1/v1")).toEqual({
      ok: true,
      value: { kind: "openai", url: "http://u:p@h:1/v1" },
    });
  });
  test("mistakes are said", () => {
    for (const text of ["", "olama", "openai", "vllm@", "vllm@host:8000", "embedded@http://x"]) {
      expect(parseBackendOverride(text).ok).toBe(false);
    }
  });
});
