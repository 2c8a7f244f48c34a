// Setting groups: the keys that may change while an instance runs, as people meet them: in groups by what one wants to
// do, each key with a short label and its unit. The dashboard and `infernet settings` read them from here.
import type { SettingGroup, SettingUnit } from "../settings/settings.ts";

/** `why`: where the one of config.toml speaks of another unit. */
type Words = { label: string; unit?: SettingUnit; why?: string };
type Group = Omit<SettingGroup, "keys"> & { keys: Readonly<Record<string, Words>> };

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
      "accounts.signup": { label: "Sign-up" },
      "coordinator.registration": { label: "Registration of nodes" },
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
      "scheduler.strategy": { label: "Choice of a node" },
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
      "log.level": { label: "Log level" },
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
        why: "Models that cost something else, by name or how names begin (with a *; the longest counts), in µ$ per million tokens: 1000000 is $1.",
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
      "node.allow_commands": { label: "Allowed commands" },
      "node.model_disk_gib": { label: "Disk for installed models", unit: plain("GiB") },
    },
  },
];

/** In the order in which they are shown. */
export const SETTING_GROUPS: readonly SettingGroup[] = GROUPS.map((group) => ({
  ...group,
  keys: Object.keys(group.keys),
}));

const WORDS: ReadonlyMap<string, Words> = new Map(GROUPS.flatMap(({ keys }) => Object.entries(keys)));

/** What a key is called, its unit and what it is for; one that is read at the start only goes by its name. */
export function settingWords(key: string, why: string): { label: string; unit: SettingUnit | null; why: string } {
  const words = WORDS.get(key);
  return { label: words?.label ?? key, unit: words?.unit ?? null, why: words?.why ?? why };
}
