// Models directory: where the models of this machine lie, so that the space beside them can be told.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Config } from "../config.ts";

/** The embedded engine's own models, else Ollama's where it has some here, else the data directory. */
export function modelsDirectory(
  { engine, data_dir }: Pick<Config, "engine" | "data_dir">,
  env: Record<string, string | undefined> = process.env,
): string {
  const [own] = engine.models;
  if (own !== undefined) return dirname(own);
  const places = [env.OLLAMA_MODELS, join(homedir(), ".ollama/models"), "/usr/share/ollama/.ollama/models"];
  return places.find((place) => place !== undefined && existsSync(place)) ?? data_dir;
}
