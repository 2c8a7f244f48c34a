// Setting groups: the keys that may change while an instance runs, as people meet them: in groups by what one wants to
// do, each key with a short label, its unit and what its choices are called. The dashboard and `infernet settings` read
// them from here.
import type { SettingChoice, SettingGroup, SettingUnit } from "../settings/settings.ts";
import type { Config, SECTIONS } from "./schema.ts";

/** `why`: where the one of config.toml speaks of another unit. */
type Words = { label: string; unit?: SettingUnit; why?: string; choices?: Readonly<Record<string, Choice>> };
/** What one of its words is called, and what it does in a line. */
type Choice = readonly [label: string, about: string];

type Section = keyof typeof SECTIONS;
type Key = { [S in Section]: `${S}.${keyof Config[S] & string}` }[Section] | Exclude<keyof Config, Section>;
type ValueOf<K extends Key> = K extends `${infer S extends Section}.${infer F}`
  ? F extends keyof Config[S]
    ? Config[S][F]
    : never
  : K extends keyof Config
    ? Config[K]
    : never;
/** The words that a value is one of, or a list some of; none where it is any text or none. */
type Choosable<V> = V extends readonly (infer E)[]
  ? Choosable<E>
  : V extends string
    ? string extends V
      ? never
      : V
    : never;
/** Every choice has its words, or it does not compile. */
type WordsOf<K extends Key> = [Choosable<ValueOf<K>>] extends [never]
  ? Omit<Words, "choices">
  : Omit<Words, "choices"> & { choices: Readonly<Record<Choosable<ValueOf<K>>, Choice>> };
type Group = Omit<SettingGroup, "keys"> & { keys: { readonly [K in Key]?: WordsOf<K> } };

const plain = (text: string): SettingUnit => ({ text, sign: "", digits: 0 });
const SECONDS = plain("seconds");
const HOURS = plain("hours");
const TOKENS = plain("tokens");
const PERCENT = plain("%");
const DOLLARS: SettingUnit = { text: "", sign: "$", digits: 6 };
const PRICE: SettingUnit = { ...DOLLARS, text: "per million tokens" };

