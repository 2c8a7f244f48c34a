// The checker plugin: puts the script that verifies receipts in a browser into the executable, which has no sources to
// make it from. It is made before the build: one inside another never ends.
import type { BunPlugin } from "bun";
import { checkerBundle } from "../../web/checker/bundle.ts";

export async function checkerPlugin(): Promise<BunPlugin> {
  const script = JSON.stringify(await checkerBundle());
  return {
    name: "checker",
    setup(build) {
      build.onLoad({ filter: /web[\\/]checker[\\/]bundle\.ts$/ }, () => ({
        loader: "js",
        contents: `const script = ${script};\nexport const checkerBundle = async () => script;`,
      }));
    },
  };
}
