import { describe, expect, test } from "bun:test";
import { budgetsOf, modelRule, modelsAllowed, scopeRefusal } from "./key-rights.ts";

describe("scopes", () => {
  test("a key that names none may do all that a client may, and nothing of a worker's", () => {
    expect(scopeRefusal([], "chat")).toBeNull();
    expect(scopeRefusal([], undefined)).toBeNull();
    expect(scopeRefusal([], "operator")).toBe("api_key_role");
  });
  test("a key that names some may do those, and what needs none", () => {
    expect(scopeRefusal(["chat", "models:read"], "chat")).toBeNull();
    expect(scopeRefusal(["chat", "models:read"], undefined)).toBeNull();
    expect(scopeRefusal(["chat", "models:read"], "jobs")).toBe("api_key_scope");
    expect(scopeRefusal(["chat"], "operator")).toBe("api_key_role");
  });
  test("a worker's key is no client's", () => {
    expect(scopeRefusal(["operator"], "operator")).toBeNull();
    expect(scopeRefusal(["operator"], "chat")).toBe("api_key_role");
    expect(scopeRefusal(["operator"], undefined)).toBe("api_key_role");
  });
});

describe("models", () => {
  const allows = (allowed: string[], name: string) => modelRule(allowed)?.(name);
  test("no list allows all", () => {
    expect(modelRule([])).toBeNull();
    expect(modelsAllowed(null, "x", ["y"])).toEqual(["y"]);
  });
  test("a name allows itself, with or without `:latest`", () => {
    expect(allows(["qwen3"], "qwen3")).toBe(true);
    expect(allows(["qwen3"], "qwen3:latest")).toBe(true);
    expect(allows(["qwen3:latest"], "qwen3")).toBe(true);
    for (const other of ["qwen3:8b", "qwen", "qwen33", "Qwen3", ""]) expect(allows(["qwen3"], other)).toBe(false);
  });
  test("a beginning allows what begins so; a star elsewhere is a star", () => {
    expect(allows(["qwen3:*"], "qwen3:8b")).toBe(true);
    expect(allows(["qwen3:*"], "qwen2:8b")).toBe(false);
    expect(allows(["*"], "anything")).toBe(true);
    expect(allows(["q*3"], "qwen3")).toBe(false);
  });
  test("an alias that is allowed allows what it stands for; of another, what is allowed is left", () => {
    const rule = modelRule(["fast", "qwen3:8b"]);
    expect(modelsAllowed(rule, "fast", ["llama", "gemma"])).toEqual(["llama", "gemma"]);
    expect(modelsAllowed(rule, "big", ["llama", "qwen3:8b"])).toEqual(["qwen3:8b"]);
    expect(modelsAllowed(rule, "llama", ["llama"])).toEqual([]);
  });
});

describe("budgets", () => {
  const nowMs = Date.UTC(2026, 1, 28, 23, 59, 59, 999);
  test("a day's budget is UTC's day's, and the other has no end", () => {
    const key = { lineage: "key_a", spend: { day: 5_000_000, total: Number.MAX_SAFE_INTEGER } };
    expect(budgetsOf(key, nowMs)).toEqual([
      { id: "key/key_a/2026-02-28", limit: 5_000_000n },
      { id: "key/key_a", limit: BigInt(Number.MAX_SAFE_INTEGER) },
    ]);
    expect(budgetsOf(key, nowMs + 1)[0]?.id).toBe("key/key_a/2026-03-01");
  });
  test("a limit of nothing is a limit, and none is none", () => {
    expect(budgetsOf({ lineage: "k", spend: { day: null, total: 0 } }, nowMs)).toEqual([{ id: "key/k", limit: 0n }]);
    expect(budgetsOf({ lineage: "k", spend: null }, nowMs)).toEqual([]);
  });
});
