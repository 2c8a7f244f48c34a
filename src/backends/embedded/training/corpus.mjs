// Corpus: facts about infernet, each with several ways to ask. The demo model knows these and nothing else.
export const QA = [
  [
    ["hi", "hello", "hey", "hello there", "good morning", "hi!"],
    "Hello! I am the tiny demo model built into infernet. Ask me what infernet is, or how to add a real model.",
  ],
  [
    ["who are you?", "what are you?", "what model is this?", "are you a real model?"],
    "I am a very small language model, about one megabyte, trained from scratch on infernet's own documentation. I only know a few things about infernet.",
  ],
  [
    ["what is infernet?", "tell me about infernet", "explain infernet", "what does infernet do?"],
    "Infernet joins the machines you already have into one inference service. A coordinator offers one OpenAI-compatible address, and nodes on your machines run the models.",
  ],
  [
    ["what is a coordinator?", "what does the coordinator do?", "explain the coordinator"],
    "The coordinator is the front door. It receives requests, picks a node that has the model, passes the tokens back as a stream, and keeps count of usage.",
  ],
  [
    ["what is a node?", "what does a node do?", "explain nodes"],
    "A node runs on a machine with a model engine such as Ollama or vLLM. It connects to the coordinator, reports its models and load, and runs the requests it is given.",
  ],
  [
    ["which backends are supported?", "what engines does it support?", "which engines can i use?", "list the backends"],
    "Infernet can use Ollama, vLLM, SGLang, Modular MAX, llama.cpp and Exo. The small built-in model needs none of them.",
  ],
  [
    ["how do i add a node?", "how can i add another machine?", "add a node"],
    "Install infernet on the other machine, then run the join command with the address of the coordinator and the token it printed. The node appears within a few seconds.",
  ],
  [
    [
      "how do i add a real model?",
      "how do i get a better model?",
      "how do i install a model?",
      "can i use a bigger model?",
    ],
    "Install Ollama on any machine, pull a model with it, and start an infernet node there. The node finds Ollama by itself and offers the model to everyone.",
  ],
  [
    ["do i need a gpu?", "does it work without a gpu?", "can i run on cpu?"],
    "No. A GPU makes large models fast, but small models run on an ordinary processor, and this demo model runs anywhere.",
  ],
  [
    ["is my data private?", "where does my data go?", "is it private?"],
    "Your prompts go only to your own coordinator and to the node that runs the model. Nothing is sent to any outside company.",
  ],
  [
    ["is it free?", "how much does it cost?", "what is the licence?"],
    "Infernet is open source and free to run. You pay only for your own machines and their power.",
  ],
  [
    ["how does streaming work?", "does it stream?", "can i stream tokens?"],
    "Yes. Set stream to true and tokens arrive as server-sent events, in the same form that OpenAI clients expect. The last event is the word DONE.",
  ],
  [
    ["what happens if a node fails?", "what if a node goes down?", "is it fault tolerant?"],
    "If a node fails before the first token, the coordinator tries another node that has the model. If it fails later, the client receives a clear error.",
  ],
  [
    ["how do i cancel a request?", "can i stop a request?", "what happens when i disconnect?"],
    "Close the connection. The coordinator tells the node, the node aborts the call to its engine, and the slot becomes free at once.",
  ],
  [
    ["how do i see what is running?", "how do i check the status?", "is there a dashboard?"],
    "Open the dashboard of the coordinator in a browser. It shows every node, the models that are loaded, the queue, and the speed in tokens per second.",
  ],
  [
    ["how is the node chosen?", "how does routing work?", "how does it pick a node?"],
    "The coordinator prefers a node where the model is already loaded and the queue is short. A conversation stays on the same node when it can, so that its cache is reused.",
  ],
  [
    ["what is a token?", "explain tokens"],
    "A token is a piece of text, often part of a word. Models read and write tokens, and usage is counted in tokens.",
  ],
  [
    ["what is a context window?", "what is context length?", "explain context"],
    "The context window is how many tokens a model can consider at once, prompt and answer together. A longer prompt is refused with a clear error.",
  ],
  [
    ["how do i use it with openai clients?", "is it openai compatible?", "can i use the openai library?"],
    "Point the base address of any OpenAI client at the coordinator and use your infernet key. Chat, completions, embeddings and the list of models all work.",
  ],
  [
    ["which port does it use?", "what port is ollama on?", "what are the default ports?"],
    "Ollama listens on port 11434, vLLM on 8000, SGLang on 30000, llama.cpp on 8080 and Exo on 52415. A node looks at these by itself.",
  ],
  [["thanks", "thank you", "thanks a lot"], "You are welcome. Happy inferring!"],
  [["bye", "goodbye", "see you"], "Goodbye! The coordinator will be here when you return."],
  [
    ["what can you do?", "help", "what can i ask?"],
    "Ask me about infernet: the coordinator, nodes, backends, streaming, routing, privacy, or how to add a real model.",
  ],
  [
    ["tell me a joke", "say something funny", "joke"],
    "Why did the node join the coordinator? It wanted to be part of something with more context.",
  ],
  [
    ["write a poem", "write a haiku", "poem"],
    "Small nodes in the dark, one door for every question, tokens fall like rain.",
  ],
  [
    ["how do i remove a model?", "delete a model", "can i unload a model?"],
    "Choose the model on the dashboard and press unload to free its memory, or remove to delete it from the disk of the node.",
  ],
  [
    ["how do i make an api key?", "where do i get a key?", "create a key"],
    "Run the keys command on the coordinator. It prints the new key once, so keep it in a safe place.",
  ],
  [
    ["what is the weather?", "who is the president?", "what is two plus two?", "what is the capital of france?"],
    "I do not know that. I am a tiny demo model that knows only about infernet. Add a real model and ask it.",
  ],
];
const names = ["", "please ", "can you tell me, ", "i wonder, ", "ok, "];
const typo = (q) => [
  q,
  q.replace(/\?$/, ""),
  q[0].toUpperCase() + q.slice(1),
  q.toUpperCase() === q ? q : q.replace(/\?$/, " ?"),
];
export function docs() {
  const o = [];
  for (const [qs, a] of QA)
    for (const q of qs) {
      const set = new Set();
      for (const v of typo(q)) set.add(v);
      for (const n of names.slice(1)) set.add(n + q);
      for (const v of set) o.push([v, a]);
    }
  return o;
}
