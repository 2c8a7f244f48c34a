// The command line as users meet it, in process: what is parsed, what is printed where, and which code it ends with.
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityOf } from "../identity/keys.ts";
import { lockDataDirectory } from "../identity/lock.ts";
import { encodeJoinToken, newJoinSecret } from "../protocol/join-token.ts";
import { versionText } from "../version.ts";
import type { Context } from "./context.ts";
import { installCommand } from "./install-ollama.ts";
import { runCli } from "./program.ts";

const directory = mkdtempSync(join(tmpdir(), "infernet-cli-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let dataDir = "";
beforeEach(() => {
  dataDir = mkdtempSync(join(directory, "data-"));
});

type Ran = { code: number; out: string; err: string };
async function cli(
  argv: string[],
  world: { env?: Record<string, string>; stdin?: string; fetch?: Context["fetch"]; shell?: Context["shell"] } = {},
): Promise<Ran> {
  const ran: Ran = { code: -1, out: "", err: "" };
  const context: Context = {
    terminal: {
      out(text) {
        ran.out += text;
      },
      err(text) {
        ran.err += text;
      },
      readStdin: async () => world.stdin ?? "",
      question: async () => null,
      stdinIsTty: false,
      stdoutIsTty: false,
      stderrIsTty: false,
      colors: false,
    },
    env: { INFERNET_DATA_DIR: dataDir, INFERNET_NODE_PROBE: "false", ...world.env },
    cwd: directory,
    fetch: world.fetch ?? (() => Promise.reject(new TypeError("no network here"))),
    nowMs: () => Date.now(),
    onSignal: () => () => undefined,
    shell:
      world.shell ??
      (async (command) => {
        ran.err += `$ ${command}\n`;
        return 0;
      }),
    self: ["/nonexistent"],
  };
  ran.code = await runCli(argv, context);
  return ran;
}

describe("usage", () => {
  test.each([
    [["bogus"], /unknown command "bogus"/],
    [["node", "list"], /unknown command "node"/],
    [["--prot", "1"], /unknown option '--prot'/],
    [["keys", "create", "--expires", "soon"], /--expires "soon" is no length of time/],
    [["keys", "revoke"], /missing required argument 'id'\n.*`infernet help keys revoke` lists what can be given/],
    [["status", "--wrong"], /unknown option '--wrong'\n.*`infernet help status`/],
    [["help", "bogus"], /unknown command "bogus"/],
    [["nodes", "allow", "abc"], /"abc" is no public key/],
    [["keys", "create", "--role", "king"], /--role "king" must be one of client, operator/],
    [["join-token", "create", "--role", "king"], /--role "king" must be one of provider, aggregator, client/],
    [["--port", "abc", "config", "check"], /server\.port: "abc" is not allowed: must be an integer from 0 to 65535/],
    [["run", "--mode", "node"], /a node needs a coordinator/],
    [["chat", "--prompt", "x", "--temperature", "9"], /--temperature "9" must be a number from 0 to 2/],
    [["chat", "--prompt", ""], /the prompt is empty/],
  ])("%j ends with 2 and says why", async (argv, why) => {
    const { code, out, err } = await cli(argv);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toMatch(/^infernet: error: /);
    expect(err).toMatch(why);
    expect(err).not.toContain(".ts:");
  });

  test("a mistyped flag gets a suggestion as its hint", async () => {
    expect((await cli(["run", "--prot=1"])).err).toBe(
      "infernet: error: unknown option '--prot=1'\ninfernet: hint: Did you mean --port?\n",
    );
  });

  test("help is a result: on stdout, ending well, for each command", async () => {
    const { code, out, err } = await cli(["help"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const commands = [
      "run",
      "start",
      "stop",
      "restart",
      "logs",
      "setup",
      "status",
      "doctor",
      "chat",
      "models",
      "keys",
      "pause",
      "resume",
      "service",
    ];
    for (const name of [...commands, "join-token", "nodes", "backup", "migrate", "config", "update", "version"]) {
      expect(out).toMatch(new RegExp(`^  ${name}\\b`, "m"));
      const help = await cli([name, "--help"]);
      expect({ code: help.code, err: help.err }).toEqual({ code: 0, err: "" });
      expect(help.out).toContain(`Usage: infernet ${name}`);
    }
  });

  test.each([
    [["help", "nodes", "command"], "Usage: infernet nodes command [options] <node> <action> [words...]"],
    [["help", "nodes"], "Usage: infernet nodes "],
    [["nodes", "help", "pool"], "Usage: infernet nodes pool "],
  ])("%j is about the command it names", async (argv, usage) => {
    const { code, out, err } = await cli(argv);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain(usage);
  });

  test("flags of the configuration stand before or after the command, by either name", async () => {
    const port = async (...argv: string[]) => {
      const { out } = await cli([...argv, "--json"]);
      return JSON.parse(out).keys.find(({ key }: { key: string }) => key === "server.port").value;
    };
    expect(await port("--port", "1", "config", "print")).toBe(1);
    expect(await port("config", "print", "--server-port=2")).toBe(2);
  });

  test("version says its number", async () => {
    expect(await cli(["version"])).toEqual({ code: 0, out: `infernet ${versionText}\n`, err: "" });
    expect(JSON.parse((await cli(["version", "--json"])).out)).toMatchObject({ bun: Bun.version });
  });
});

test("models list where nothing runs ends with 3, and makes no data", async () => {
  const { code, out, err } = await cli(["models", "list", "--json"]);
  expect({ code, out }).toEqual({ code: 3, out: "" });
  expect(err).toContain("infernet is not running here");
  expect(existsSync(join(dataDir, "coordinator.key"))).toBe(false);
});

describe("configuration", () => {
  test("all that is wrong is said at once", async () => {
    writeFileSync(join(dataDir, "config.toml"), "[server]\nport = 70000\nprot = 1\n");
    const { code, err } = await cli(["config", "check"]);
    expect(code).toBe(2);
    expect(err).toContain("server.port: 70000 is not allowed");
    expect(err).toContain("server.prot: is unknown; allowed here are host, port,");
    expect(err).toContain(`(from ${join(dataDir, "config.toml")})`);
  });

  test("print masks secrets", async () => {
    const env = { INFERNET_NODE_JOIN_TOKEN: "sesame" };
    const { out } = await cli(["config", "print"], { env });
    expect(out).toContain('join_token = "********" # INFERNET_NODE_JOIN_TOKEN');
    expect((await cli(["config", "print", "--show-secrets"], { env })).out).toContain("sesame");
  });
});

describe("run", () => {
  test("refuses a config.toml with secrets that others can read, with the mend", async () => {
    const file = join(dataDir, "config.toml");
    writeFileSync(file, '[node]\nbackends = [{ kind = "vllm", api_key = "sesame" }]\n', { mode: 0o644 });
    const { code, err } = await cli(["run", "--mode", "node", "--join", "infjoin_x"]);
    expect(code).toBe(1);
    expect(err).toContain(`infernet: hint: chmod 600 ${file}`);
    expect((await cli(["start"])).err).toContain(`chmod 600 ${file}`);
  });
});

describe("where nothing runs", () => {
  test("keys are made, listed and revoked in the data directory itself", async () => {
    const made = await cli(["keys", "create", "alice"]);
    expect(made).toMatchObject({ code: 0, err: expect.stringContaining("shown this once") });
    expect(made.out).toMatch(/^inf_[0-9A-Za-z]{43}\n$/);
    const listed = await cli(["keys", "list"]);
    expect(listed.out).toMatch(
      /^ID +NAME +ROLE +ONLY +LIMITS +POOLS +KEY +CREATED +USED +STATE\nkey_\w+ +alice +client +- +- +- +inf_\w{8}… .* active\n$/,
    );
    const { keys } = JSON.parse((await cli(["keys", "list", "--json"])).out);
    expect(await cli(["keys", "revoke", keys[0].id])).toEqual({ code: 0, out: `revoked ${keys[0].id}\n`, err: "" });
    expect((await cli(["keys", "list"])).out).toContain("revoked");
    expect((await cli(["keys", "revoke", keys[0].id])).code).toBe(1);
    expect(statSync(dataDir).mode & 0o077).toBe(0);
  });

  test("status says so and ends with 3", async () => {
    expect(await cli(["status"])).toMatchObject({ code: 3, out: expect.stringContaining("is not running") });
    expect(JSON.parse((await cli(["status", "--json"])).out)).toEqual({ running: false, data_dir: dataDir });
    expect(await cli(["chat", "--prompt", "hello"])).toMatchObject({ code: 3, out: "" });
    expect(await cli(["stop"])).toMatchObject({ code: 0, out: "infernet was not running\n" });
  });

  test("a node, and a coordinator on a database server, send the operator to what runs", async () => {
    expect(await cli(["keys", "list", "--mode", "node"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("its coordinator's"),
    });
    const url = ["--database-url", "http://127.0.0.1:1"];
    expect(await cli(["keys", "list", ...url])).toMatchObject({
      code: 3,
      err: expect.stringContaining("infernet start"),
    });
  });

  test("a backup is made once", async () => {
    const file = join(dataDir, "copy.db");
    expect(await cli(["backup", file])).toMatchObject({ code: 0, out: expect.stringContaining(`${file}: `) });
    expect(await cli(["backup", file])).toMatchObject({ code: 1, err: expect.stringContaining("exists already") });
    expect(await cli(["migrate"])).toMatchObject({ code: 0, out: "The database is up to date.\n" });
  });

  test("a data directory that another process starts on is not touched", async () => {
    const dir = { path: dataDir, file: (name: string) => join(dataDir, name) };
    const owner = { pid: 4242, started_at_ms: 1, mode: "both", version: "1", url: null };
    const held = lockDataDirectory(dir, owner);
    if (!held.ok) throw new Error(held.error.message);
    try {
      expect(await cli(["keys", "create"])).toMatchObject({ code: 3, err: expect.stringContaining("pid 4242") });
      expect(existsSync(join(dataDir, "infernet.db"))).toBe(false);
    } finally {
      held.value.release();
    }
  });
});

describe("setup", () => {
  const coordinator = identityOf(crypto.getRandomValues(new Uint8Array(32)));
  const token = (url: string): string => {
    if (!coordinator.ok) throw new Error("no key");
    const secret = newJoinSecret((bytes) => crypto.getRandomValues(new Uint8Array(bytes)));
    const text = encodeJoinToken({ url, coordinator: coordinator.value.pubkey, secret });
    if (!text.ok) throw new Error(text.error.message);
    return text.value;
  };
  const written = () => Bun.TOML.parse(readFileSync(join(dataDir, "config.toml"), "utf8")) as Record<string, unknown>;

  test("--join writes a node's configuration, which only its owner can read", async () => {
    const text = token("https://infer.example.org");
    const { code, out } = await cli([
      "setup",
      "--join",
      text,
      "--node-name",
      "gpu-1",
      "--backend",
      "ollama@http://10.0.0.5:11434",
    ]);
    expect({ code, out }).toEqual({ code: 0, out: `wrote ${join(dataDir, "config.toml")}\n` });
    expect(written()).toEqual({
      mode: "node",
      node: {
        name: "gpu-1",
        join_token: text,
        coordinators: [{ url: "https://infer.example.org", pubkey: coordinator.ok ? coordinator.value.pubkey : "" }],
        backends: [{ kind: "ollama", url: "http://10.0.0.5:11434" }],
      },
    });
    expect(statSync(join(dataDir, "config.toml")).mode & 0o077).toBe(0);
    expect((await cli(["config", "check"])).code).toBe(0);
  });

  test("keeps what was there, and a copy of the file before", async () => {
    writeFileSync(join(dataDir, "config.toml"), "[engine]\nthreads = 2\n");
    expect((await cli(["setup", "--yes", "--server-port", "8080"])).code).toBe(0);
    expect(written()).toEqual({ engine: { threads: 2 }, server: { port: 8080 } });
    expect(readFileSync(join(dataDir, "config.toml.old"), "utf8")).toBe("[engine]\nthreads = 2\n");
  });

  describe("of Ollama", () => {
    const tools = mkdtempSync(join(directory, "tools-"));
    for (const name of ["curl", "brew", "winget"]) writeFileSync(join(tools, name), "#!/bin/sh\n", { mode: 0o755 });
    const env = { PATH: tools };
    const fetch: Context["fetch"] = async (url) => {
      if (!url.endsWith("/api/version")) throw new TypeError("no network here");
      return Response.json({ version: "0.12.0" });
    };
    const command = installCommand(process.platform, () => true) ?? "none";

    test("only where asked to, saying what it runs, and a model that fits after it", async () => {
      expect((await cli(["setup", "--yes"], { env, fetch })).err).not.toContain("$ ");
      const { code, err } = await cli(["setup", "--yes", "--install-ollama"], { env, fetch });
      expect(code).toBe(0);
      expect(err).toContain(`Running: ${command}\n$ ${command}\nOllama is installed and answers.\n`);
      expect(err).toMatch(/\$ ollama pull llama3\.[12]:[138]b\n/);
    });

    test("with the model that was named, or none", async () => {
      const named = await cli(["setup", "--yes", "--install-ollama", "--pull", "qwen2.5:0.5b"], { env, fetch });
      expect(named.err).toContain("$ ollama pull qwen2.5:0.5b\n");
      const none = await cli(["setup", "--yes", "--install-ollama", "--no-pull", "--json"], { env, fetch });
      expect(none.err).not.toContain("pull");
      expect(JSON.parse(none.out)).toMatchObject({ installed_ollama: true, pulled: null });
      const wrong = await cli(["setup", "--yes", "--pull", "x; rm -rf /"], { env, fetch });
      expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining("is no model's name") });
    });

    test("where it fails the answers are kept, and it is said", async () => {
      const failing = await cli(["setup", "--yes", "--install-ollama"], { env, fetch, shell: async () => 7 });
      expect(failing).toMatchObject({ code: 1, err: expect.stringContaining("installing Ollama ended with 7") });
      expect(existsSync(join(dataDir, "config.toml"))).toBe(true);
      const nowhere = await cli(["setup", "--yes", "--install-ollama"], { env: { PATH: "" }, fetch });
      expect(nowhere).toMatchObject({ code: 1, err: expect.stringContaining("no one-line installation here") });
    });
  });

  test("says what fits this machine, and what is under the floor", async () => {
    const { out } = await cli(["setup", "--json"]);
    const { machine, fits, under_the_floor } = JSON.parse(out);
    expect(machine.memory_mib).toBeGreaterThan(0);
    expect(fits).toContainEqual(expect.objectContaining({ size: "8B", quantization: "Q4_K_M", needs_mib: 5667 }));
    expect(under_the_floor.every(({ mend }: { mend: string }) => mend !== "")).toBe(true);
    expect(JSON.parse((await cli(["setup", "--json", "--mode", "coordinator"])).out).machine).toBeNull();
  });

  test("every answer that the wizard asks for can be a flag", async () => {
    expect((await cli(["setup", "--yes", "--idle-only", "--schedule", '["mon,wed 18:00-08:00"]'])).code).toBe(0);
    expect(written()).toEqual({ node: { idle_only: true, schedule: ["mon,wed 18:00-08:00"] } });
    const wrong = await cli(["setup", "--yes", "--schedule", "funday"]);
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('"funday" is no day') });
  });

  test("writes nothing that would be wrong", async () => {
    expect(await cli(["setup", "--backend", "olama"])).toMatchObject({
      code: 2,
      err: expect.stringContaining('"olama" is not allowed'),
    });
    const broken = `${token("https://a.example").slice(0, -3)}xyz`;
    expect(await cli(["setup", "--join", broken])).toMatchObject({
      code: 2,
      err: expect.stringContaining("not a join token"),
    });
    const open = token("http://infer.example.org");
    expect(await cli(["setup", "--join", open])).toMatchObject({
      code: 1,
      err: expect.stringContaining("is not encrypted"),
    });
    expect(existsSync(join(dataDir, "config.toml"))).toBe(false);
    expect((await cli(["setup", "--join", open, "--insecure"])).code).toBe(0);
  });
});

describe("service", () => {
  const home = mkdtempSync(join(directory, "home-"));
  /** Records its calls; not the real one. */
  const fake = (name: string) => {
    const bin = join(home, "bin");
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, name), `#!/bin/sh\necho "$*" >> "${home}/calls"\n`, { mode: 0o755 });
    return `${bin}:/usr/bin:/bin`;
  };
  const unit = join(home, ".config/systemd/user/infernet.service");

  test.if(process.platform === "linux")("is installed once, left alone the second time, and removed", async () => {
    const env = { HOME: home, PATH: fake("systemctl") };
    const first = await cli(["service", "install"], { env });
    expect(first).toMatchObject({ code: 0, out: `wrote ${unit}\n` });
    expect(readFileSync(unit, "utf8")).toContain(`ExecStart=/nonexistent --data-dir=${dataDir} run\n`);
    expect((await cli(["service", "install"], { env })).out).toBe(`left as it is: ${unit}\n`);
    const calls = readFileSync(join(home, "calls"), "utf8");
    expect(calls).toContain("--user enable infernet.service\n--user start infernet.service\n");
    expect(await cli(["service", "uninstall"], { env })).toMatchObject({ code: 0, out: `removed ${unit}\n` });
    expect(existsSync(unit)).toBe(false);
    expect(await cli(["service", "uninstall"], { env })).toMatchObject({ code: 0, out: "there was no service\n" });
    expect((await cli(["service", "status"], { env })).code).toBe(3);
  });

  test.if(process.platform === "linux")("where no manager runs it leaves no file behind", async () => {
    const env = { HOME: home, PATH: fake("systemctl") };
    writeFileSync(join(home, "bin/systemctl"), "#!/bin/sh\necho 'Failed to connect to bus' >&2; exit 1\n");
    expect((await cli(["service", "install"], { env })).code).toBe(1);
    expect(existsSync(unit)).toBe(false);
  });

  test.if(process.platform === "linux")("a dry run prints the file and writes nothing", async () => {
    const { code, out } = await cli(["service", "install", "--dry-run", "--port", "8080"], { env: { HOME: home } });
    expect(code).toBe(0);
    expect(out).toContain(" --server-port=8080 run\n");
    expect(existsSync(unit)).toBe(false);
    const system = await cli(["service", "install", "--system", "--dry-run", "--run-as", "infer"]);
    expect(system.out).toContain("User=infer\n");
  });

  test("no secret goes into its file", async () => {
    const refused = await cli(["service", "install", "--dry-run", "--join", "infjoin_x"], { env: { HOME: home } });
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining("can be read by everybody") });
  });
});

