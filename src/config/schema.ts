// Schema: the one definition of every configuration key: its type, bounds, default and why one would change it. The
// file, the environment, the flags, `config print` and config.example.toml are all derived from it.
import { hostname } from "node:os";
import { z } from "zod";
import { TERMS } from "../protocol/terms.ts";
import { accounts } from "./accounts.ts";
import {
  aliasesSchema,
  backendEntrySchema,
  coordinatorEntrySchema,
  httpUrl,
  int,
  key,
  LIVE,
  LIVE_NODE,
  NODE_COMMANDS,
  names,
  optionalText,
  price,
  pricesSchema,
  region,
  scheduleSchema,
  seconds,
  USUAL_COMMANDS,
  url,
} from "./fields.ts";
import { payouts } from "./payouts.ts";
import { oracle, solana, stake } from "./solana.ts";

const server = z.strictObject({
  host: key(
    z.string().min(1).default("127.0.0.1"),
    "Address to listen on. 0.0.0.0 opens it to the network: then set public_url or allowed_hosts, and TLS.",
    { alias: "host" },
  ),
  port: key(int(0, 65_535).default(46_337), "Port to listen on (INFER on a phone's keypad). 0 takes a free one.", {
    alias: "port",
  }),
  public_url: key(
    httpUrl().nullable().default(null),
    "How others reach this instance; goes into join tokens and links.",
    {
      alias: "public-url",
      example: "https://infer.example.org",
    },
  ),
  allowed_hosts: key(
    names(255),
    "Host headers answered beside loopback and public_url; anything else gets 421 (DNS rebinding).",
    { example: '["infer.lan:46337"]' },
  ),
  tls_cert: key(optionalText(), "PEM file with the certificate chain, to serve TLS directly. Needs tls_key.", {
    example: "/etc/infernet/cert.pem",
  }),
  tls_key: key(optionalText(), "PEM file with the certificate's private key (the file's path).", {
    example: "/etc/infernet/key.pem",
  }),
  cors_origins: key(z.array(httpUrl()).max(256).default([]), "Origins of web pages that may call the client API.", {
    example: '["https://chat.example.org"]',
  }),
  max_body_mib: key(int(1, 47).default(32), "Largest request body of a client, in MiB. Images in messages count."),
  idle_timeout_s: key(int(20, 255).default(120), "Seconds a connection may be silent before it is closed."),
  keep_alive_s: key(
    int(1, 15).default(15),
    "Seconds of silence in a stream before a comment is sent, so that proxies do not cut a slow prefill.",
  ),
});

const database = z.strictObject({
  url: key(
    url("http", "https", "libsql").nullable().default(null),
    "A libSQL server, for more than one coordinator. Left out: a file in the data directory.",
    { example: "libsql://db.example.org" },
  ),
  auth_token: key(optionalText(), "Token for that server.", { secret: true, example: "…" }),
  max_page_count: key(
    int(1, 4_294_967_294).nullable().default(null),
    "Stops the file from growing; to test a full disk.",
    {
      hidden: true,
      example: "100000",
    },
  ),
});

