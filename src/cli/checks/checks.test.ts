// What doctor says of disk, clock, certificate, network and backends, seen on real files and servers.
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, loadConfig } from "../../config.ts";
import { checkBackends, lookForBackends } from "./backends.ts";
import { checkDataDirectory, checkEngineModels, checkSpace, checkTls, spaceCheck } from "./disk.ts";
import { checkLinks } from "./links.ts";
import { checkCoordinators, clockCheck } from "./network.ts";

const directory = mkdtempSync(join(tmpdir(), "infernet-checks-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function configWith(flags: Record<string, string>): Config {
  const loaded = loadConfig({ flags, env: { INFERNET_DATA_DIR: directory }, cwd: directory });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  return loaded.value.config;
}
/** Self-signed, for CN infer.example; only its dates matter. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBhTCCASugAwIBAgIUE0AOr+3YAowm48PM5VctN6vWYW8wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNaW5mZXIuZXhhbXBsZTAeFw0yNjExMjEwOTU4MjhaFw0zNjEx
MTgwOTU4MjhaMBgxFjAUBgNVBAMMDWluZmVyLmV4YW1wbGUwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAARYkeDP+BVTd36wemc43v7JySC5jTgqvSbktfdT/GCBl2yM
DbLpT3H86MAftb/ZbAr7CtZVYwYtpzgLiyZDB+p8o1MwUTAdBgNVHQ4EFgQU5kDx
phkwiUCZPnxsfmCk9xjjYgcwHwYDVR0jBBgwFoAU5kDxphkwiUCZPnxsfmCk9xjj
YgcwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAwWZpmUHcHbn4
kkelKpuYP4KugtFH0s80/F4Hdy1ZwjYCICl5wZMYNn82zoNujQS31/azPDtztlL0
IRroa0mNiSYy
-----END CERTIFICATE-----
`;
const CERTIFICATE_ENDS_MS = Date.parse("2036-11-18T09:58:28Z");
const NOW = Date.parse("2026-06-01T12:00:00.250Z");
const world = { fetch, nowMs: () => NOW };

describe("clock", () => {
  const header = (offsetS: number) => new Date(NOW + offsetS * 1000).toUTCString();
  test.each([
    [0, "good", "agrees with"],
    [-5, "good", "5 s ahead of"],
    [5, "good", "5 s behind"],
    [-30, "warning", "30 s ahead of"],
    [120, "bad", "120 s behind"],
    [-3600, "bad", "3600 s ahead of"],
  ] as const)("the other side at %d s is %s", (offsetS, state, words) => {
    const check = clockCheck(header(offsetS), NOW);
    expect(check.state).toBe(state);
    expect(check.message).toContain(words);
    expect(check.mend !== undefined).toBe(state !== "good");
  });

  test("no time told is nothing wrong", () => {
    expect(clockCheck(null, NOW).state).toBe("skipped");
    expect(clockCheck("soon", NOW).state).toBe("skipped");
  });
});

describe("disk", () => {
  test("little space is a warning, hardly any is bad", () => {
    expect(spaceCheck(50e9).state).toBe("good");
    expect(spaceCheck(500e6).state).toBe("warning");
    expect(spaceCheck(50e6)).toMatchObject({ state: "bad", message: "only 47 MiB free" });
    expect(checkSpace({ data_dir: join(directory, "not", "there", "yet") }).name).toBe("disk");
  });

  test("the data directory must be closed to others", () => {
    const path = mkdtempSync(join(directory, "data-"));
    expect(checkDataDirectory({ data_dir: path }).state).toBe("good");
    chmodSync(path, 0o755);
    expect(checkDataDirectory({ data_dir: path })).toMatchObject({ state: "bad", mend: `chmod 700 ${path}` });
    expect(checkDataDirectory({ data_dir: join(path, "none") }).state).toBe("skipped");
  });

  test("so must every secret in it", () => {
    const path = mkdtempSync(join(directory, "data-"));
    writeFileSync(join(path, "infernet.log"), "", { mode: 0o644 });
    expect(checkDataDirectory({ data_dir: path }).state).toBe("good");
    for (const name of ["coordinator.key", "local-api-key", "infernet.db-wal", "config.toml"]) {
      const file = join(path, name);
      writeFileSync(file, "x");
      chmodSync(file, 0o640);
      expect(checkDataDirectory({ data_dir: path })).toMatchObject({ state: "bad", mend: `chmod 600 ${file}` });
      chmodSync(file, 0o600);
    }
  });

  test("a model file must be a GGUF", async () => {
    const file = join(directory, "model.gguf");
    writeFileSync(file, "no model");
    const [wrong, missing] = await checkEngineModels(configWith({ "engine.models": `${file},/not/there.gguf` }));
    expect(wrong?.state).toBe("bad");
    expect(missing).toMatchObject({ state: "bad", message: "/not/there.gguf is not there" });
    expect(await checkEngineModels(configWith({}))).toEqual([]);
  });

  test("a certificate must be there, be one, and be in date", () => {
    const file = (name: string, text: string) => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const key = file("tls.key", "k");
    const tls = (cert: string, nowMs: number) =>
      checkTls(configWith({ "server.tls_cert": cert, "server.tls_key": key }), nowMs);
    expect(checkTls(configWith({}), NOW).state).toBe("skipped");
    expect(tls("/not/there.pem", NOW)).toMatchObject({ state: "bad", message: "/not/there.pem is not there" });
    expect(tls(file("a.pem", "nonsense"), NOW).message).toContain("holds no certificate");
    const cert = file("b.pem", CERTIFICATE);
    const day = 86_400_000;
    expect(tls(cert, CERTIFICATE_ENDS_MS - 30 * day).state).toBe("good");
    expect(tls(cert, CERTIFICATE_ENDS_MS - 2 * day).state).toBe("warning");
    expect(tls(cert, CERTIFICATE_ENDS_MS + day)).toMatchObject({
      state: "bad",
      message: expect.stringContaining("has expired"),
    });
  });
});

describe("network", () => {
  test("a coordinator that answers is good, and its clock is looked at", async () => {
    const date = new Date(NOW + 300_000).toUTCString();
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("ok", { headers: { date } }),
    });
    const pubkey = "ab".repeat(32);
    const entry = (url: string) => ({ "node.coordinators": JSON.stringify([{ url, pubkey }]) });
    const checks = await checkCoordinators(world, configWith(entry(`http://127.0.0.1:${server.port}/`)));
    expect(checks.map(({ name, state }) => [name.split(" ")[0], state])).toEqual([
      ["coordinator", "good"],
      ["clock", "bad"],
    ]);
    const open = await checkCoordinators(world, configWith(entry("http://infer.example.org")));
    expect(open).toMatchObject([{ state: "bad", message: expect.stringContaining("is not encrypted") }]);
    const { port } = server;
    await server.stop(true);
    const gone = await checkCoordinators(world, configWith(entry(`http://127.0.0.1:${port}`)));
    expect(gone).toMatchObject([{ state: "bad", message: expect.stringContaining("does not answer") }]);
  });

  test("where no instance runs, a coordinator is asked what it knows of this node's key", async () => {
    const answers: [number, object][] = [
      [200, { data: { admission: "approved" } }],
      [200, { data: { admission: "pending" } }],
      [403, { error: "ejected", code: "key_ejected" }],
    ];
    const asked: (string | null)[] = [];
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        asked.push(`${request.method} ${new URL(request.url).pathname}`, request.headers.get("x-infernet-auth"));
        const [status, body] = answers.shift() ?? [500, {}];
        return Response.json(body, { status });
      },
    });
    const data = mkdtempSync(join(directory, "node-"));
    const coordinators = JSON.stringify([{ url: `http://127.0.0.1:${server.port}`, pubkey: "ab".repeat(32) }]);
    const config = configWith({ data_dir: data, "node.coordinators": coordinators });
    const states = async () => (await checkLinks(world, config, null)).map(({ state }) => state);
    expect(await states()).toEqual(["skipped"]);
    expect(asked).toEqual([]);
    writeFileSync(join(data, "node.key"), `${"1".repeat(64)}\n`, { mode: 0o600 });
    expect([await states(), await states(), await states(), await states()].flat()).toEqual([
      "good",
      "warning",
      "bad",
      "skipped",
    ]);
    expect(asked[0]).toBe("POST /api/v1/node/me");
    expect(asked[1]).toBeString();
  });

  test("each configured backend is asked for its models", async () => {
    const models = {
      object: "list",
      data: [
        { id: "a", object: "model" },
        { id: "b", object: "model" },
      ],
    };
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json(models) });
    const at = (url: string) => ({ "node.backends": JSON.stringify([{ kind: "openai", url }]) });
    const url = `http://127.0.0.1:${server.port}`;
    const look = async (config: Config) => checkBackends(await lookForBackends(world, config), config);
    expect(await look(configWith(at(url)))).toMatchObject([
      { state: "good", message: "serves 2 models" },
      { name: "slots", message: expect.stringContaining("up to 64 for openai, which does not say") },
    ]);
    expect(await look(configWith({ ...at(url), "node.slots": "3" }))).toMatchObject([
      {},
      { name: "slots", message: "3, set by node.slots" },
    ]);
    await server.stop(true);
    expect(await look(configWith(at(url)))).toMatchObject([
      { state: "bad", name: `backend openai at ${url}` },
      { name: "slots", state: "skipped" },
    ]);
    expect(await look(configWith({ "node.probe": "false" }))).toMatchObject([{ state: "warning" }]);
  });

  test("an upstream coordinator is asked in this node's name, and its refusal says how the node gets in", async () => {
    const error = { message: "this key is not registered here", type: "authentication_error", code: "key_unknown" };
    const seen: (string | null)[] = [];
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        seen.push(request.headers.get("x-infernet-auth"));
        return Response.json({ error }, { status: 401 });
      },
    });
    const entry = { kind: "infernet", url: `http://127.0.0.1:${server.port}`, pubkey: "ab".repeat(32) };
    const config = configWith({ "node.backends": JSON.stringify([entry]) });
    const [found] = await lookForBackends(world, config);
    expect(found?.error).toMatch(/infernet nodes allow [0-9a-f]{64} --role client/);
    const header = JSON.parse(Buffer.from(seen[0] ?? "", "base64url").toString()) as { v: number; aud: string };
    expect(header).toMatchObject({ v: 2, aud: entry.pubkey });
  });
});
