// Settings: what is changed while an instance runs: kept in a store, laid over the configuration, told to what runs. The
// configuration's own room knows the keys (a Ground); this one knows what was changed, by whom and since when.
import { type Caller, SYSTEM_CALLER } from "../accounts/caller.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { err, ok, type Result } from "../lib/result.ts";

/** How a value is written as text, and which input it takes. `prices`: a table of models, each with two prices. */
export type SettingKind = "text" | "integer" | "boolean" | "choice" | "list" | "tables" | "table" | "prices";

/** What the integer of a key counts: `digits` of it stand behind the point, `sign` before and `text` after it. */
export type SettingUnit = { text: string; sign: string; digits: number };
/** One of the values that a key may have: what people call it, and what it does; the value itself and "" where nobody said. */
export type SettingChoice = { value: string; label: string; about: string };
/** Settings that people look for together, by their keys. */
export type SettingGroup = { id: string; title: string; about: string; keys: readonly string[] };

/** One key of the configuration, as it stands without any setting. */
export type SettingKey = {
  /** As in config.toml: `coordinator.queue_limit`. */
  name: string;
  /** "" above the first table. */
  section: string;
  kind: SettingKind;
  nullable: boolean;
  /** A few words; the name of a key that never changes while an instance runs. */
  label: string;
  unit: SettingUnit | null;
  /** One line: what it does and why one would change it. */
  why: string;
  /** In words: "an integer from 0 to 65535". */
  allowed: string;
  /** Of a choice, and of a list whose entries are some of them. */
  choices: readonly SettingChoice[];
  /** Of an integer. */
  min: number | null;
  max: number | null;
  /** Where it is nowhere said otherwise. */
  fallback: unknown;
  /** It may change while this instance runs. */
  live: boolean;
};
/** Where a value comes from; `where` is the flag, the variable, the file or who changed it. */
export type SettingSource = { from: "flag" | "environment" | "settings" | "file" | "default"; where: string };
export type SettingFault = { key: string; message: string };

/** The configuration that settings stand on. */
export type Ground = {
  keys: readonly SettingKey[];
  /** In the order in which they are shown. */
  groups: readonly SettingGroup[];
  /** What stands without settings: secrets masked. */
  beneath(name: string): { value: unknown; source: SettingSource };
  /** A value as it is written in the environment. */
  read(name: string, text: string): Result<unknown, string>;
  /** What is wrong with these settings; nothing where all is well. Those of keys that are fixed do not count. */
  check(values: ReadonlyMap<string, unknown>): readonly SettingFault[];
  /** Lays them over what runs. */
  lay(values: ReadonlyMap<string, unknown>): void;
};

export type Setting = SettingKey & {
  /** What is in effect. */
  value: unknown;
  source: SettingSource;
  /** What a reset would bring. */
  beneath: unknown;
  /** A flag or the environment says otherwise: nothing else counts. */
  fixed: boolean;
  /** Kept here, in effect or not; null where it is not. */
  kept: { value: unknown; changedMs: number; changedBy: string } | null;
};
export type SettingsError = {
  code: "unknown" | "not_live" | "fixed" | "wrong";
  /** What is wrong, without the key. */
  message: string;
};
type KeyedError = SettingsError & { key: string };
type Kept = { value: unknown; changedMs: number; changedBy: string };
type Wanted = { key: SettingKey; value: unknown };

/** One as it is kept. */
export type StoredSetting = {
  key: string;
  /** JSON. */
  value: string;
  changedMs: number;
  changedBy: string;
};
/** `row` null: it is kept no more. `before` and `after`: what was and is in effect. */
export type SettingChange = {
  key: string;
  row: Omit<StoredSetting, "key"> | null;
  before: unknown;
  after: unknown;
};
/** Where settings are kept: a coordinator's database, a node's own file. */
export type SettingsStore = {
  read(): Promise<StoredSetting[]>;
  /** All of them, kept for good when it resolves; or none. */
  put(changes: readonly SettingChange[], by: Caller, atMs: number): Promise<void>;
};

export type SettingsDeps = { store: SettingsStore; clock: Pick<Clock, "nowMs">; log: Log; ground: Ground };
export type Settings = Awaited<ReturnType<typeof openSettings>>;

