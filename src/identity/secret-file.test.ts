import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readOrCreateSecretFile, readSecretFile, writeSecretFile } from "./secret-file.ts";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "infernet-secret-"));
  path = join(dir, "a.key");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const mode = (file: string) => statSync(file).mode & 0o777;
const notCalled = () => {
  throw new Error("made again");
};

test("a missing secret is made once, for its owner alone, and read from then on", () => {
  expect(readOrCreateSecretFile(path, () => "secret\n")).toEqual({
    ok: true,
    value: { text: "secret\n", created: true },
  });
  expect(mode(path)).toBe(0o600);
  expect(readdirSync(dir)).toEqual(["a.key"]);
  expect(readOrCreateSecretFile(path, notCalled)).toEqual({ ok: true, value: { text: "secret\n", created: false } });
});

test("the mode is 0600 whatever the umask", () => {
  const before = process.umask(0);
  try {
    readOrCreateSecretFile(path, () => "x");
    writeSecretFile(join(dir, "b.key"), "y");
  } finally {
    process.umask(before);
  }
  expect([mode(path), mode(join(dir, "b.key"))]).toEqual([0o600, 0o600]);
});

test("when another process made the secret meanwhile, that one is read and ours is dropped", () => {
  const made = readOrCreateSecretFile(path, () => {
    writeFileSync(path, "theirs", { mode: 0o600 });
    return "ours";
  });
  expect(made).toEqual({ ok: true, value: { text: "theirs", created: false } });
  expect(readdirSync(dir)).toEqual(["a.key"]);
});

test("processes that start at once agree on one secret", async () => {
  const program = `
    import { readOrCreateSecretFile } from ${JSON.stringify(join(import.meta.dir, "secret-file.ts"))};
    const made = readOrCreateSecretFile(${JSON.stringify(path)}, () => crypto.randomUUID());
    console.log(made.ok ? made.value.text : made.error.message);`;
  const starts = Array.from({ length: 4 }, () => Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" }));
  const texts = await Promise.all(starts.map((start) => new Response(start.stdout).text()));
  expect(new Set(texts.map((text) => text.trim()))).toEqual(new Set([readFileSync(path, "utf8")]));
});

for (const permissions of [0o640, 0o604, 0o644, 0o666, 0o620, 0o601]) {
  test(`a secret with mode ${permissions.toString(8)} is refused, with the mend`, () => {
    writeFileSync(path, "secret");
    chmodSync(path, permissions);
    for (const read of [readSecretFile(path), readOrCreateSecretFile(path, notCalled)]) {
      if (read.ok) throw new Error("read");
      expect(read.error.code).toBe("secret_file_open_to_others");
      expect(read.error.hint).toBe(`run \`chmod 600 ${path}\``);
    }
    chmodSync(path, 0o600);
    expect(readSecretFile(path)).toEqual({ ok: true, value: "secret" });
  });
}

test("a missing secret, a directory, a huge file: each refused by name, none made or changed", () => {
  expect(readSecretFile(path)).toMatchObject({ ok: false, error: { code: "secret_file_missing" } });
  expect(readdirSync(dir)).toEqual([]);
  mkdirSync(path, { mode: 0o700 });
  expect(readOrCreateSecretFile(path, notCalled)).toMatchObject({ ok: false, error: { code: "secret_file_unusable" } });
  const huge = join(dir, "huge");
  writeFileSync(huge, Buffer.alloc(64 * 1024 + 1), { mode: 0o600 });
  expect(readSecretFile(huge)).toMatchObject({ ok: false, error: { code: "secret_file_unusable" } });
});

test("a secret that cannot be written is refused, and no draft is left", () => {
  const lost = join(dir, "no-such-directory", "a.key");
  expect(readOrCreateSecretFile(lost, () => "x")).toMatchObject({ ok: false, error: { code: "secret_file_unusable" } });
  expect(readdirSync(dir)).toEqual([]);
});

test("writing replaces the text and closes a file that others could read", () => {
  writeFileSync(path, "old");
  chmodSync(path, 0o644);
  expect(writeSecretFile(path, "new").ok).toBe(true);
  expect(readSecretFile(path)).toEqual({ ok: true, value: "new" });
  expect(readdirSync(dir)).toEqual(["a.key"]);
});
