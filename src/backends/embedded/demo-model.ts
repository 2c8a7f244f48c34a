// Demo model: the small language model inside every executable, trained on text about infernet (see training/). Its
// figures are constants, so that listing it needs neither the engine nor the file.
import demoPath from "./demo/infernet-demo.gguf" with { type: "file" };

export const DEMO_MODEL = {
  name: "infernet-demo",
  contextLength: 512,
  quantization: "Q8_0",
  bytes: 993664,
  tasks: ["chat", "completion", "embedding"],
  features: ["json", "logprobs"],
  sha256: "71cd77a43d15274e379c6e753c299f444c069188e0fa8b9825b16bc3a0ba068c",
} as const;

/** Where the file is: on disk in development, inside the executable otherwise. */
export const demoModelSource: string = demoPath;
