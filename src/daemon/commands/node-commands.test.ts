import { afterEach, describe, expect, test } from "bun:test";
import { err, ok } from "../../lib/result.ts";
import {
  ALL_ACTIONS,
  type Call,
  COORDINATOR,
  type CommandStage,
  cleanUp,
  commandStage,
  scriptedActions,
} from "./testing/command-stage.ts";

afterEach(cleanUp);

async function turns(count = 8): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
async function call(calls: readonly Call[], index: number): Promise<Call> {
  for (let i = 0; i < 10_000; i++) {
    const one = calls[index];
    if (one) return one;
    await turns(1);
  }
  throw new Error(`there is no call ${index}`);
}
const progressOf = ({ said }: CommandStage) => said.filter((frame) => frame.type === "command_progress");

describe("a model is installed", () => {
  test("by the backend that can, and what is served is told before the end is", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const plain = scriptedActions([], "embedded").backend;
    const on = await commandStage({ backends: [plain, backend] });
    const id = on.command("model_install", "llama3.2:1b");
    (await call(calls, 0)).end();
    expect(await on.endOf(id)).toMatchObject({ outcome: "completed", error: null });
    expect(calls).toMatchObject([{ command: "model_install", model: "llama3.2:1b" }]);
    expect(on.counts).toMatchObject({ refreshed: 1, announced: 1 });
  });

  test("with at most four words of it a second, the last of them before the end", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend] });
    const id = on.command("model_install", "m");
    const { report, end } = await call(calls, 0);
    for (let i = 0; i < 90; i++) {
      report({ phase: "pulling", completed: i, total: 100 });
      on.clock.advance(10);
    }
    expect(progressOf(on)).toHaveLength(4);
    report({ phase: "pulling", completed: 100, total: 100 });
    end();
    await on.endOf(id);
    expect(on.said.at(-2)).toMatchObject({ type: "command_progress", completed: 100 });
    expect(on.said.at(-1)).toMatchObject({ type: "command_end", id });
  });

  test("and figures that make no sense are left out", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend] });
    on.command("model_install", "m");
    (await call(calls, 0)).report({ phase: "x".repeat(999), completed: Number.NaN, total: -1 });
    expect(progressOf(on)).toMatchObject([{ phase: "x".repeat(256), completed: null, total: null }]);
  });

  test("or not, and says why", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend] });
    const id = on.command("model_install", "m");
    (await call(calls, 0)).end(err({ code: "model_not_found", message: "pull model manifest: file does not exist" }));
    expect(await on.endOf(id)).toMatchObject({ outcome: "failed", error: "pull model manifest: file does not exist" });
  });
});

describe("what comes twice", () => {
  test("is done once: while it is at work, after its end, and after a restart of the node", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend] });
    const id = on.command("model_install", "m");
    const first = await call(calls, 0);
    first.report({ phase: "pulling", completed: 1, total: 2 });
    on.command("model_install", "m", id);
    expect(progressOf(on)).toHaveLength(2);
    first.end();
    await on.endOf(id);
    on.command("model_install", "m", id);
    await turns();
    expect(on.ends(id)).toHaveLength(2);
    const after = await on.again();
    after.command("model_install", "m", id);
    expect(await after.endOf(id)).toMatchObject({ outcome: "completed" });
    expect(calls).toHaveLength(1);
  });

  test("is another command where another coordinator sends it", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend] });
    const id = on.command("model_install", "m");
    (await call(calls, 0)).end();
    await on.endOf(id);
    const other = Promise.withResolvers<object>();
    const link = on.commands.link("d".repeat(64));
    link.opened(other.resolve);
    link.obey({ type: "command", id, command: "model_install", args: { model: "m" } });
    (await call(calls, 1)).end();
    expect(await other.promise).toMatchObject({ type: "command_end", id, outcome: "completed" });
  });

  test("runs once where it comes over two links of one coordinator, and both hear how it went", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend] });
    const heard: object[] = [];
    const other = on.commands.link(COORDINATOR);
    other.opened((frame) => void heard.push(frame));
    const id = on.command("model_install", "m");
    other.obey({ type: "command", id, command: "model_install", args: { model: "m" } });
    // A link that goes takes no other's way of being told with it.
    on.link.closed();
    on.link.opened((frame) => void on.said.push(frame));
    (await call(calls, 0)).end();
    while (on.ends(id).length === 0) await turns();
    expect(heard).toContainEqual(on.ends(id)[0] ?? {});
    on.link.closed();
    other.obey({ type: "command", id, command: "model_install", args: { model: "m" } });
    expect(heard.at(-1)).toMatchObject({ type: "command_end", id, outcome: "completed" });
    expect(calls).toHaveLength(1);
  });

  test("runs again where a restart of the node interrupted it", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend] });
    const id = on.command("model_install", "m");
    await call(calls, 0);
    await on.commands.stop();
    await turns();
    expect(calls[0]?.signal.aborted).toBe(true);
    expect(on.ends(id)).toEqual([]);
    const after = await on.again();
    after.command("model_install", "m", id);
    (await call(calls, 1)).end();
    expect(await after.endOf(id)).toMatchObject({ outcome: "completed" });
  });
});

