// `infernet update` on the real executable, from a real release on a local feed: it takes what is signed, refuses all
// else and changes nothing then, survives being killed, and goes back.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Output } from "../src/admin/operations.ts";
import { MANIFEST_FILE, SIGNATURE_FILE } from "../src/update/manifest.ts";
import { spawnCaptured } from "./harness/captured-process.ts";
import { type CommandResult, command, commandJson, plainEnvironment } from "./harness/instance.ts";
import {
  cutRelease,
  HOST,
  newReleaseKey,
  type ReleaseFeed,
  type ReleaseKey,
  signedRelease,
  startReleaseFeed,
} from "./harness/release-feed.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor, within } from "./harness/wait-for.ts";

const NEW = "99.0.0";
let stage: Stage;
let key: ReleaseKey;
let feed: ReleaseFeed;
/** The folder of release 99.0.0. */
let release: string;
/** The version of the executable under test. */
let old: string;

beforeAll(async () => {
  stage = await openStage();
  key = newReleaseKey(stage);
  feed = startReleaseFeed(stage);
  release = await cutRelease(stage, key, NEW);
  old = await versionOf(stage.executable);
});
afterAll(() => stage.close());

type Installed = { path: string; data: string };

/** The executable in a folder of its own, and a data directory whose configuration names feed and key. */
function install(config = `[update]\nfeed = "${feed.url}"\npublic_key = "${key.publicKey}"\n`): Installed {
  const path = join(stage.directory("bin"), "infernet");
  copyFileSync(stage.executable, path);
  const data = stage.directory("data");
  writeFileSync(join(data, "config.toml"), `${config}[server]\nport = 0\n`, { mode: 0o600 });
  return { path, data };
}

const update = ({ path, data }: Installed, ...args: string[]): Promise<CommandResult> =>
  command(path, data, ["update", ...args]);

