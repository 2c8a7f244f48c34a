// What drizzle-kit reads when build/migrations.ts writes the next migration; paths are relative to the repository.
import { defineConfig } from "drizzle-kit";

export default defineConfig({ dialect: "sqlite", schema: "./src/*/schema.ts", out: "./migrations" });