const coordinator = z.strictObject({
  registration: key(
    z.enum(["token", "approval", "open"]).default("token"),
    "Who may offer inference: bearers of a join token, those an admin approves, or everybody.",
    { alias: "registration", ...LIVE },
  ),
  accept_auth_v1: key(
    z.boolean().default(true),
    "Accept v1 signatures on the polling routes, for existing Infernet daemons. v1 names no recipient: off is safer.",
    LIVE,
  ),
  require_api_key: key(
    z.boolean().default(true),
    "Clients need an API key. Off: whoever reaches the port may use it.",
    LIVE,
  ),
  queue_limit: key(
    int(0, 100_000).default(256),
    "Jobs that may wait for a free slot, per model; beyond it clients get 429.",
    LIVE,
  ),
  queue_timeout_s: key(seconds().default(300), "Seconds a job may wait for a slot before it expires.", LIVE),
  connect_timeout_s: key(
    seconds(3600).default(10),
    "Seconds from dispatch to the node's first sign; then another node is tried.",
    LIVE,
  ),
  first_token_timeout_s: key(
    seconds().default(300),
    "Seconds to the first token; a cold model is loaded in this time.",
    LIVE,
  ),
  between_tokens_timeout_s: key(
    seconds().default(120),
    "Seconds between two tokens before the attempt counts as failed.",
    LIVE,
  ),
  stalled_reader_timeout_s: key(
    seconds().default(60),
    "Seconds a chat's reader may take nothing before it counts as gone.",
    LIVE,
  ),
  max_attempts: key(
    int(1, 10).default(3),
    "Attempts at one job, on other nodes first; going on with an unfinished answer is one too.",
    LIVE,
  ),
  resume_grace_s: key(
    int(0, 600).default(10),
    "Seconds a running job waits for its node's broken link to come back before the attempt counts as lost.",
    LIVE,
  ),
  drain_timeout_s: key(int(0, 3600).default(30), "Seconds running jobs may go on after SIGTERM."),
  default_max_tokens: key(
    int(1, 10_000_000).default(4096),
    "Most tokens of an answer where the client names no limit; it is held to.",
    LIVE,
  ),
  max_hops: key(
    int(0, 8).default(3),
    "Coordinators a request may pass, this one not counted, where pools are lent between organisations. 0: none.",
  ),
  region: key(
    region(),
    "Where this coordinator stands, e.g. eu-west; with it, what nodes say of their own region is checked by round trip.",
    { example: "eu-west" },
  ),
  price_input_min: key(price().default(0), "Lowest price a node may ask for prompt tokens, in µ$ per million.", LIVE),
  price_input_max: key(price().default(1_000_000_000), "Highest price for prompt tokens, in µ$ per million.", LIVE),
  price_output_min: key(price().default(0), "Lowest price a node may ask for output tokens, in µ$ per million.", LIVE),
  price_output_max: key(price().default(1_000_000_000), "Highest price for output tokens, in µ$ per million.", LIVE),
});

const node = z.strictObject({
  name: key(
    z
      .string()
      .min(1)
      .max(128)
      .default(() => hostname().slice(0, 128) || "node"),
    "What others see. Default: the machine's name.",
    {
      example: "gpu-1",
    },
  ),
  coordinators: key(
    z.array(coordinatorEntrySchema).max(16).default([]),
    "Coordinators to dial, each with its public key. `infernet setup --join TOKEN` writes them.",
    { example: '[{ url = "https://infer.example.org", pubkey = "<64 hex digits>" }]' },
  ),
  join_token: key(
    optionalText(),
    "Admits this node, once; carries address and key of its coordinator, so nothing else is needed.",
    { secret: true, alias: "join", example: "…" },
  ),
  region: key(region(), "Where this node stands, for requests that ask for a region. Left out: they pass it by.", {
    example: "eu-west",
  }),
  slots: key(TERMS.slots.default(0), "Jobs run side by side. 0 asks the backend.", LIVE_NODE),
  price_input: key(TERMS.price_input.default(0), "What you ask for prompt tokens, in µ$ per million.", LIVE_NODE),
  price_output: key(TERMS.price_output.default(0), "What you ask for output tokens, in µ$ per million.", LIVE_NODE),
  prices: key(
    pricesSchema,
    "Models that cost something else, by name or by how names begin (with a *); the longest that fits counts.",
    { example: '{ "llama3*" = { input = 100000, output = 300000 } }', ...LIVE_NODE },
  ),
  allow_commands: key(
    z
      .array(z.enum(NODE_COMMANDS))
      .max(NODE_COMMANDS.length)
      .default([...USUAL_COMMANDS]),
    "What a coordinator may ask of this node. configure trusts its admins with slots, prices and schedule.",
    LIVE_NODE,
  ),
  model_disk_gib: key(
    int(1, 1_000_000).nullable().default(null),
    "GiB that models installed by coordinators may take in all. Left out: what is free, but for 2 GiB.",
    { example: "200", ...LIVE_NODE },
  ),
  insecure: key(
    z.boolean().default(false),
    "Dial coordinators beyond private networks without TLS. Prompts then travel in the clear.",
    { alias: "insecure" },
  ),
  idle_only: key(
    TERMS.idle_only.default(false),
    "Serve only while nobody else uses this machine: foreign load on its GPUs or CPU pauses the node.",
    { alias: "idle-only", ...LIVE_NODE },
  ),
  idle_gpu_percent: key(
    TERMS.idle_gpu_percent.default(20),
    "Foreign GPU use, in percent of one GPU, from which it is not idle. 0: it does not matter.",
    LIVE_NODE,
  ),
  idle_cpu_percent: key(
    TERMS.idle_cpu_percent.default(50),
    "Foreign CPU use, in percent of all cores, from which it is not idle. 0: it does not matter.",
    LIVE_NODE,
  ),
  idle_busy_s: key(
    TERMS.idle_busy_s.default(10),
    "Seconds that a foreign load must last before it pauses the node.",
    LIVE_NODE,
  ),
  idle_resume_s: key(
    TERMS.idle_resume_s.default(120),
    "Seconds the machine must have been idle before the node resumes.",
    LIVE_NODE,
  ),
  idle_drain_s: key(
    TERMS.idle_drain_s.default(30),
    "Seconds that running jobs may go on once the node is paused; then other nodes get them.",
    LIVE_NODE,
  ),
  schedule: key(
    scheduleSchema,
    "When this node serves, in local time; outside it is paused. Left empty: always. As a flag or variable: JSON.",
    {
      example: '["mon-fri 18:00-08:00", "sat,sun"]',
      alias: "schedule",
      ...LIVE_NODE,
    },
  ),
  probe: key(z.boolean().default(true), "Look for inference servers on this machine where no backend is configured."),
  backends: key(
    z.array(backendEntrySchema).max(64).default([]),
    "Inference servers to front. Left empty: those found on this machine, else the embedded engine.",
    { example: '[{ kind = "ollama", url = "http://127.0.0.1:11434" }]' },
  ),
});

