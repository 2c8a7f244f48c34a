// Migrations: writes the next migration from the schemas (drizzle-kit) and the list that embeds them all.
// `bun build/migrations.ts [NAME]`
import { readdirSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dir, "..");
const folder = path.join(root, "migrations");

const [name] = process.argv.slice(2);
const command = ["bunx", "drizzle-kit", "generate", "--config", "build/drizzle.config.ts"];
if (name !== undefined) command.push("--name", name);
const kit = Bun.spawn(command, { cwd: root, stdio: ["inherit", "inherit", "inherit"] });
if ((await kit.exited) !== 0) process.exit(1);

const files = readdirSync(folder)
  .filter((file) => file.endsWith(".sql"))
  .sort();
const imports = files.map((file, i) => `import sql${i} from "./${file}" with { type: "text" };`);
const rows = files.map(
  (file, i) => `  { n: ${Number(file.slice(0, 4))}, name: "${path.basename(file, ".sql")}", sql: sql${i} },`,
);
await Bun.write(
  path.join(folder, "index.ts"),
  `// Written by build/migrations.ts: the migrations, in order, as they are embedded in the executable.
import type { Migration } from "../src/db/migrate.ts";
${imports.join("\n")}

export const migrations: readonly Migration[] = [
${rows.join("\n")}
];
`,
);
console.log(`migrations/index.ts lists ${files.length}`);