test("an end is told every 30 s until it is acknowledged", async () => {
  const on = await commandStage();
  const id = on.command("refresh");
  await on.endOf(id);
  on.clock.advance(60_000);
  expect(on.ends(id)).toHaveLength(3);
  on.link.obey({ type: "command_ack", id });
  on.clock.advance(60_000);
  expect(on.ends(id)).toHaveLength(3);
});

describe("a cancellation", () => {
  test("reaches what is at work", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend] });
    const id = on.command("model_install", "m");
    const { signal } = await call(calls, 0);
    on.link.obey({ type: "command_cancel", id });
    expect(signal.aborted).toBe(true);
    expect(await on.endOf(id)).toMatchObject({ outcome: "cancelled" });
  });

  test("of what waits for its turn ends it at once, and lets nobody overtake", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend] });
    const first = on.command("model_install", "a");
    const second = on.command("model_install", "b");
    const third = on.command("model_remove", "c");
    const { end } = await call(calls, 0);
    expect(progressOf(on)).toMatchObject([{ id: second, phase: "waiting for another command" }, { id: third }]);
    on.link.obey({ type: "command_cancel", id: second });
    expect(await on.endOf(second)).toMatchObject({ outcome: "cancelled" });
    await turns();
    expect(calls).toHaveLength(1);
    end();
    await on.endOf(first);
    (await call(calls, 1)).end();
    await on.endOf(third);
    expect(calls.map(({ model }) => model)).toEqual(["a", "c"]);
  });

  test("of what this node never heard of, or forgot in a crash, is its end", async () => {
    const on = await commandStage();
    const id = Bun.randomUUIDv7();
    on.link.obey({ type: "command_cancel", id });
    expect(await on.endOf(id)).toMatchObject({ outcome: "cancelled" });
    on.command("drain", undefined, id);
    await turns();
    expect(on.standing().status).toBe("available");
  });

  test("of such a one is told once it is written down, however often it is asked meanwhile", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const { journal } = await commandStage();
    const written = Promise.withResolvers<void>();
    const note: typeof journal.note = async (entry) => void (await Promise.all([journal.note(entry), written.promise]));
    const on = await commandStage({ backends: [backend], journal: { ...journal, note } });
    const id = Bun.randomUUIDv7();
    for (let i = 0; i < 2; i++) on.link.obey({ type: "command_cancel", id });
    on.command("model_install", "m", id);
    await turns();
    expect(on.said).toEqual([]);
    written.resolve();
    expect(await on.endOf(id)).toMatchObject({ outcome: "cancelled" });
    expect([on.ends(id).length, calls]).toEqual([1, []]);
  });

  test("that comes after the end changes nothing", async () => {
    const on = await commandStage();
    const id = on.command("refresh");
    await on.endOf(id);
    on.link.obey({ type: "command_cancel", id });
    expect(on.ends(id).map(({ outcome }) => outcome)).toEqual(["completed", "completed"]);
  });
});

