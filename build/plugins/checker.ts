// The checker plugin: puts the script that verifies receipts in a browser into the executable, which has no sources to
// make it from.
import type { BunPlugin } from "bun";
import { checkerBundle } from "../../web/checker/bundle.ts";

export const checkerPlugin: BunPlugin = {
  name: "checker",
  setup(build) {
    build.onLoad({ filter: /web[\\/]checker[\\/]bundle\.ts$/ }, async () => ({
      loader: "js",
      contents: `const script = ${JSON.stringify(await checkerBundle())};\nexport const checkerBundle = async () => script;`,
    }));
  },
};
