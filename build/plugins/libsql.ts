// The libsql plugin: embeds the native SQLite addon in the executable. Both entries of `libsql` build the name of the
// addon's package at run time, which no bundler can follow; here that one require becomes a static one.
import { existsSync } from "node:fs";
import path from "node:path";
import type { BunPlugin } from "bun";

const modules = path.resolve(import.meta.dir, "../../node_modules");

const DYNAMIC_REQUIRE = `require(\`@libsql/\${target}\`)`;

/** `addon` is a package that holds `index.node`, e.g. "@libsql/linux-x64-gnu". Throws when libsql's source changed. */
export function libsqlPlugin(addon: string): BunPlugin {
  return {
    name: "libsql",
    setup(build) {
      if (!existsSync(path.join(modules, addon, "index.node"))) {
        throw new Error(
          `${addon} is not installed: \`bun install --cpu='*' --os='*'\` brings other platforms' libraries`,
        );
      }
      build.onLoad({ filter: /node_modules[\\/]libsql[\\/](index|promise)\.js$/ }, async ({ path }) => {
        const source = await Bun.file(path).text();
        if (!source.includes(DYNAMIC_REQUIRE)) throw new Error(`${path}: the dynamic require of the addon is gone`);
        const contents = source.replace(DYNAMIC_REQUIRE, `require(${JSON.stringify(`${addon}/index.node`)})`);
        return { contents, loader: "js" };
      });
    },
  };
}
