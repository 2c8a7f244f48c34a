// Takes the place of node-llama-cpp's dist/bindings/getLlama.js inside the executable: no search for binaries, no
// compiling, no test in a forked process (the engine is a child process already). Loads the one addon that was
// extracted beside its libraries; the folder comes in the environment, set by the engine before the first import.
import { createRequire } from "node:module";
import path from "node:path";
import { Llama } from "node-llama-cpp/Llama";

export const getLlamaFunctionName = "getLlama";

export async function getLlama({ logLevel, logger, maxThreads }) {
  const folder = process.env.INFERNET_ENGINE_LIBRARIES;
  if (!folder) throw new Error("INFERNET_ENGINE_LIBRARIES is not set");
  const bindingPath = path.join(folder, "llama-addon.node");
  return await Llama._create({
    bindings: createRequire(bindingPath)(bindingPath),
    bindingPath,
    buildType: "prebuilt",
    buildMetadata: {
      buildOptions: {
        customCmakeOptions: new Map(),
        gpu: false,
        llamaCpp: { repo: "ggml-org/llama.cpp", release: "" },
      },
    },
    logLevel,
    logger,
    maxThreads,
    vramPadding: 0,
    ramPadding: 0,
    debug: false,
    tempDir: false,
  });
}

export const getLlamaForOptions = getLlama;