const GROUPS: readonly Group[] = [
  {
    id: "access",
    title: "Who may come in",
    about: "Which clients, nodes and people this instance takes, and what strangers see of it.",
    keys: {
      "coordinator.require_api_key": { label: "Clients need an API key" },
      "accounts.signup": {
        label: "Sign-up",
        why: "Who may make an account.",
        choices: {
          open: ["Everybody", "Anyone who finds this instance may make an account."],
          invite: ["By invitation", "Only with a link that an admin made."],
          closed: ["Nobody", "Who has an account keeps it; there are no new ones."],
        },
      },
      "coordinator.registration": {
        label: "Registration of nodes",
        why: "Who may offer inference.",
        choices: {
          token: ["With a join token", "Only whoever was given one; they are made under Join tokens."],
          approval: ["After approval", "Anyone may ask; an admin lets each node in."],
          open: ["Everybody", "A node that comes is let in at once."],
        },
      },
      "coordinator.accept_auth_v1": { label: "Older node daemons" },
      "dashboard.public": { label: "Public pages" },
      "webhooks.allow_private": { label: "Webhooks into private networks" },
    },
  },
  {
    id: "routing",
    title: "Queue and choice of nodes",
    about: "Where a job goes, and how long it may wait for a free slot.",
    keys: {
      "scheduler.strategy": {
        label: "Choice of a node",
        choices: {
          balanced: ["Balanced", "Fast nodes first, as far as they are worth their price."],
          cheapest: ["Cheapest", "The lowest price first, however slow."],
          fastest: ["Fastest", "The most tokens per second first, whatever they cost."],
        },
      },
      "scheduler.affinity_ttl_s": { label: "Conversations stay on a node", unit: SECONDS },
      "coordinator.queue_limit": { label: "Waiting jobs per model", unit: plain("jobs") },
      "coordinator.queue_timeout_s": { label: "Longest wait for a slot", unit: SECONDS },
      "coordinator.default_max_tokens": { label: "Answer length by default", unit: TOKENS },
    },
  },
  {
    id: "failover",
    title: "Slow and lost nodes",
    about: "When an attempt counts as failed, and how often a job is tried elsewhere.",
    keys: {
      "coordinator.max_attempts": { label: "Attempts per job", unit: plain("attempts") },
      "coordinator.connect_timeout_s": { label: "Wait for a node's first sign", unit: SECONDS },
      "coordinator.first_token_timeout_s": { label: "Wait for the first token", unit: SECONDS },
      "coordinator.between_tokens_timeout_s": { label: "Wait between two tokens", unit: SECONDS },
      "coordinator.resume_grace_s": { label: "Wait for a broken link", unit: SECONDS },
      "coordinator.stalled_reader_timeout_s": { label: "Wait for a reader who takes nothing", unit: SECONDS },
    },
  },
  {
    id: "prices",
    title: "Price limits",
    about: "What nodes may ask for a million tokens; one that asks for less or more gets no work.",
    keys: {
      "coordinator.price_input_min": {
        label: "Lowest input price",
        unit: PRICE,
        why: "The least a node may ask for prompt tokens.",
      },
      "coordinator.price_input_max": {
        label: "Highest input price",
        unit: PRICE,
        why: "The most a node may ask for prompt tokens.",
      },
      "coordinator.price_output_min": {
        label: "Lowest output price",
        unit: PRICE,
        why: "The least a node may ask for output tokens.",
      },
      "coordinator.price_output_max": {
        label: "Highest output price",
        unit: PRICE,
        why: "The most a node may ask for output tokens.",
      },
    },
  },
  {
    id: "billing",
    title: "Billing and payouts",
    about: "What this instance keeps of what clients pay, and when nodes get theirs.",
    keys: {
      "billing.fee_bps": {
        label: "Platform fee",
        unit: { text: "%", sign: "", digits: 2 },
        why: "The platform's share of what a job costs; the node gets the rest.",
      },
      "billing.tokens_per_image": { label: "Tokens reserved per image", unit: TOKENS },
      "payouts.minimum": {
        label: "Smallest payout",
        unit: DOLLARS,
        why: "What is owed to a node waits until it is as much.",
      },
      "payouts.interval_h": { label: "Time between payouts", unit: HOURS },
      "payouts.max_transfers": { label: "Transfers per transaction", unit: plain("transfers") },
      "payouts.reclaim_after_h": { label: "Keep payout markers", unit: HOURS },
    },
  },
  {
    id: "keeping",
    title: "Sessions and what is kept",
    about: "How long people stay signed in, how long content stays, and how much is logged.",
    keys: {
      "accounts.session_idle_hours": { label: "Session without use", unit: HOURS },
      "accounts.session_max_days": { label: "Longest session", unit: plain("days") },
      "privacy.retain_content_hours": { label: "Keep prompts and answers", unit: HOURS },
      "log.level": {
        label: "Log level",
        choices: {
          debug: ["Everything", "Each step, to find a fault. It is much."],
          info: ["As usual", "What comes, goes and changes, and all below."],
          warn: ["Warnings", "What somebody should look at, and errors."],
          error: ["Errors", "Only what went wrong."],
          silent: ["Nothing", "Not even errors."],
        },
      },
    },
  },
  {
    id: "models",
    title: "Models",
    about: "Under which names clients ask for models.",
    keys: { aliases: { label: "Model aliases" } },
  },
  {
    id: "node-offer",
    title: "What this node offers",
    about: "How much it takes on at once, and what it asks for.",
    keys: {
      "node.price_input": { label: "Input price", unit: PRICE, why: "What you ask for prompt tokens." },
      "node.price_output": { label: "Output price", unit: PRICE, why: "What you ask for output tokens." },
      "node.prices": {
        label: "Prices of single models",
        why: "Models that cost something else, by name or by how names begin: llama3* is every model whose name begins with llama3. The longest that fits counts.",
      },
      "node.slots": { label: "Jobs side by side", unit: plain("jobs") },
    },
  },
  {
    id: "node-times",
    title: "When this node serves",
    about: "By the clock, and by whether somebody else uses the machine.",
    keys: {
      "node.schedule": { label: "Schedule" },
      "node.idle_only": { label: "Only while the machine is idle" },
      "node.idle_gpu_percent": { label: "GPU counts as busy from", unit: PERCENT },
      "node.idle_cpu_percent": { label: "CPU counts as busy from", unit: PERCENT },
      "node.idle_busy_s": { label: "Pause after a load of", unit: SECONDS },
      "node.idle_resume_s": { label: "Resume after being idle for", unit: SECONDS },
      "node.idle_drain_s": { label: "Time for running jobs to end", unit: SECONDS },
    },
  },
  {
    id: "node-commands",
    title: "What coordinators may do here",
    about: "The node has the last word on what it is asked beside inference.",
    keys: {
      "node.allow_commands": {
        label: "Allowed commands",
        why: "What a coordinator may ask of this node.",
        choices: {
          models: ["Install and remove models", "As far as the disk below allows."],
          drain: ["Take no more jobs", "Those that run may end."],
          resume: ["Take jobs again", "After it was told to take none."],
          refresh: ["Look at its models anew", "It asks its backends what they have."],
          restart: ["Restart", "It ends its jobs and starts again."],
          configure: ["Change its terms", "Slots, prices and schedule: it trusts their admins with your earnings."],
        },
      },
      "node.model_disk_gib": { label: "Disk for installed models", unit: plain("GiB") },
    },
  },
];

/** In the order in which they are shown. */
export const SETTING_GROUPS: readonly SettingGroup[] = GROUPS.map((group) => ({
  ...group,
  keys: Object.keys(group.keys),
}));

const WORDS: ReadonlyMap<string, Words> = new Map(GROUPS.flatMap(({ keys }) => Object.entries<Words>(keys)));

/** What a key is called, its unit and what it is for; one that is read at the start only goes by its name. */
export function settingWords(key: string, why: string): { label: string; unit: SettingUnit | null; why: string } {
  const words = WORDS.get(key);
  return { label: words?.label ?? key, unit: words?.unit ?? null, why: words?.why ?? why };
}

/** The values of a key as people call them; of one that is read at the start only, as they are. */
export function choicesOf(key: string, values: readonly string[]): SettingChoice[] {
  const words = new Map(Object.entries(WORDS.get(key)?.choices ?? {}));
  return values.map((value) => {
    const [label, about] = words.get(value) ?? [value, ""];
    return { value, label, about };
  });
}
