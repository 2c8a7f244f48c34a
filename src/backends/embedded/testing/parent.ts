// Parent: a process that starts the engine, prints its process id and waits to be killed. The engine inherits the pipe
// of standard output here, so that a test sees it end.
const child = Bun.spawn(process.argv.slice(2), {
  stdin: "ignore",
  stdout: "inherit",
  stderr: "inherit",
  ipc: () => void process.stdout.write(`${child.pid}\n`),
});
await child.exited;

export {};
