// Engine entry: starts the engine process in tests, where there is no executable.
import { runEngineChild } from "../engine-child.ts";

await runEngineChild();
