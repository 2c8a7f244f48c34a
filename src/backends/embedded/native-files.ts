// Native files: llama.cpp's libraries as they are embedded in the executable. In development there are none here and
// node-llama-cpp finds its own in node_modules; build/plugins/node-llama-cpp.ts swaps this module.

/** One embedded library; `source` can be read with node:fs inside the executable. */
export type NativeFile = { name: string; source: string; bytes: number; sha256: string };

/** `id` names this very set of files; `files` is empty where the platform has no prebuilt library. */
export type Natives = { platform: string; id: string; files: NativeFile[] };

export const natives: Natives | null = null;
