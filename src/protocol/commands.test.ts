import { expect, test } from "bun:test";
import { modelNameSchema } from "./commands.ts";

const isName = (name: string): boolean => modelNameSchema.safeParse(name).success;

test.each([
  "llama3.2:1b",
  "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M",
  "registry.local:5000/team/model:latest",
  "org/m@sha256-0a1b",
  "m",
])("%j is a model's name", (name) => {
  expect(isName(name)).toBe(true);
});

test.each([
  "../../x",
  "/etc/passwd",
  "a/../b",
  ".hidden",
  "-x",
  "a b",
  "a\nb",
  "m\n",
  "C:/models/x",
  "C:\\models",
  "file:///etc/passwd",
  "https://elsewhere.example/x",
  "a//b",
  "a%2e%2e/b",
  "",
  "x".repeat(257),
])("%j is none", (name) => {
  expect(isName(name)).toBe(false);
});