const engine = z.strictObject({
  models: key(names(4096), "GGUF files for the embedded engine. Left empty: its demo model.", {
    example: '["/models/llama-3.2-1b-q4_k_m.gguf"]',
  }),
  threads: key(int(1, 1024).default(1), "CPU threads. More than the free cores is far slower than one."),
  context_length: key(
    int(64, 10_000_000).nullable().default(null),
    "Tokens of context. Left out: what the model was made for.",
    {
      example: "8192",
    },
  ),
  slots: key(int(1, 256).default(1), "Answers generated side by side; each takes memory for its context."),
  memory_mb: key(
    int(1, 100_000_000).nullable().default(null),
    "Memory for models together; the one used least recently makes room. Left out: three quarters of the machine's.",
    { example: "16384" },
  ),
});

const scheduler = z.strictObject({
  strategy: key(
    z.enum(["balanced", "cheapest", "fastest"]).default("balanced"),
    "How a node is chosen where the client does not say.",
    LIVE,
  ),
  affinity_ttl_s: key(
    int(0, 86_400).default(1_800),
    "Seconds a conversation returns to the node that has it in its cache, unless that is loaded. 0: it does not.",
    LIVE,
  ),
});

const privacy = z.strictObject({
  retain_content_hours: key(
    int(0, 8760).default(24),
    "Hours that prompts and answers of finished asynchronous jobs are kept, then really deleted. Chats are never kept.",
    LIVE,
  ),
});

const webhooks = z.strictObject({
  allow_private: key(
    z.boolean().default(false),
    "Webhooks may go to private networks and this machine, and by http. Whoever submits jobs then reaches what is there.",
    LIVE,
  ),
});

const dashboard = z.strictObject({
  public: key(
    z.boolean().default(true),
    "Strangers see the status, models, providers, docs and the check of receipts. Off: nothing but the way in.",
    LIVE,
  ),
});

const billing = z.strictObject({
  mode: key(
    z.enum(["off", "credits", "solana"]).default("off"),
    "off: nothing is charged; usage is metered all the same. credits: clients spend what admins grant. solana: clients pay nodes on the chain.",
  ),
  fee_bps: key(
    int(0, 10_000).default(1_200),
    "The platform's share of what a job costs, in hundredths of a percent; the node gets the rest.",
    LIVE,
  ),
  tokens_per_image: key(
    int(1, 1_000_000).default(4_096),
    "Most tokens an image may count for in a prompt: reserved for it, and more is not charged.",
    LIVE,
  ),
});

const log = z.strictObject({
  level: key(z.enum(["debug", "info", "warn", "error", "silent"]).default("info"), "The least that is logged.", {
    alias: "log-level",
    ...LIVE,
  }),
  format: key(z.enum(["auto", "text", "json"]).default("auto"), "auto: text on a terminal, JSON otherwise.", {
    alias: "log-format",
  }),
});

