// Layers: what has been read so far of the configuration, from where, and what was wrong with it.

/** Where a key's effective value came from; `where` is the flag, the variable, who set it or the file. */
export type Source = { from: "flag" | "environment" | "settings" | "file" | "default"; where: string };

export type ConfigProblem = {
  /** `server.port`, `node.backends[0].kind`; "" where the whole file is meant. */
  key: string;
  /** One sentence without the key: the value, and what is allowed. */
  message: string;
  source: Source;
};

export type Tree = Record<string, unknown>;
/** `tree` is the configuration as written, the stronger source over the weaker. */
export type Layers = { tree: Tree; sources: Record<string, Source>; problems: ConfigProblem[]; warnings: string[] };

export const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value);