describe("the node has the last word", () => {
  test.each([
    ["model_install", "m", "this node does not let its coordinators install models (node.allow_commands)"],
    ["model_remove", "m", "this node does not let its coordinators remove models (node.allow_commands)"],
    ["drain", undefined, "this node does not let its coordinators drain it (node.allow_commands)"],
    ["restart", undefined, "this node does not let its coordinators restart it (node.allow_commands)"],
  ] as const)("%s is refused where it is not allowed", async (command, model, error) => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend], allowed: () => ["refresh"] });
    const id = on.command(command, model);
    expect(await on.endOf(id)).toMatchObject({ outcome: "refused", error });
    expect(calls).toEqual([]);
    expect(on.standing().status).toBe("available");
    expect(await on.endOf(on.command("refresh"))).toMatchObject({ outcome: "completed" });
  });

  test("of what no backend does it says so", async () => {
    const on = await commandStage({ backends: [scriptedActions([], "vllm").backend] });
    expect(await on.endOf(on.command("model_install", "m"))).toMatchObject({
      outcome: "refused",
      error: "no backend of this node (vllm) can install models",
    });
  });

  test("a full disk refuses an install before it begins, and stops one that outgrows it", async () => {
    const { backend, calls } = scriptedActions(ALL_ACTIONS);
    const answers: (string | null)[] = ["no room"];
    const refusal = async () => answers.shift() ?? null;
    const on = await commandStage({ backends: [backend], disk: { refusal } });
    const first = on.command("model_install", "m");
    expect(await on.endOf(first)).toMatchObject({ outcome: "refused", error: "no room" });
    expect(calls).toEqual([]);
    answers.push(null, null, "it outgrows the disk");
    const second = on.command("model_install", "m");
    const { report, signal } = await call(calls, 0);
    report({ phase: "pulling", completed: 1, total: 10 });
    await turns();
    expect(signal.aborted).toBe(false);
    report({ phase: "pulling", completed: 2, total: 20 });
    expect(await on.endOf(second)).toMatchObject({ outcome: "failed", error: "it outgrows the disk" });
  });

  test("more than 64 commands of one coordinator are not taken on", async () => {
    const { backend } = scriptedActions(ALL_ACTIONS);
    const on = await commandStage({ backends: [backend] });
    for (let i = 0; i < 64; i++) on.command("model_install", `m${i}`);
    expect(await on.endOf(on.command("model_install", "one-more"))).toMatchObject({ outcome: "refused" });
  });
});

describe("terms", () => {
  const kept = () => {
    const asked: object[] = [];
    const configure = async (terms: object, by: string) => {
      asked.push({ terms, by });
      return ok(undefined);
    };
    return { asked, configure };
  };

  test("are changed by nobody else unless its operator lets them, and the refusal says how to", async () => {
    const { asked, configure } = kept();
    const on = await commandStage({ configure });
    expect(await on.endOf(on.configure({ price_output: 0 }))).toMatchObject({
      outcome: "refused",
      error:
        "this node does not let its coordinators change its slots, prices and schedule (node.allow_commands); on its machine, `infernet settings set node.allow_commands models,drain,resume,refresh,restart,configure` allows it",
    });
    expect(asked).toEqual([]);
  });

  test("are changed once where they do, however often it is asked", async () => {
    const { asked, configure } = kept();
    const on = await commandStage({ configure, allowed: () => ["configure"] });
    const id = on.configure({ slots: 4 });
    expect(await on.endOf(id)).toMatchObject({ outcome: "completed" });
    on.configure({ slots: 4 }, id);
    const after = await on.again();
    after.configure({ slots: 4 }, id);
    expect(await after.endOf(id)).toMatchObject({ outcome: "completed" });
    expect(asked).toEqual([{ terms: { slots: 4 }, by: "c".repeat(64) }]);
  });

  test("that cannot be changed are refused with the reason; none, or those of another command, too", async () => {
    const configure = async () => err("slots: a flag says otherwise");
    const on = await commandStage({ configure, allowed: () => ["configure"] });
    expect(await on.endOf(on.configure({ slots: 4 }))).toMatchObject({
      outcome: "refused",
      error: "slots: a flag says otherwise",
    });
    expect(await on.endOf(on.command("configure"))).toMatchObject({
      outcome: "refused",
      error: "configure needs terms",
    });
  });

  test("that the disk does not take fail", async () => {
    const configure = () => Promise.reject(new Error("the disk is full"));
    const on = await commandStage({ configure, allowed: () => ["configure"] });
    expect(await on.endOf(on.configure({ slots: 4 }))).toMatchObject({ outcome: "failed", error: "the disk is full" });
  });
});

