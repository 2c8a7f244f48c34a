// Recorded from llama-server 0.5.0 (build 1, commit de3ff81) with the demo model; paths, long settings and most events
// are left out, nothing is changed.

/** `GET /v1/models` of a server with one model, header `Server: llama.cpp`. */
export const MODELS = {
  models: [
    {
      name: "/srv/models/infernet-demo.gguf",
      model: "/srv/models/infernet-demo.gguf",
      digest: "",
      type: "model",
      capabilities: ["completion"],
      details: { format: "gguf", quantization_level: "" },
    },
  ],
  object: "list",
  data: [
    {
      id: "/srv/models/infernet-demo.gguf",
      aliases: ["/srv/models/infernet-demo.gguf"],
      tags: [],
      object: "model",
      created: 1795264372,
      owned_by: "llamacpp",
      meta: {
        vocab_type: 1,
        n_vocab: 512,
        n_ctx: 512,
        n_ctx_train: 512,
        n_embd: 128,
        n_params: 918656,
        size: 979456,
        ftype: "Q8_0",
      },
    },
  ],
};

/** `GET /props`, started with `-np 2 --metrics`. */
export const PROPS = {
  default_generation_settings: { params: { temperature: 0.800000011920929 }, n_ctx: 512 },
  total_slots: 2,
  model_alias: "/srv/models/infernet-demo.gguf",
  model_ftype: "Q8_0",
  model_path: "/srv/models/infernet-demo.gguf",
  modalities: { vision: false, video: false, audio: false },
  endpoint_slots: true,
  endpoint_props: false,
  endpoint_metrics: true,
  chat_template: "{% for m in messages %}…{% endfor %}",
  chat_template_caps: {
    supports_object_arguments: false,
    supports_parallel_tool_calls: false,
    supports_preserve_reasoning: false,
    supports_reasoning_effort: false,
    supports_string_content: true,
    supports_system_role: false,
    supports_tool_calls: false,
    supports_tools: false,
    supports_typed_content: false,
  },
  build_info: "b1-de3ff81",
  is_sleeping: false,
};

/** What a template with tools gives in `chat_template_caps` (Qwen2.5's). */
export const TOOL_CAPS = {
  ...PROPS.chat_template_caps,
  supports_object_arguments: true,
  supports_parallel_tool_calls: true,
  supports_system_role: true,
  supports_tool_calls: true,
  supports_tools: true,
};

export const SLOTS = [
  { id: 0, n_ctx: 512, speculative: false, is_processing: true },
  { id: 1, n_ctx: 512, speculative: false, is_processing: false },
];

export const METRICS = `# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed, excluding cached tokens
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 35
# HELP llamacpp:predicted_tokens_seconds Average generation throughput in tokens/s.
# TYPE llamacpp:predicted_tokens_seconds gauge
llamacpp:predicted_tokens_seconds 2412.55
# HELP llamacpp:requests_processing Number of requests processing.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 2
# HELP llamacpp:requests_deferred Number of requests deferred.
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 1
`;

/** Router mode: `GET /props` without a model, and `GET /v1/models` with one of two models in memory. */
export const ROUTER_PROPS = {
  role: "router",
  max_instances: 2,
  models_autoload: true,
  model_alias: "llama-server",
  model_path: "none",
  default_generation_settings: { params: null, n_ctx: 0 },
  build_info: "b1-de3ff81",
};
const TEXT_ONLY = { input_modalities: ["text"], output_modalities: ["text"] };
const routed = (id: string, value: string) => ({
  id,
  aliases: [],
  tags: [],
  object: "model",
  owned_by: "llamacpp",
  created: 1795264419,
  status: { value, args: ["llama-server", "--port", "41479", "--alias", id], preset: `[${id}]\n` },
  architecture: TEXT_ONLY,
  source: "models_dir",
  can_remove: false,
});
export const ROUTER_MODELS = {
  data: [{ ...routed("demo-a", "loaded"), meta: MODELS.data[0]?.meta }, routed("demo-b", "unloaded")],
  object: "list",
};
export const routerModel = routed;