/** Reads what is kept and lays it over the ground. What no longer fits is left out, and said. */
export async function openSettings({ store, clock, log, ground }: SettingsDeps) {
  const keys = new Map(ground.keys.map((key) => [key.name, key]));
  const listeners: (() => void)[] = [];
  let kept = new Map<string, Kept>();
  /** One change after the other: each is checked against what the one before it left. */
  let queue: Promise<unknown> = Promise.resolve();

  const isFixed = (name: string) => ["flag", "environment"].includes(ground.beneath(name).source.from);
  const inEffect = (all: ReadonlyMap<string, Kept>): Map<string, unknown> =>
    new Map([...all].filter(([name]) => !isFixed(name)).map(([name, { value }]) => [name, value]));
  const take = (all: Map<string, Kept>) => {
    kept = all;
    ground.lay(inEffect(all));
    for (const listener of listeners) listener();
  };
  const read = async (): Promise<Map<string, Kept>> => {
    const rows = await store.read();
    const all = new Map(
      rows.flatMap(({ key, value, ...row }) => {
        if (!keys.get(key)?.live) return [];
        const read = readJson(value);
        if (read.ok) return [[key, { ...row, value: read.value }] as const];
        log.warn("a setting is left out: it cannot be read", { key, why: read.error });
        return [];
      }),
    );
    if (ground.check(inEffect(all)).length === 0) return all;
    // One by one, so that only what is wrong is left out.
    const good = new Map<string, Kept>();
    for (const [name, one] of all) {
      const faults = ground.check(inEffect(new Map(good).set(name, one)));
      if (faults.length === 0) good.set(name, one);
      else log.warn("a setting is left out: it does not fit any more", { key: name, why: faults[0]?.message });
    }
    return good;
  };
  const rowOf = (key: SettingKey): Setting => {
    const { value: beneath, source } = ground.beneath(key.name);
    const fixed = isFixed(key.name);
    const own = kept.get(key.name) ?? null;
    const counts = own !== null && !fixed;
    return {
      ...key,
      value: counts ? own.value : beneath,
      source: counts ? { from: "settings", where: own.changedBy } : source,
      beneath,
      fixed,
      kept: own,
    };
  };
  /** All of them or none. `value` undefined: it is kept no more. */
  const put = async (wanted: readonly Wanted[], by: Caller): Promise<Result<void, KeyedError>> => {
    const atMs = clock.nowMs();
    const next = new Map(kept);
    const changes: SettingChange[] = [];
    for (const { key, value } of wanted) {
      const { kept: own, value: before, beneath } = rowOf(key);
      if (value === undefined ? own === null : isSame(value, own?.value ?? before)) continue;
      const who = { changedMs: atMs, changedBy: by.actor };
      if (value === undefined) next.delete(key.name);
      else next.set(key.name, { value, ...who });
      const row = value === undefined ? null : { value: JSON.stringify(value), ...who };
      changes.push({ key: key.name, row, before, after: value === undefined ? beneath : value });
    }
    const [first] = changes;
    if (!first) return ok(undefined);
    const [fault] = ground.check(inEffect(next));
    if (fault) {
      const own = changes.find(({ key }) => key === fault.key);
      const message = own ? fault.message : `does not fit ${fault.key}, which ${fault.message}`;
      return err({ code: "wrong", message, key: (own ?? first).key });
    }
    await store.put(changes, by, atMs);
    take(next);
    return ok(undefined);
  };
  const putOne = async (key: SettingKey, value: unknown, by: Caller): Promise<Result<Setting, SettingsError>> => {
    const done = await put([{ key, value }], by);
    return done.ok ? ok(rowOf(key)) : done;
  };
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const done = queue.then(act);
    queue = done.catch(() => undefined);
    return done;
  };
  /** The key, where it may be changed here. */
  const changeable = (name: string): Result<SettingKey, SettingsError> => {
    const key = keys.get(name);
    if (!key) return err({ code: "unknown", message: "there is no such key" });
    if (!key.live) return err({ code: "not_live", message: "it is read at the start only" });
    if (!isFixed(name)) return ok(key);
    return err({ code: "fixed", message: `${ground.beneath(name).source.where} says what it is` });
  };
  take(await read());

  return {
    list: (): Setting[] => ground.keys.map(rowOf),
    groups: ground.groups,
    find: (name: string): Setting | undefined => {
      const key = keys.get(name);
      return key && rowOf(key);
    },

    /** Checked, kept, noted in the audit log and in effect when it resolves. `text`: as it is written in the environment. */
    change(
      name: string,
      given: { value: unknown } | { text: string },
      by: Caller = SYSTEM_CALLER,
    ): Promise<Result<Setting, SettingsError>> {
      return inTurn(async () => {
        const key = changeable(name);
        if (!key.ok) return key;
        const value = "text" in given ? ground.read(name, given.text) : ok(given.value);
        if (!value.ok) return err({ code: "wrong", message: `is ${value.error}` });
        return await putOne(key.value, value.value ?? null, by);
      });
    },

    /** The same of several at once: nobody sees some of them changed and others not, whatever happens. */
    changeAll(values: ReadonlyMap<string, unknown>, by: Caller = SYSTEM_CALLER): Promise<Result<void, KeyedError>> {
      return inTurn(async () => {
        const wanted: Wanted[] = [];
        for (const [name, value] of values) {
          const key = changeable(name);
          if (!key.ok) return err({ ...key.error, key: name });
          wanted.push({ key: key.value, value: value ?? null });
        }
        return await put(wanted, by);
      });
    },

    /** Back to what the file or the default says. */
    reset(name: string, by: Caller = SYSTEM_CALLER): Promise<Result<Setting, SettingsError>> {
      return inTurn(async () => {
        const key = changeable(name);
        return key.ok ? await putOne(key.value, undefined, by) : key;
      });
    },

    /** Reads them again: another coordinator changed one. */
    reload: (): Promise<void> => inTurn(async () => take(await read())),

    /** Called after each change, when it is in effect. */
    onChange: (listener: () => void): void => void listeners.push(listener),
  };
}

/** What others than this program wrote may be anything. */
function readJson(text: string): Result<unknown, string> {
  try {
    return ok(JSON.parse(text));
  } catch (error) {
    return err(String(error));
  }
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
