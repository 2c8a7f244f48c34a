// Bundle: the worker that verifies receipts in a browser, as one script. The executable has it inside: the build swaps this
// file for one that holds the script (build/plugins/checker.ts). From source it is made when it is first asked for.
import path from "node:path";

const here = import.meta.dir;

/** The script's text. */
export async function checkerBundle(): Promise<string> {
  const built = await Bun.build({
    entrypoints: [path.join(here, "worker.ts")],
    target: "browser",
    format: "iife",
    minify: true,
    plugins: [
      {
        name: "browser-crypto",
        setup(build) {
          build.onResolve({ filter: /^node:crypto$/ }, () => ({ path: path.join(here, "crypto.ts") }));
        },
      },
    ],
  });
  const [script] = built.outputs;
  if (!script) throw new Error("the script that checks receipts was not built");
  return await script.text();
}