async function versionOf(path: string): Promise<string> {
  const child = Bun.spawn([path, "version", "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  return ((await child.stdout.json()) as { version: string }).version;
}

const besides = ({ path }: Installed): string[] => readdirSync(dirname(path)).filter((name) => name !== "infernet");

/** What must not change where an update is refused. */
const fingerprint = ({ path }: Installed): object => {
  const { ino, size, mtimeMs, mode } = statSync(path);
  return { ino, size, mtimeMs, mode };
};

describe("an update", () => {
  test("is installed while an instance runs, which goes on until it is restarted; then back and forth", async () => {
    const here = install();
    feed.serve(release);
    expect((await command(here.path, here.data, ["start"])).code).toBe(0);
    stage.onClose(async () => void (await command(here.path, here.data, ["stop", "--force"])));
    const status = () => commandJson<Output<"status">>(here.path, here.data, ["status"]);
    const { pid } = await status();

    const check = await update(here, "--check", "--json");
    expect(JSON.parse(check.stdout)).toMatchObject({
      current: { version: old, target: HOST.target },
      latest: { version: NEW, order: "newer", file: { file: HOST.file } },
      update_available: true,
    });
    expect(feed.asked()).toEqual([MANIFEST_FILE, SIGNATURE_FILE]);

    const unasked = await update(here);
    expect({ code: unasked.code, err: unasked.stderr }).toEqual({ code: 2, err: expect.stringContaining("--yes") });
    expect(await versionOf(here.path)).toBe(old);

    const done = await update(here, "--yes");
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining(`is now infernet ${NEW}; it was ${old}`) });
    expect(done.stderr).toContain(`(pid ${pid}) goes on as ${old}`);
    expect(await versionOf(here.path)).toBe(NEW);
    expect(await versionOf(`${here.path}.previous`)).toBe(old);
    expect(besides(here)).toEqual(["infernet.previous"]);

    const answer = await command(here.path, here.data, ["chat", "--prompt", "Hello?", "--max-tokens", "4"]);
    expect({ code: answer.code, err: answer.stderr }).toEqual({ code: 0, err: "" });
    expect(await status()).toMatchObject({ pid, version: expect.stringContaining(old) });
    expect((await command(here.path, here.data, ["restart"])).code).toBe(0);
    expect(await status()).toMatchObject({ version: NEW });
    expect((await command(here.path, here.data, ["stop"])).code).toBe(0);

    expect(await update(here, "--yes")).toMatchObject({ code: 0, stdout: `infernet ${NEW} is the newest there is\n` });
    expect(await update(here, "--rollback")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`again infernet ${old}`),
    });
    expect([await versionOf(here.path), await versionOf(`${here.path}.previous`)]).toEqual([old, NEW]);
    const undone = await update(here, "--rollback", "--json");
    expect(JSON.parse(undone.stdout)).toMatchObject({ rolled_back: true, from: old, to: NEW, running: null });
    expect([await versionOf(here.path), await versionOf(`${here.path}.previous`)]).toEqual([NEW, old]);
  });

  test("of a released executable needs no configured key, and an older one only comes when asked for", async () => {
    const here = install("");
    copyFileSync(join(release, HOST.file), here.path);
    feed.serve(await signedRelease(stage, key, old, stage.executable));
    const before = fingerprint(here);
    const refused = await update(here, "--yes", "--feed", feed.url);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`${old}, which is older`) });
    expect(fingerprint(here)).toEqual(before);
    expect((await update(here, "--yes", "--allow-downgrade", "--feed", feed.url)).code).toBe(0);
    expect(await versionOf(here.path)).toBe(old);
  });

  test("killed in mid-download leaves the old executable working, and the next one tidies up", async () => {
    const here = install();
    feed.serve(release);
    const bytes = readFileSync(join(release, HOST.file));
    const halfway = Promise.withResolvers<void>();
    const half = new ReadableStream({
      start(stream) {
        stream.enqueue(bytes.subarray(0, bytes.length / 2));
        halfway.resolve();
      },
    });
    feed.answer(HOST.file, () => new Response(half));
    const child = spawnCaptured([here.path, "--data-dir", here.data, "update", "--yes"], {
      cwd: here.data,
      env: plainEnvironment(here.data),
    });
    stage.onClose(async () => void (await child.kill9()));
    await within("the download to begin", halfway.promise);
    const draft = `${here.path}.update-${child.pid}`;
    const written = () => statSync(draft, { throwIfNoEntry: false })?.size ?? 0;
    await waitFor("half of the file on disk", async () => written() > bytes.length / 4);
    await child.kill9();
    expect(besides(here)).toEqual([`infernet.update-${child.pid}`]);
    expect(await versionOf(here.path)).toBe(old);

    feed.serve(release);
    expect((await update(here, "--yes")).code).toBe(0);
    expect(await versionOf(here.path)).toBe(NEW);
    expect(besides(here)).toEqual(["infernet.previous"]);
  });
});

