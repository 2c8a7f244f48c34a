// The configuration's promises: each key by file, environment and flag, in that order of strength; every mistake named
// at once; what is printed reads back as the same.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import {
  CONFIG_KEYS,
  type Config,
  type ConfigKey,
  configRows,
  configToml,
  exampleToml,
  type LoadedConfig,
  type LoadInput,
  loadConfig,
} from "../config.ts";
import { effectiveValue, MASK } from "./print.ts";

const directory = mkdtempSync(join(tmpdir(), "infernet-config-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
function fileWith(toml: string): string {
  const path = join(directory, `${files++}.toml`);
  writeFileSync(path, toml);
  return path;
}

const NOWHERE = join(directory, "empty");
const input = (part: Partial<LoadInput>): LoadInput => ({
  flags: {},
  cwd: NOWHERE,
  ...part,
  env: { INFERNET_DATA_DIR: NOWHERE, ...part.env },
});
function load(part: Partial<LoadInput>): LoadedConfig {
  const loaded = loadConfig(input(part));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  return loaded.value;
}
function problems(part: Partial<LoadInput>) {
  const loaded = loadConfig(input(part));
  return loaded.ok ? [] : loaded.error;
}
const configured = (config: Config, key: ConfigKey): unknown => effectiveValue(config, key, "shown");

const HEX = "ab".repeat(32);
const ADDRESS = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
const FREE = { input: 0, output: 0 };
/** Three allowed values for each key, none of them its default. */
const SAMPLES: Record<string, readonly [unknown, unknown, unknown]> = {
  mode: ["coordinator", "node", "coordinator"],
  data_dir: ["/a", "/b", "/c"],
  "server.host": ["0.0.0.0", "::1", "10.0.0.1"],
  "server.public_url": ["https://a.example", "https://b.example", "http://c.example:8080"],
  "server.allowed_hosts": [["a"], ["b", "c"], ["d.example:1"]],
  "server.tls_cert": ["/a.pem", "/b.pem", "/c.pem"],
  "server.tls_key": ["/a.key", "/b.key", "/c.key"],
  "server.cors_origins": [["https://a.example"], ["https://b.example"], ["https://c.example", "http://d.example"]],
  "database.url": ["libsql://a.example", "https://b.example", "http://c.example"],
  "database.auth_token": ["one", "two", "three"],
  "coordinator.registration": ["approval", "open", "approval"],
  aliases: [{ a: ["b"] }, { "x:1": ["y", "z"], w: ["v"] }, { "gpt-4o": ["llama3.1:70b"] }],
  "coordinator.region": ["eu", "us-east-2", "ap"],
  "node.region": ["eu", "us-east-2", "ap"],
  "node.prices": [
    { "llama3*": { input: 1, output: 2 } },
    { "*": { input: 5, output: 6 }, "qwen3:32b": { input: 7, output: 8 } },
    { m: { input: 1_000_000_000_000, output: 0 } },
  ],
  "node.name": ["a", "b", "c"],
  "node.coordinators": [
    [{ url: "https://a.example", pubkey: HEX }],
    [{ url: "https://b.example", pubkey: HEX }],
    [{ url: "https://c.example", pubkey: HEX }],
  ],
  "node.join_token": ["one", "two", "three"],
  "node.allow_commands": [["models"], [], ["drain", "resume"]],
  "node.schedule": [["sat,sun"], ["mon-fri 18:00-08:00", "sat"], ["22:00-06:00"]],
  "node.backends": [
    [{ kind: "ollama", parallel: 4, context_length: 32768, cloud_models: true }],
    [{ kind: "openai", url: "http://b.example", api_key: "k" }],
    [{ kind: "infernet", url: "https://c.example", pubkey: HEX }],
  ],
  "engine.models": [["/a.gguf"], ["/b.gguf"], ["/c.gguf", "/d.gguf"]],
  "scheduler.strategy": ["cheapest", "fastest", "cheapest"],
  "accounts.signup": ["open", "closed", "open"],
  "accounts.oidc": [
    [{ name: "google", preset: "google", client_id: "a", client_secret: "s" }],
    [{ name: "own", issuer: "https://id.example", client_id: "b", client_secret: "s", allowed_domains: ["b.example"] }],
    [
      {
        name: "own",
        issuer: "http://127.0.0.1:1",
        label: "Own",
        client_id: "c",
        client_secret: "s",
        trust_email: true,
      },
    ],
  ],
  "accounts.smtp_url": ["smtp://a.example", "smtps://u:p@b.example:465", "smtp://c.example:587"],
  "accounts.mail_from": ["a@a.example", "B <b@b.example>", "c@c.example"],
  "billing.mode": ["off", "off", "off"],
  "solana.rpc_urls": [["https://a.example"], ["https://b.example", "http://127.0.0.1:8899"], ["http://c.example"]],
  "solana.mint": [ADDRESS, ADDRESS, ADDRESS],
  "solana.treasury": [ADDRESS, ADDRESS, ADDRESS],
  "payouts.fee_wallet": [ADDRESS, ADDRESS, ADDRESS],
  "solana.x402": ["confirmed", "finalized", "confirmed"],
  "stake.arbiter": [ADDRESS, ADDRESS, ADDRESS],
  "update.feed": ["https://a.example/r", "http://127.0.0.1:8080", "https://c.example"],
  "update.public_key": ["ab".repeat(32), "cd".repeat(32), "ef".repeat(32)],
  "log.level": ["debug", "warn", "silent"],
  "log.format": ["text", "json", "text"],
};
/** Whole numbers and switches need no table. */
function samplesOf(key: ConfigKey): readonly [unknown, unknown, unknown] {
  const known = SAMPLES[key.name];
  if (known) return known;
  if (key.kind === "boolean") {
    const other = key.schema.safeParse(undefined).data === false;
    return [other, other, other];
  }
  if (key.name === "server.idle_timeout_s") return [21, 22, 23];
  if (key.name === "engine.context_length") return [100, 200, 300];
  if (key.kind === "integer") return [5, 6, 7];
  throw new Error(`no samples for ${key.name}`);
}
const inFile = ({ section, key }: ConfigKey, value: unknown): string =>
  stringify(section === "" ? { [key]: value } : { [section]: { [key]: value } });
const asText = (key: ConfigKey, value: unknown): string =>
  key.kind === "list" || key.kind.startsWith("table") ? JSON.stringify(value) : String(value);
/** Keys that are only good together with another. */
function company(key: ConfigKey): Record<string, string> {
  if (key.name === "accounts.smtp_url") return { INFERNET_ACCOUNTS_MAIL_FROM: "a@b.example" };
  if (key.name === "solana.x402") return { INFERNET_SOLANA_TREASURY: ADDRESS };
  if (key.name === "server.tls_cert") return { INFERNET_SERVER_TLS_KEY: "/k" };
  if (key.name === "server.tls_key") return { INFERNET_SERVER_TLS_CERT: "/c" };
  return {};
}

describe("every key", () => {
  for (const key of CONFIG_KEYS) {
    test(`${key.name} is read from the file, over it the environment, over that the flag`, () => {
      const [one, two, three] = samplesOf(key);
      const configFile = fileWith(inFile(key, one));
      const env = { ...company(key), ...(key.name === "data_dir" ? { INFERNET_DATA_DIR: "" } : {}) };
      const fromFile = load({ configFile, env });
      expect(configured(fromFile.config, key)).toEqual(one);
      expect(fromFile.sources[key.name]).toEqual({ from: "file", where: configFile });
      const withEnv = { ...env, [key.env]: asText(key, two) };
      const fromEnv = load({ configFile, env: withEnv });
      expect(configured(fromEnv.config, key)).toEqual(two);
      expect(fromEnv.sources[key.name]).toEqual({ from: "environment", where: key.env });
      const fromFlag = load({ configFile, env: withEnv, flags: { [key.name]: asText(key, three) } });
      expect(configured(fromFlag.config, key)).toEqual(three);
      expect(fromFlag.sources[key.name]).toEqual({ from: "flag", where: `--${key.flag}` });
    });
  }

  test("has a default, save what may be left out", () => {
    const { config, sources, file } = load({});
    expect(file).toBeNull();
    expect(config.server).toMatchObject({ host: "127.0.0.1", port: 46_337, max_body_mib: 32, public_url: null });
    expect(config.coordinator).toMatchObject({ registration: "token", queue_limit: 256, max_attempts: 3 });
    expect(config.node).toMatchObject({ name: hostname(), slots: 0, probe: true, backends: [] });
    expect(sources["server.port"]).toEqual({ from: "default", where: "default" });
  });

  test("has an environment name, a flag and a line of why of its own", () => {
    const keys = CONFIG_KEYS.length;
    expect(new Set(CONFIG_KEYS.map((key) => key.env)).size).toBe(keys);
    expect(new Set(CONFIG_KEYS.map((key) => key.flag)).size).toBe(keys);
    for (const key of CONFIG_KEYS) expect(key.meta.why.length).toBeGreaterThan(10);
    expect(CONFIG_KEYS.find((key) => key.name === "server.port")).toMatchObject({
      env: "INFERNET_SERVER_PORT",
      flag: "server-port",
    });
  });
});

describe("mistakes", () => {
  test("are all named at once, with value, place and what is allowed", () => {
    const configFile = fileWith('[server]\nport = 70000\nprot = 1\n[log]\nlevel = "loud"\n[nodes]\nname = "x"\n');
    const found = problems({
      configFile,
      env: { INFERNET_COORDINATOR_MAX_ATTEMPTS: "many" },
      flags: { "node.backends": '[{"kind":"olama"}]', "node.probe": "perhaps" },
    });
    const from = { from: "file", where: configFile } as const;
    expect(found).toEqual([
      { key: "server.port", message: "70000 is not allowed: must be an integer from 0 to 65535", source: from },
      {
        key: "coordinator.max_attempts",
        message: '"many" is not allowed: must be an integer from 1 to 10',
        source: { from: "environment", where: "INFERNET_COORDINATOR_MAX_ATTEMPTS" },
      },
      {
        key: "node.probe",
        message: '"perhaps" is not allowed: must be true or false',
        source: { from: "flag", where: "--node-probe" },
      },
      {
        key: "node.backends[0].kind",
        message: expect.stringMatching(
          /^"olama" is not allowed: must be one of "ollama", "vllm", /,
        ) as unknown as string,
        source: { from: "flag", where: "--node-backends" },
      },
      {
        key: "log.level",
        message: '"loud" is not allowed: must be one of "debug", "info", "warn", "error", "silent"',
        source: from,
      },
      {
        key: "server.prot",
        message: expect.stringMatching(/^is unknown; allowed here are host, port,/) as unknown as string,
        source: from,
      },
      {
        key: "nodes",
        message: expect.stringMatching(
          /^is unknown; allowed here are mode, data_dir, aliases, server,/,
        ) as unknown as string,
        source: from,
      },
    ]);
  });

  test("a secret's wrong value is not repeated", () => {
    const backends = JSON.stringify([{ kind: "openai", api_key: ["sesame"] }]);
    const found = problems({ flags: { "node.backends": backends }, env: { INFERNET_DATABASE_AUTH_TOKEN: "sesame" } });
    expect(found.map(({ key }) => key)).toEqual(["node.backends[0].api_key"]);
    expect(JSON.stringify(found)).not.toContain("sesame");
    const many = JSON.stringify(Array(65).fill({ kind: "openai", api_key: "sesame" }));
    expect(JSON.stringify(problems({ flags: { "node.backends": many } }))).not.toContain("sesame");
    expect(JSON.stringify(problems({ flags: { "node.backends": '[{"api_key":"sesame"' } }))).not.toContain("sesame");
    const broken = fileWith('[database]\nauth_token = "sesame\n');
    expect(JSON.stringify(problems({ configFile: broken }))).not.toContain("sesame");
  });

  test("a file that is not there, or no TOML, is named with its place", () => {
    const missing = join(directory, "missing.toml");
    expect(problems({ configFile: missing })).toEqual([
      { key: "", message: "there is no such file", source: { from: "file", where: missing } },
    ]);
    const [broken] = problems({ configFile: fileWith("mode = \n") });
    expect(broken?.message).toMatch(/^line 1, column \d+: /);
  });

  test("a table that is no table is one problem, even when a flag sets a key of it", () => {
    const configFile = fileWith("server = 5\n");
    expect(problems({ configFile, flags: { "server.port": "1" } }).map(({ key }) => key)).toEqual(["server"]);
  });

  test("prices of models are refused where a name or an amount is none", () => {
    const wrong = [{ "": {} }, { "a*b": FREE }, { "**": FREE }, { m: { input: -1, output: 0 } }, { m: { input: 1 } }];
    for (const prices of wrong) {
      const found = problems({ flags: { "node.prices": JSON.stringify(prices) } });
      expect(found[0]?.key).toStartWith("node.prices");
    }
  });

  test("keys that contradict each other are refused", () => {
    expect(problems({ flags: { "server.tls_cert": "/a" } })[0]).toMatchObject({ key: "server.tls_key" });
    const prices = { "coordinator.price_input_min": "5", "coordinator.price_input_max": "4" };
    expect(problems({ flags: prices })[0]).toMatchObject({ key: "coordinator.price_input_min" });
    const upstream = problems({ flags: { "node.backends": '[{"kind":"infernet"}]' } });
    expect(upstream[0]).toMatchObject({ key: "node.backends[0]" });
  });

  test("a misspelt variable of a section is an error, another program's only a warning, Kubernetes' none", () => {
    expect(problems({ env: { INFERNET_SERVER_PROT: "1" } })[0]).toMatchObject({ key: "INFERNET_SERVER_PROT" });
    expect(load({ env: { INFERNET_SOMETHING: "1" } }).warnings).toHaveLength(1);
    const pod = {
      INFERNET_SERVICE_HOST: "10.0.0.1",
      INFERNET_PORT_46337_TCP_ADDR: "10.0.0.1",
      INFERNET_PORT: "tcp://x",
    };
    expect(load({ env: pod }).warnings).toEqual([]);
  });
});

describe("the file", () => {
  test("is the one named, else the data directory's, else the current directory's", () => {
    const dataDir = mkdtempSync(join(directory, "data-"));
    const cwd = mkdtempSync(join(directory, "cwd-"));
    const named = fileWith("[server]\nport = 1\n");
    writeFileSync(join(cwd, "config.toml"), "[server]\nport = 3\n");
    const env = { INFERNET_DATA_DIR: dataDir };
    expect(load({ env, cwd }).config.server.port).toBe(3);
    writeFileSync(join(dataDir, "config.toml"), "[server]\nport = 2\n");
    expect(load({ env, cwd }).config.server.port).toBe(2);
    expect(load({ env: { ...env, INFERNET_CONFIG: named }, cwd }).config.server.port).toBe(1);
    const other = fileWith("[server]\nport = 4\n");
    expect(load({ env: { ...env, INFERNET_CONFIG: named }, cwd, configFile: other }).config.server.port).toBe(4);
  });

  test("its data_dir may not lead to a directory with another config.toml", () => {
    const dataDir = mkdtempSync(join(directory, "data-"));
    const cwd = mkdtempSync(join(directory, "cwd-"));
    writeFileSync(join(dataDir, "config.toml"), "");
    writeFileSync(join(cwd, "config.toml"), `data_dir = ${JSON.stringify(dataDir)}\n`);
    expect(problems({ env: { INFERNET_DATA_DIR: "" }, cwd, flags: {} }).map(({ key }) => key)).toEqual(["data_dir"]);
  });
});

describe("text forms", () => {
  test("lists are separated by commas or JSON; an empty variable counts as not set, an empty flag as none", () => {
    const hosts = (text: string) => load({ flags: { "server.allowed_hosts": text } }).config.server.allowed_hosts;
    expect(hosts("a, b,,c")).toEqual(["a", "b", "c"]);
    expect(hosts('["a,b"]')).toEqual(["a,b"]);
    expect(hosts("")).toEqual([]);
    const configFile = fileWith('[server]\npublic_url = "https://a.example"\n');
    expect(load({ configFile, env: { INFERNET_SERVER_PUBLIC_URL: "" } }).config.server.public_url).not.toBeNull();
    expect(load({ configFile, flags: { "server.public_url": "" } }).config.server.public_url).toBeNull();
  });

  test("INFERNET_BACKEND is short for one backend", () => {
    const backends = (text: string) => load({ env: { INFERNET_BACKEND: text } }).config.node.backends;
    expect(backends("embedded")).toEqual([{ kind: "embedded" }]);
    expect(backends("ollama@http://10.0.0.5:11434")).toEqual([{ kind: "ollama", url: "http://10.0.0.5:11434" }]);
    const pubkey = "ab".repeat(32);
    expect(backends(`infernet@https://b.example/v1#${pubkey}`)).toMatchObject([
      { kind: "infernet", url: "https://b.example/v1", pubkey },
    ]);
  });
});

describe("printing", () => {
  test("config.example.toml is what the schema says (write it anew: infernet config example > config.example.toml)", () => {
    expect(readFileSync(join(import.meta.dirname, "../../config.example.toml"), "utf8")).toBe(exampleToml());
  });

  test("the example is good as it stands, changes nothing, and so is each line commented out", () => {
    const configFile = fileWith(exampleToml());
    expect(load({ configFile }).config).toEqual(load({}).config);
    const lines = exampleToml().split("\n");
    for (const key of CONFIG_KEYS) {
      const line = lines.find((text) => text.startsWith(`# ${key.key} = `));
      if (line === undefined) continue;
      const text = line.slice(2).replace("<64 hex digits>", HEX).replace("<address>", ADDRESS);
      const one = fileWith(key.section === "" ? text : `[${key.section}]\n${text}\n`);
      expect(problems({ configFile: one, env: company(key) })).toEqual([]);
    }
  });

  test("secrets are masked, wherever they are, unless asked for", () => {
    const loaded = load({
      flags: { "node.backends": '[{"kind":"vllm","api_key":"sesame"}]', "node.join_token": "sesame" },
      env: { INFERNET_DATABASE_AUTH_TOKEN: "sesame" },
    });
    expect(configToml(loaded)).not.toContain("sesame");
    expect(JSON.stringify(configRows(loaded))).not.toContain("sesame");
    expect(configToml(loaded)).toContain(`auth_token = "${MASK}" # INFERNET_DATABASE_AUTH_TOKEN`);
    expect(configToml(loaded, "shown").match(/sesame/g)).toHaveLength(3);
  });

  test("secrets within tables are masked by their name in the schema", () => {
    const oidc = [{ name: "own", issuer: "https://id.example", client_id: "shown", client_secret: "sesame" }];
    const loaded = load({
      flags: {
        "accounts.oidc": JSON.stringify(oidc),
        "accounts.smtp_url": "smtp://u:sesame@mail.example",
        "accounts.mail_from": "a@b.example",
      },
    });
    expect(configToml(loaded)).not.toContain("sesame");
    expect(JSON.stringify(configRows(loaded))).not.toContain("sesame");
    expect(configToml(loaded)).toContain('client_id = "shown"');
    expect(configToml(loaded, "shown").match(/sesame/g)).toHaveLength(2);
  });

  test("what is printed with secrets reads back as the same configuration", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
    const arbitrary = (key: ConfigKey): fc.Arbitrary<unknown> => {
      if (["node.name", "node.join_token", "database.auth_token"].includes(key.name)) return text;
      if (["server.allowed_hosts", "engine.models"].includes(key.name)) return fc.array(text, { maxLength: 4 });
      if (key.name === "node.backends") {
        return fc.array(fc.record({ kind: fc.constant("vllm"), api_key: text }, { requiredKeys: ["kind"] }), {
          maxLength: 3,
        });
      }
      return fc.constantFrom(...samplesOf(key));
    };
    const keys = CONFIG_KEYS.filter((key) => Object.keys(company(key)).length === 0 && !key.name.includes(".price_"));
    const shape = Object.fromEntries(keys.map((key) => [key.name, arbitrary(key)]));
    const some = fc.record(shape, { requiredKeys: [] });
    fc.assert(
      fc.property(some, (values) => {
        const tree: Record<string, unknown> = {};
        for (const key of keys) {
          const value = values[key.name];
          if (value === undefined) continue;
          if (key.section === "") tree[key.key] = value;
          else tree[key.section] = { ...(tree[key.section] as object | undefined), [key.key]: value };
        }
        const first = load({ configFile: fileWith(stringify(tree)) });
        const printed = configToml(first, "shown");
        expect(() => parse(printed)).not.toThrow();
        expect(load({ configFile: fileWith(printed) }).config).toEqual(first.config);
      }),
      { numRuns: 200 },
    );
  });
});
