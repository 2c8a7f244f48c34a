// The node-llama-cpp plugin: embeds llama.cpp's native libraries and keeps out what only builds them from source
// (cmake-js, ipull, simple-git). Four modules are swapped:
// - `node-llama-cpp` becomes its four exports that the engine uses, each from its own file;
// - `dist/bindings/getLlama.js`, which looks for or compiles binaries, becomes embedded-get-llama.js;
// - `dist/bindings/utils/cloneLlamaCppRepo.js`, which downloads sources, becomes one that has none;
// - `src/backends/embedded/native-files.ts`, empty in development, becomes the list of the embedded files.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { BunPlugin } from "bun";

const root = path.resolve(import.meta.dir, "../..");
const library = path.join(root, "node_modules/node-llama-cpp");

/** The folder that holds `llama-addon.node`, or null where no prebuilt library is installed for `platform`. */
function binsFolder(platform: string): { folder: string; version: string } | null {
  const home = path.join(root, "node_modules/@node-llama-cpp", platform);
  const folder = path.join(home, "bins", platform);
  if (!existsSync(path.join(folder, "llama-addon.node"))) return null;
  const { version } = JSON.parse(readFileSync(path.join(home, "package.json"), "utf8")) as { version: string };
  return { folder, version };
}

/** Source of the module that lists the embedded libraries with their sizes and hashes. */
function nativeFilesModule(platform: string): string {
  const bins = binsFolder(platform);
  if (bins === null) return `export const natives = { platform: ${JSON.stringify(platform)}, files: [] };`;
  const names = readdirSync(bins.folder).filter((name) => !name.startsWith("_"));
  const imports = names.map(
    (name, i) => `import f${i} from ${JSON.stringify(path.join(bins.folder, name))} with { type: "file" };`,
  );
  const whole = new Bun.CryptoHasher("sha256");
  const files = names.map((name, i) => {
    const bytes = readFileSync(path.join(bins.folder, name));
    const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    whole.update(`${name} ${sha256}\n`);
    return `{ name: ${JSON.stringify(name)}, source: f${i}, bytes: ${bytes.length}, sha256: "${sha256}" }`;
  });
  const id = `${bins.version}-${platform}-${whole.digest("hex").slice(0, 16)}`;
  return `${imports.join("\n")}
export const natives = { platform: ${JSON.stringify(platform)}, id: ${JSON.stringify(id)}, files: [${files.join(",\n")}] };`;
}

/** `platform` in node-llama-cpp's words: "linux-x64", "linux-arm64", "mac-arm64-metal", "mac-x64", "win-x64". */
export function nodeLlamaCppPlugin(platform: string): BunPlugin {
  return {
    name: "node-llama-cpp",
    setup(build) {
      build.onResolve({ filter: /^node-llama-cpp$/ }, () => ({ path: "index", namespace: "node-llama-cpp" }));
      build.onLoad({ filter: /.*/, namespace: "node-llama-cpp" }, () => ({
        loader: "js",
        contents: `export { getLlama } from ${JSON.stringify(path.join(library, "dist/bindings/getLlama.js"))};
export { LlamaLogLevel } from ${JSON.stringify(path.join(library, "dist/bindings/types.js"))};
export { TokenBias } from ${JSON.stringify(path.join(library, "dist/evaluator/TokenBias.js"))};
export { LlamaGrammarEvaluationState } from ${JSON.stringify(path.join(library, "dist/evaluator/LlamaGrammarEvaluationState.js"))};`,
      }));
      build.onLoad({ filter: /node-llama-cpp[\\/]dist[\\/]bindings[\\/]getLlama\.js$/ }, async () => ({
        loader: "js",
        contents: (await Bun.file(path.join(import.meta.dir, "embedded-get-llama.js")).text()).replace(
          '"node-llama-cpp/Llama"',
          JSON.stringify(path.join(library, "dist/bindings/Llama.js")),
        ),
      }));
      build.onLoad({ filter: /node-llama-cpp[\\/]dist[\\/]bindings[\\/]utils[\\/]cloneLlamaCppRepo\.js$/ }, () => ({
        loader: "js",
        contents: "export const isLlamaCppRepoCloned = async () => false;",
      }));
      build.onLoad({ filter: /src[\\/]backends[\\/]embedded[\\/]native-files\.ts$/ }, () => ({
        loader: "ts",
        contents: nativeFilesModule(platform),
      }));
    },
  };
}