const update = z.strictObject({
  feed: key(
    httpUrl().nullable().default(null),
    "Where `infernet update` looks for releases: the address of a folder with release.json and release.json.sig.",
    { example: "https://example.org/infernet/latest" },
  ),
  public_key: key(
    z
      .string()
      .regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hex digits")
      .meta({ allowed: "an ed25519 public key of 64 lower-case hex digits" })
      .nullable()
      .default(null),
    "Releases must be signed with this key. Left out: the key this executable was released with.",
    { example: "<64 hex digits>" },
  ),
  check: key(
    z.boolean().default(false),
    "Whether a running instance looks at the feed once a day and says on its dashboard what is new. Nothing is installed.",
  ),
});

/** The tables of config.toml, in the order they are printed. */
export const SECTIONS = {
  server,
  database,
  coordinator,
  node,
  engine,
  scheduler,
  privacy,
  webhooks,
  accounts,
  dashboard,
  billing,
  solana,
  payouts,
  stake,
  oracle,
  update,
  log,
} as const;

/** Keys above the first table. */
export const TOP_KEYS = {
  mode: key(
    z.enum(["both", "coordinator", "node"]).default("both"),
    "both: one process that is coordinator and node. coordinator: the control plane. node: serves this machine's models.",
    { alias: "mode" },
  ),
  data_dir: key(
    optionalText(),
    "Where keys, database and logs live. Default: the platform's convention, e.g. ~/.local/share/infernet.",
    { alias: "data-dir", example: "/var/lib/infernet" },
  ),
  aliases: key(
    aliasesSchema,
    "Other names for models; each stands for the first of its models that can serve. Listed in /v1/models.",
    { example: '{ "gpt-4o" = ["llama3.3:70b", "qwen3:32b"] }', ...LIVE },
  ),
} as const;

export const configSchema = z
  .strictObject({
    ...TOP_KEYS,
    server: server.prefault({}),
    database: database.prefault({}),
    coordinator: coordinator.prefault({}),
    node: node.prefault({}),
    engine: engine.prefault({}),
    scheduler: scheduler.prefault({}),
    privacy: privacy.prefault({}),
    webhooks: webhooks.prefault({}),
    accounts: accounts.prefault({}),
    dashboard: dashboard.prefault({}),
    billing: billing.prefault({}),
    solana: solana.prefault({}),
    payouts: payouts.prefault({}),
    stake: stake.prefault({}),
    oracle: oracle.prefault({}),
    update: update.prefault({}),
    log: log.prefault({}),
  })
  .superRefine(({ server: s, coordinator: c, accounts: a, billing: b, solana: chain }, ctx) => {
    const refuse = (path: [string, string], message: string) => ctx.addIssue({ code: "custom", path, message });
    if (s.tls_cert !== null && s.tls_key === null)
      refuse(["server", "tls_key"], "is needed where server.tls_cert is set");
    if (s.tls_key !== null && s.tls_cert === null)
      refuse(["server", "tls_cert"], "is needed where server.tls_key is set");
    if (a.smtp_url !== null && a.mail_from === null)
      refuse(["accounts", "mail_from"], "is needed where accounts.smtp_url is set");
    if (b.mode === "solana" && chain.rpc_urls.length === 0)
      refuse(["solana", "rpc_urls"], 'is needed where billing.mode = "solana"');
    if (b.mode === "solana" && chain.mint === null)
      refuse(["solana", "mint"], 'is needed where billing.mode = "solana"');
    if (chain.x402 !== "off" && chain.treasury === null)
      refuse(["solana", "treasury"], "is needed where solana.x402 is on: somebody has to be paid");
    if (c.price_input_min > c.price_input_max)
      refuse(["coordinator", "price_input_min"], "must not be above coordinator.price_input_max");
    if (c.price_output_min > c.price_output_max)
      refuse(["coordinator", "price_output_min"], "must not be above coordinator.price_output_max");
  });

/** A checked configuration. Amounts in µ$ per million tokens; `_s` seconds; `null` where a key is left out. */
export type Config = Omit<z.output<typeof configSchema>, "data_dir"> & {
  /** Absolute path. */
  data_dir: string;
};
export type Mode = Config["mode"];
