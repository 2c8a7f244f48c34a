import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createLog, hideSecrets, type LogLevel } from "./log.ts";

async function logged(
  format: "text" | "json",
  act: (log: Awaited<ReturnType<typeof createLog>>) => void,
  level: LogLevel = "debug",
): Promise<string[]> {
  const lines: string[] = [];
  act(await createLog({ level, format, write: (line) => void lines.push(line) }));
  return lines;
}

describe("the log", () => {
  test("writes one JSON object a line, with level, time, message and fields", async () => {
    const [line = ""] = await logged("json", (log) => log.child({ node: "n1" }).warn("node lost", { code: 1006 }));
    expect(line.endsWith("\n")).toBe(true);
    expect(JSON.parse(line)).toMatchObject({ level: "warn", msg: "node lost", node: "n1", code: 1006 });
    expect(Date.parse(JSON.parse(line).time)).toBeGreaterThan(0);
  });

  test("says more or less from one moment to the next, and so do its children", async () => {
    const lines: string[] = [];
    const log = await createLog({ level: "warn", format: "json", write: (line) => lines.push(line) });
    const child = log.child({ part: "x" });
    const say = () => {
      for (const one of [log, child]) one.info("quiet");
      return lines.splice(0).length;
    };
    expect(say()).toBe(0);
    log.setLevel("info");
    expect(say()).toBe(2);
    log.setLevel("silent");
    child.error("c");
    expect(lines).toEqual([]);
  });

  test("leaves out what is below its level", async () => {
    const lines = await logged(
      "json",
      (log) => {
        log.debug("a");
        log.info("b");
        log.error("c");
      },
      "error",
    );
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(["c"]);
    expect(await logged("json", (log) => log.error("c"), "silent")).toEqual([]);
  });

  test("takes an Error with its stack", async () => {
    const [line = ""] = await logged("json", (log) => log.error("failed", { err: new RangeError("too far") }));
    expect(JSON.parse(line).err).toMatchObject({
      type: "RangeError",
      message: "too far",
      stack: expect.stringContaining("log.test.ts"),
    });
  });

  for (const format of ["json", "text"] as const) {
    test(`as ${format} holds no key, token, link or prompt, wherever one is put`, async () => {
      const key = "inf_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
      const join = "infjoin_AWOaLorTFdniaJXDFZx9n_sRr2B3QuFPuX7ueMvYXPj";
      const lines = await logged(format, (log) => {
        log.info(`made ${key}`, { note: `with ${join}`, header: `Bearer ${key}`, deep: { list: [key] } });
        log.info("set up", {
          link: "https://infer.example/setup#c2VjcmV0LWxpbms",
          password: "hunter22",
          token: "t0ken99",
        });
        log.error("bad", {
          err: new Error(`refused ${key}`),
          request: { messages: ["my prompt"], prompt: "my prompt" },
        });
      });
      const all = lines.join("");
      for (const secret of [key, join, "c2VjcmV0LWxpbms", "hunter22", "t0ken99", "my prompt"])
        expect(all).not.toContain(secret);
      expect(all).toContain("inf_…");
      expect(lines).toHaveLength(3);
    });

    test(`as ${format} is one line an event, with nothing that a terminal acts on`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: "binary", maxLength: 40 }), async (text) => {
          const lines = await logged(format, (log) => log.info(`m ${text}`, { name: text, err: new Error(text) }));
          expect(lines).toHaveLength(1);
          expect(lines[0]?.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        }),
        { numRuns: 60 },
      );
    });
  }

  test("as text reads as a line", async () => {
    const [line = ""] = await logged("text", (log) => log.info("node joined", { slots: 4 }));
    expect(line).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: node joined \{"slots":4\}\n$/);
  });
});

test("secrets are cut to what tells their kind", () => {
  expect(hideSecrets("x inf_abcdefghijk y")).toBe("x inf_… y");
  expect(hideSecrets("infernet_metrics info_line https://a/b?c")).toBe("infernet_metrics info_line https://a/b?c");
});
