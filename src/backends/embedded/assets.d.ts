// Files that are embedded in the executable by path.
declare module "*.gguf" {
  const path: string;
  export default path;
}
