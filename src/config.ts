// Config: the way in. schema.ts defines every key once; load.ts reads file, environment and flags; print.ts shows them.

export { configGround } from "./config/ground.ts";
export { CONFIG_KEYS, type ConfigKey, fromText } from "./config/keys.ts";
export type { ConfigProblem, Source } from "./config/layers.ts";
export { type LoadedConfig, type LoadInput, loadConfig } from "./config/load.ts";
export { configRows, configToml, exampleToml, holdsSecret } from "./config/print.ts";
export type { Config, Mode } from "./config/schema.ts";