describe("drained", () => {
  test("it stays so over a restart, until it is resumed", async () => {
    const on = await commandStage();
    await on.endOf(on.command("drain"));
    expect(on.standing()).toEqual({ status: "draining", reason: "drained on request" });
    const after = await on.again();
    expect(after.standing().status).toBe("draining");
    expect(await after.endOf(after.command("resume"))).toMatchObject({ outcome: "completed" });
    expect(after.standing().status).toBe("available");
    expect((await after.again()).standing().status).toBe("available");
  });

  test("by two coordinators it takes jobs again when both let go, or its operator does", async () => {
    const on = await commandStage();
    const other = on.commands.link("d".repeat(64));
    const drained = Promise.withResolvers<object>();
    other.opened(drained.resolve);
    await on.endOf(on.command("drain"));
    other.obey({ type: "command", id: Bun.randomUUIDv7(), command: "drain", args: {} });
    expect(await drained.promise).toMatchObject({ outcome: "completed" });
    expect(await on.endOf(on.command("resume"))).toMatchObject({
      outcome: "failed",
      error: "another coordinator of this node has drained it too",
    });
    expect(on.standing().status).toBe("draining");
    await on.commands.undrain();
    expect(on.standing().status).toBe("available");
    expect((await on.again()).standing().status).toBe("available");
  });

  test("by a coordinator it no longer has, it takes jobs", async () => {
    const on = await commandStage();
    await on.endOf(on.command("drain"));
    const { directory } = on;
    await on.journal.close();
    expect((await commandStage({}, { directory, by: "d".repeat(64) })).standing().status).toBe("available");
    expect((await commandStage({}, { directory })).standing().status).toBe("draining");
  });
});

describe("a restart", () => {
  test("is said and remembered before it happens, so that it happens once", async () => {
    const on = await commandStage();
    const id = on.command("restart");
    expect(await on.endOf(id)).toMatchObject({ outcome: "completed" });
    expect(on.counts.restarted).toBe(0);
    on.clock.advance(1_000);
    expect(on.counts.restarted).toBe(1);
    const after = await on.again();
    after.command("restart", undefined, id);
    expect(await after.endOf(id)).toMatchObject({ outcome: "completed" });
    after.clock.advance(60_000);
    expect(after.counts.restarted).toBe(0);
  });

  test("is refused where the system cannot, and fails where it could not be remembered", async () => {
    const on = await commandStage({ restart: null });
    expect(await on.endOf(on.command("restart"))).toMatchObject({ outcome: "refused" });
    const full = await on.again({
      restart: () => void full.counts.restarted++,
      journal: { ...on.journal, endOf: () => undefined, note: async () => Promise.reject(new Error("ENOSPC")) },
    });
    const end = await full.endOf(full.command("restart"));
    expect(end).toMatchObject({ outcome: "failed" });
    expect(end.error).toContain("ENOSPC");
    full.clock.advance(60_000);
    expect(full.counts.restarted).toBe(0);
  });
});

test("a disk that remembers nothing does not keep a command from being done", async () => {
  const { backend, calls } = scriptedActions(ALL_ACTIONS);
  const first = await commandStage();
  const on = await commandStage({
    backends: [backend],
    journal: { ...first.journal, note: async () => Promise.reject(new Error("ENOSPC")) },
  });
  const id = on.command("model_remove", "m");
  (await call(calls, 0)).end();
  expect(await on.endOf(id)).toMatchObject({ outcome: "completed" });
});