describe("doctor", () => {
  test("names what is bad, with a mend, and ends with 1", async () => {
    writeFileSync(join(dataDir, "node.key"), "x\n", { mode: 0o644 });
    const { code, out } = await cli(["doctor", "--json"]);
    expect(code).toBe(1);
    const { good, checks, machine } = JSON.parse(out);
    expect(machine.cores).toBeGreaterThan(0);
    expect(good).toBe(false);
    expect(checks).toContainEqual({
      name: "data directory",
      state: "bad",
      message: `others can read ${join(dataDir, "node.key")}`,
      mend: `chmod 600 ${join(dataDir, "node.key")}`,
    });
  });

  test("ends well where nothing is bad", async () => {
    const { code, out } = await cli(["doctor"]);
    expect(out).toContain("✓ configuration: no config.toml, defaults in effect");
    expect(out).toContain("- instance: infernet is not running here");
    for (const name of ["memory", "GPU", "models' disk", "what fits", "idle-only", "schedule", "service"])
      expect(out).toMatch(new RegExp(`^[✓!-] ${name}: `, "m"));
    expect(code).toBe(0);
  });

  test("of a coordinator alone says nothing of GPUs and models", async () => {
    const { out } = await cli(["doctor", "--mode", "coordinator"]);
    expect(out).not.toMatch(/GPU|idle-only|what fits/);
  });

  test("idle-only and the schedule are told as they stand", async () => {
    const { out } = await cli(["doctor", "--idle-only", "--schedule", "mon 00:00-00:01"]);
    expect(out).toContain("✓ idle-only: pauses at 20 % of a GPU or 50 % of the CPU used by others for 10 s");
    expect(out).toMatch(/schedule: (the node is paused now, outside of its schedule until mon 00:00|open now)/);
  });

  test("a wrong configuration is a finding, not a crash", async () => {
    expect(await cli(["doctor", "--port", "abc"])).toMatchObject({
      code: 1,
      out: expect.stringContaining("✗ configuration: server.port:"),
    });
  });
});