describe("refused, with nothing changed:", () => {
  /** Whatever the feed is made to answer, nothing of it reaches the executable's folder. */
  async function refused(
    prepare: () => void | Promise<void>,
    { code, why, args = [], config }: { code: number; why: RegExp; args?: string[]; config?: string },
  ): Promise<void> {
    const here = install(config);
    const before = fingerprint(here);
    feed.serve(release);
    await prepare();
    const result = await update(here, "--yes", ...args);
    expect({ code: result.code, out: result.stdout, err: result.stderr }).toEqual({
      code,
      out: "",
      err: expect.stringMatching(why),
    });
    expect(result.stderr).toMatch(/^infernet: error: /);
    expect(fingerprint(here)).toEqual(before);
    expect(besides(here)).toEqual([]);
  }
  const changedFile = (change: (bytes: Buffer) => Buffer) => () =>
    feed.answer(HOST.file, () => new Response(new Uint8Array(change(readFileSync(join(release, HOST.file))))));

  test("a manifest that was changed", () =>
    refused(
      () => {
        const text = readFileSync(join(release, MANIFEST_FILE), "utf8");
        feed.answer(MANIFEST_FILE, () => new Response(text.replace("99.0.0", "99.0.1")));
      },
      { code: 1, why: /not signed with the trusted release key/ },
    ));

  test("a release signed with another key", () =>
    refused(async () => feed.serve(await signedRelease(stage, newReleaseKey(stage), NEW, stage.executable)), {
      code: 1,
      why: /not signed with the trusted release key/,
    }));

  test("a release without a signature", () =>
    refused(() => feed.answer(SIGNATURE_FILE, () => new Response("", { status: 404 })), {
      code: 1,
      why: /release\.json\.sig answers with status 404/,
    }));

  test("a file that was changed", () =>
    refused(
      changedFile((bytes) => {
        bytes.writeUInt8(bytes.readUInt8(bytes.length - 1000) ^ 1, bytes.length - 1000);
        return bytes;
      }),
      { code: 1, why: /SHA-256 differs/ },
    ));

  test("a file cut short", () =>
    refused(
      changedFile((bytes) => bytes.subarray(0, -1)),
      { code: 1, why: /bytes, not \d+ as released/ },
    ));

  test("a file that is longer", () =>
    refused(
      changedFile((bytes) => Buffer.concat([bytes, bytes])),
      { code: 1, why: /is larger than \d+ bytes/ },
    ));

  test("a release that has nothing for this machine", () =>
    refused(async () => feed.serve(await signedRelease(stage, key, NEW, stage.executable, "freebsd-x64")), {
      code: 1,
      why: new RegExp(`no executable for ${HOST.target}[^]*it has freebsd-x64`),
    }));

  test("a signed file made for another machine", () =>
    refused(
      async () => {
        const foreign = join(stage.directory("foreign"), "program");
        const head = Buffer.alloc(4096);
        head.write("cffaedfe0c000001", 0, "hex");
        writeFileSync(foreign, head);
        feed.serve(await signedRelease(stage, key, NEW, foreign));
      },
      { code: 1, why: /made for darwin-arm64, and this machine needs/ },
    ));

  test("a signed program that is no infernet", () =>
    refused(async () => feed.serve(await signedRelease(stage, key, NEW, Bun.which("true") ?? "")), {
      code: 1,
      why: /does not work here/,
    }));

  test("a signed executable of another version than the release says", () =>
    refused(async () => feed.serve(await signedRelease(stage, key, "98.0.0", join(release, HOST.file))), {
      code: 1,
      why: /says it is 99\.0\.0, not 98\.0\.0/,
    }));

  test("a feed that sends on to an address without TLS", () =>
    refused(() => feed.answer(HOST.file, () => Response.redirect("http://files.example/infernet", 302)), {
      code: 1,
      why: /not protected by TLS/,
    }));

  test("an address without TLS", () =>
    refused(() => undefined, { code: 2, why: /must be https/, args: ["--feed", "http://feed.example/"] }));

  test("a feed that does not answer", async () => {
    const gone = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") });
    const { href } = gone.url;
    await gone.stop(true);
    await refused(() => undefined, { code: 3, why: /cannot be read/, args: ["--feed", href] });
  });

  test("no feed at all", () => refused(() => undefined, { code: 2, why: /\[update\] feed/, config: "" }));

  test("no key to trust", () =>
    refused(() => undefined, { code: 2, why: /\[update\] public_key/, config: "", args: ["--feed", feed.url] }));

  test("nothing to go back to", () =>
    refused(() => undefined, { code: 1, why: /no \S+infernet\.previous to go back to/, args: ["--rollback"] }));

  test("a folder that this user cannot write to", async () => {
    const here = install();
    feed.serve(release);
    const folder = dirname(here.path);
    // Root may write anywhere, so there somebody else asks.
    const somebodyElse =
      process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
    for (const open of [dirname(folder), folder]) chmodSync(open, 0o555);
    chmodSync(here.path, 0o755);
    const child = Bun.spawn([...somebodyElse, here.path, "update", "--yes", "--data-dir", "/nonexistent/data"], {
      cwd: "/",
      env: plainEnvironment("/nonexistent", {
        INFERNET_UPDATE_FEED: feed.url,
        INFERNET_UPDATE_PUBLIC_KEY: key.publicKey,
      }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stderr, code] = await Promise.all([child.stderr.text(), child.exited]);
    for (const open of [dirname(folder), folder]) chmodSync(open, 0o700);
    expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringContaining(`cannot write to ${folder}`) });
    expect(stderr).toContain("sudo infernet update");
    expect(feed.asked()).not.toContain(HOST.file);
  });
});

test("from the sources there is nothing to update", async () => {
  const main = join(import.meta.dir, "../src/main.ts");
  const child = Bun.spawn([process.execPath, main, "update"], { stdio: ["ignore", "pipe", "pipe"] });
  const [stderr, code] = await Promise.all([child.stderr.text(), child.exited]);
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("runs from its sources") });
});
