// Proves that each arrow can fail: a small house with one forbidden import per rule, read by the real cruiser.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Arrows, checkArrows, complaints } from "./arrows.ts";

/** Files of the house: path → the paths or packages it imports. */
type House = Record<string, string[]>;

const FORBIDDEN: [rule: string, from: string, to: string][] = [
  ["jobs-imports-down", "src/jobs/submit.ts", "src/http/errors.ts"],
  ["registry-imports-down", "src/registry/nodes.ts", "src/jobs/queue.ts"],
  ["scheduler-imports-down", "src/scheduler/wait.ts", "src/jobs/queue.ts"],
  ["modes-imports-down", "src/modes/node.ts", "src/cli/run.ts"],
  ["lib-imports-down", "src/lib/clock.ts", "src/protocol/frames.ts"],
  ["every-room-has-its-place", "src/helpers/misc.ts", "src/lib/clock.ts"],
  ["node-side-keeps-out-of-the-coordinator", "src/daemon/execute.ts", "src/registry/links.ts"],
  ["node-side-keeps-out-of-the-coordinator", "src/backends/probe.ts", "src/db/open.ts"],
  ["scheduler-is-pure", "src/scheduler/choose.ts", "src/registry/snapshot.ts"],
  ["scheduler-does-no-io", "src/scheduler/score.ts", "node:fs"],
  ["identity-stands-alone", "src/identity/keys.ts", "src/db/open.ts"],
  ["identity-is-for-the-edges", "src/jobs/sign.ts", "src/identity/verify.ts"],
  ["config-is-for-cli-and-modes", "src/http/server.ts", "src/config/schema.ts"],
  ["protocol-does-no-io", "src/protocol/receipts.ts", "src/db/open.ts"],
  ["libsql-only-in-db", "src/jobs/store.ts", "libsql"],
  ["web3-only-in-solana", "src/ledger/chain.ts", "@solana/web3.js"],
  ["chain-client-is-loaded-when-needed", "src/modes/pay.ts", "src/solana/connect.ts"],
  ["engine-only-in-backends", "src/daemon/engine.ts", "node-llama-cpp"],
  ["web-framework-only-at-the-edge", "src/accounts/routes.ts", "elysia"],
  ["terminal-only-in-cli", "src/modes/ask.ts", "commander"],
  ["web-is-markup", "web/pages/home.ts", "src/jobs/queue.ts"],
  ["product-imports-no-tooling", "src/cli/build.ts", "build/up.ts"],
  ["product-imports-no-tests", "src/cli/test.ts", "src/cli/run.test.ts"],
  ["no-development-packages", "src/cli/cruise.ts", "dependency-cruiser"],
  ["no-unresolvable", "src/cli/lost.ts", "src/cli/gone.ts"],
  ["no-cycles", "src/ledger/a.ts", "src/ledger/b.ts"],
];

const ALLOWED: House = {
  "src/main.ts": ["src/cli/run.ts"],
  "src/cli/run.ts": ["src/modes/coordinator.ts", "src/config/schema.ts", "commander"],
  "src/modes/coordinator.ts": ["src/http/errors.ts", "src/config/schema.ts", "src/db/open.ts"],
  "src/http/errors.ts": ["src/jobs/queue.ts", "src/identity/verify.ts", "elysia"],
  "src/jobs/queue.ts": ["src/db/open.ts", "src/version.ts"],
  "src/db/open.ts": ["libsql", "migrations/index.ts", "node:fs"],
  "src/identity/verify.ts": ["src/protocol/frames.ts", "src/lib/result.ts"],
  "src/daemon/link.ts": ["src/identity/verify.ts", "src/backends/backend.ts", "src/protocol/frames.ts"],
  "src/daemon/link.test.ts": ["src/registry/links.ts", "bun:test"],
  "src/registry/links.ts": ["src/lib/result.ts"],
  "src/registry/snapshot.ts": ["src/lib/result.ts"],
  "src/scheduler/pick.ts": ["src/protocol/frames.ts", "src/lib/result.ts"],
};

let root: string;
let arrows: Arrows;

/** Writes a house to disk; what is imported but not described becomes a file that imports src/lib/result.ts. */
function build(house: House, missing: string[]): void {
  const files = new Map(Object.entries(house));
  for (const path of Object.values(house).flat()) {
    const own = /^(src|web|build|migrations)\//.test(path);
    if (own && !files.has(path) && !missing.includes(path)) {
      files.set(path, path.startsWith("src/lib/") ? [] : ["src/lib/result.ts"]);
    }
    if (!own && !path.includes(":")) {
      write(`node_modules/${path}/package.json`, JSON.stringify({ name: path, main: "index.js" }));
      write(`node_modules/${path}/index.js`, "module.exports = {};");
    }
  }
  for (const [path, imports] of files) {
    const lines = imports.map((to) => `import * as ${to.replaceAll(/\W/g, "_")} from "${specifier(path, to)}";`);
    write(path, `${lines.join("\n")}\nexport const here = 1;\n`);
  }
}

function specifier(from: string, to: string): string {
  if (!/^(src|web|build|migrations)\//.test(to)) return to;
  return `${"../".repeat(from.split("/").length - 1)}${to}`;
}

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "infernet-arrows-"));
  const house: House = structuredClone(ALLOWED);
  for (const [, from, to] of FORBIDDEN) house[from] = [...(house[from] ?? []), to];
  house["src/ledger/b.ts"] = ["src/ledger/a.ts"];
  house["src/jobs/alone.ts"] = [];
  write(
    "package.json",
    JSON.stringify({
      dependencies: { elysia: "1", commander: "1", libsql: "1", "@solana/web3.js": "1", "node-llama-cpp": "1" },
      devDependencies: { "dependency-cruiser": "1" },
    }),
  );
  build(house, ["src/cli/gone.ts"]);
  arrows = await checkArrows(root);
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("arrows of the house", () => {
  test.each(FORBIDDEN)("%s: %s may not import %s", (rule, from, to) => {
    const broken = arrows.violations.filter((violation) => violation.rule === rule && violation.from === from);
    const name = to.split("/").pop() ?? to;
    expect(broken.map((violation) => violation.to).join(" ")).toContain(name.replace("node:", ""));
    expect(broken[0]?.comment).not.toBe("");
  });

  test("no-orphans: a file that nobody imports and that imports nothing is found", () => {
    expect(arrows.violations).toContainEqual(
      expect.objectContaining({ rule: "no-orphans", from: "src/jobs/alone.ts", to: "src/jobs/alone.ts" }),
    );
  });

  test("imports that point down are allowed, and tests may cross rooms", () => {
    const files = Object.keys(ALLOWED);
    expect(arrows.violations.filter(({ from }) => files.includes(from))).toEqual([]);
  });

  test("every TypeScript file on disk was read", () => {
    expect(arrows.read).toBe(arrows.onDisk);
    expect(arrows.imports).toBeGreaterThan(FORBIDDEN.length);
  });
});

describe("a cruise that saw nothing", () => {
  const good: Arrows = { onDisk: 5, read: 5, imports: 7, violations: [] };
  test("passes when everything was read and nothing is wrong", () => expect(complaints(good)).toEqual([]));
  test("fails when no file was read", () => {
    expect(complaints({ ...good, read: 0, imports: 0 })).toHaveLength(1);
    expect(complaints({ onDisk: 0, read: 0, imports: 0, violations: [] })).toHaveLength(1);
  });
  test("fails when files were left out", () => expect(complaints({ ...good, read: 4 })).toHaveLength(1));
  test("fails when no import was found", () => expect(complaints({ ...good, imports: 0 })).toHaveLength(1));
});
