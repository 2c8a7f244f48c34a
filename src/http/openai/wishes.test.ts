import { describe, expect, test } from "bun:test";
import { featureBits, NO_WISHES, type Wishes } from "../../scheduler/wishes.ts";
import { type ChatRequest, chatRequestSchema, check, parseJson } from "./chat-request.ts";
import { jobSpec } from "./job-spec.ts";
import { needsOf } from "./wishes.ts";

const CALLER = { accountId: "local", keyId: null, fairKey: "k" };
const HELLO = [{ role: "user", content: "hello" }];
const parsed = (more: object) => check(chatRequestSchema, { model: "m", messages: HELLO, ...more });
function request(more: object): ChatRequest {
  const value = parsed(more);
  if (!value.ok) throw new Error(value.error.message);
  return value.value;
}
const specOf = (more: object, caller: object = {}) =>
  jobSpec(
    "chat",
    request(more),
    "{}",
    { ...CALLER, ...caller },
    { maxTokens: 100, strategy: "balanced", tokensPerImage: 4096 },
  );
const wishes = (more: object, caller: object = {}): Wishes => specOf(more, caller).wishes;
const refused = (more: object): string | null | undefined => {
  const value = parsed(more);
  return value.ok ? undefined : value.error.param;
};

describe("a request", () => {
  test("without wishes has none", () => {
    expect(wishes({})).toEqual(NO_WISHES);
    expect(wishes({ provider: null, infernet: null, models: null })).toEqual(NO_WISHES);
    expect(wishes({ provider: {}, infernet: {} })).toEqual(NO_WISHES);
  });

  test("says where it wants to go, in OpenRouter's words and in ours", () => {
    expect(
      wishes(
        {
          provider: {
            order: ["a", " b "],
            only: ["c"],
            ignore: ["d"],
            allow_fallbacks: false,
            require_parameters: true,
            max_price: { prompt: 0.15, completion: "1e-1", request: 0.01, image: 0 },
            sort: "throughput",
            quantizations: ["FP8", "int4"],
            data_collection: "deny",
            zdr: true,
            something_new: {},
          },
          infernet: { pool: "ACME", region: "EU-West", verification: "none", other: 1 },
          tools: [{ type: "function" }],
        },
        { pools: ["acme"] },
      ),
    ).toEqual({
      strategy: "fastest",
      pools: ["acme"],
      pool: "acme",
      order: ["a", "b"],
      only: ["c"],
      ignore: ["d"],
      allowFallbacks: false,
      maxPriceInput: 150_000,
      maxPriceOutput: 100_000,
      needs: featureBits(["tools"]),
      requireNeeds: true,
      quantizations: ["fp8", "int4"],
      region: "eu-west",
    });
  });

  test("its own strategy wins over sort, and sort over the configuration", () => {
    expect(wishes({ provider: { sort: "price" } }).strategy).toBe("cheapest");
    expect(wishes({ provider: { sort: { by: "latency", partition: "none" } } }).strategy).toBe("latency");
    expect(wishes({ provider: { sort: "price" }, infernet: { strategy: "fastest" } }).strategy).toBe("fastest");
  });

  test("that is wrong is refused by the field's name", () => {
    const wrong: [object, string][] = [
      [{ provider: "alpha" }, "provider"],
      [{ provider: { order: "alpha" } }, "provider.order"],
      [{ provider: { only: [""] } }, "provider.only.0"],
      [{ provider: { ignore: Array.from({ length: 65 }, () => "x") } }, "provider.ignore"],
      [{ provider: { allow_fallbacks: "yes" } }, "provider.allow_fallbacks"],
      [{ provider: { max_price: { prompt: "cheap" } } }, "provider.max_price.prompt"],
      [{ provider: { max_price: { completion: -0.1 } } }, "provider.max_price.completion"],
      [{ provider: { sort: "luck" } }, "provider.sort"],
      [{ provider: { data_collection: "maybe" } }, "provider.data_collection"],
      [{ infernet: { strategy: "latency" } }, "infernet.strategy"],
      [{ infernet: { session: "" } }, "infernet.session"],
      [{ infernet: { verification: "2" } }, "infernet.verification"],
      [{ models: "m" }, "models"],
      [{ models: [""] }, "models.0"],
      [{ prompt_cache_key: 7 }, "prompt_cache_key"],
    ];
    for (const [more, param] of wrong) expect([param, refused(more)]).toEqual([param, param]);
    const verification = parsed({ infernet: { verification: 3 } });
    expect(verification.ok ? "" : verification.error.message).toContain("cannot be verified yet");
  });

  test("may name models alone: the first is its model, the rest come after it", () => {
    const body = parseJson(JSON.stringify({ models: ["a", "b"], messages: HELLO }));
    if (!body.ok) throw new Error(body.error.message);
    expect(body.value).toMatchObject({ model: "a" });
    expect(specOf({ model: "x", models: ["a", "b"] })).toMatchObject({ model: "x", fallbacks: ["a", "b"] });
  });
});

describe("what a request uses", () => {
  const needs = (more: object) => needsOf(request(more));
  test("is read from its body", () => {
    expect(needs({})).toBe(0);
    expect(needs({ tools: [] })).toBe(0);
    expect(needs({ tools: [{ type: "function" }] })).toBe(featureBits(["tools"]));
    expect(needs({ logprobs: true, response_format: { type: "json_schema" } })).toBe(featureBits(["json", "logprobs"]));
    expect(needs({ response_format: { type: "text" } })).toBe(0);
    const content = [
      { type: "text", text: "what is it?" },
      { type: "image_url", image_url: { url: "data:" } },
    ];
    expect(needs({ messages: [{ role: "user", content }] })).toBe(featureBits(["vision"]));
  });

  test("the room it wants is an estimate of its prompt and its answer", () => {
    const messages = [{ role: "user", content: "x".repeat(4_000) }];
    expect(specOf({ messages, max_tokens: 50 })).toMatchObject({ minContext: 126, wantContext: 1_058 });
    expect(specOf({ messages }).wantContext).toBe(1_108);
  });
});

describe("a session", () => {
  const session = (more: object, caller: object = {}) => specOf(more, caller).affinity?.session ?? null;
  test("is named in the body, ours first, or in the header; none is none", () => {
    const [ours, cache, header] = [
      session({ infernet: { session: "a" }, prompt_cache_key: "b" }, { session: "c" }),
      session({ prompt_cache_key: "b" }, { session: "c" }),
      session({}, { session: "c" }),
    ];
    expect(new Set([ours, cache, header]).size).toBe(3);
    expect(session({ infernet: { session: "c" } })).toBe(header);
    expect(specOf({}).affinity).toBeNull();
  });
});