/** Errors, each with its status. */
export const ERRORS = {
  overflow: [
    400,
    {
      error: {
        code: 400,
        message: "request (2016 tokens) exceeds the available context size (512 tokens), try increasing it",
        type: "exceed_context_size_error",
        n_prompt_tokens: 2016,
        n_ctx: 512,
      },
    },
  ],
  brokenJson: [
    500,
    {
      error: {
        code: 500,
        message:
          "[json.exception.parse_error.101] parse error at line 1, column 10: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal",
        type: "server_error",
      },
    },
  ],
  wrongType: [
    400,
    {
      error: {
        code: 400,
        message: "Field 'temperature': [json.exception.type_error.302] type must be number, but is string",
        type: "invalid_request_error",
      },
    },
  ],
  noMessages: [400, { error: { code: 400, message: "'messages' is required", type: "invalid_request_error" } }],
  tooManyChoices: [
    400,
    {
      error: {
        code: 400,
        message: "Field 'n': Value must be between 1 <= value <= 2, but got 5",
        type: "invalid_request_error",
      },
    },
  ],
  image: [
    500,
    {
      error: {
        code: 500,
        message: "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        type: "server_error",
      },
    },
  ],
  noEmbeddings: [
    501,
    {
      error: {
        code: 501,
        message: "This server does not support embeddings. Start it with `--embeddings`",
        type: "not_supported_error",
      },
    },
  ],
  overBatch: [
    500,
    {
      error: {
        code: 500,
        message:
          "input (2050 tokens) is too large to process. increase the physical batch size (current batch size: 512)",
        type: "server_error",
      },
    },
  ],
  noKey: [401, { error: { message: "Invalid API Key", type: "authentication_error", code: 401 } }],
  noRoute: [404, { error: { message: "File Not Found", type: "not_found_error", code: 404 } }],
  loading: [503, { error: { message: "Loading model", type: "unavailable_error", code: 503 } }],
  routerUnknown: [400, { error: { code: 400, message: "model 'nope' not found", type: "invalid_request_error" } }],
} as const satisfies Record<string, readonly [number, unknown]>;

const chunk = (rest: Record<string, unknown>) => ({
  created: 1795264413,
  id: "chatcmpl-a2ZtndcHSiDd2lhBRMPCnFz7bY43yWPV",
  model: "demo",
  system_fingerprint: "b1-de3ff81",
  object: "chat.completion.chunk",
  ...rest,
});
const choice = (index: number, delta: unknown, finish: string | null = null) =>
  chunk({ choices: [{ finish_reason: finish, index, delta }] });
const usage = (completion: number, prompt: number) =>
  chunk({
    choices: [],
    usage: {
      completion_tokens: completion,
      prompt_tokens: prompt,
      total_tokens: completion + prompt,
      prompt_tokens_details: { cached_tokens: 19 },
    },
    timings: { cache_n: 19, prompt_n: 1, predicted_n: completion },
  });

/** `n: 2`: a usage for each choice, in the middle of the other. */
export const TWO_CHOICES = [
  choice(0, { role: "assistant", content: null }),
  choice(0, { content: "In" }),
  choice(1, { role: "assistant", content: null }),
  choice(1, { content: "In" }),
  choice(0, { content: "fernet" }),
  choice(0, {}, "length"),
  usage(2, 20),
  choice(1, { content: "fernet" }),
  choice(1, {}, "length"),
  usage(2, 20),
];

/** A tool call; its opening brace was part of the request, which had begun it. */
export const TOOL_CALL = [
  choice(0, { role: "assistant", content: null }),
  choice(0, {
    tool_calls: [{ index: 0, id: "8ppvwephR1z1eZ2CtwQ94IMQyV3RkivS", type: "function", function: { name: "g" } }],
  }),
  choice(0, { tool_calls: [{ index: 0, function: { arguments: ' "' } }] }),
  choice(0, { tool_calls: [{ index: 0, function: { arguments: "x" } }] }),
  choice(0, { tool_calls: [{ index: 0, function: { arguments: '"' } }] }),
  choice(0, { tool_calls: [{ index: 0, function: { arguments: "\n                    :" } }] }),
  choice(0, { tool_calls: [{ index: 0, function: { arguments: "true }" } }] }),
  choice(0, {}, "length"),
  usage(60, 198),
];

/** `/v1/completions`, with `logprobs`: in the form of chats, usage on the last chunk. */
export const COMPLETION = [
  {
    choices: [
      {
        text: " is",
        index: 0,
        logprobs: { content: [{ id: 295, token: " is", bytes: [32, 105, 115], logprob: -0.875, top_logprobs: [] }] },
        finish_reason: null,
      },
    ],
    object: "text_completion",
  },
  { choices: [{ text: "?", index: 0, logprobs: null, finish_reason: null }], object: "text_completion" },
  {
    choices: [{ text: "", index: 0, logprobs: null, finish_reason: "length" }],
    object: "text_completion",
    usage: { completion_tokens: 2, prompt_tokens: 4, total_tokens: 6 },
  },
];

/** As a server sends it. */
export const asStream = (events: readonly unknown[]): string[] => [
  ...events.map((event) => `data: ${JSON.stringify(event)}\n\n`),
  "data: [DONE]\n\n",
];
