// Text imports of what browsers are served.
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*.svg" {
  const text: string;
  export default text;
}
declare module "*.min.js" {
  const text: string;
  export default text;
}
declare module "*/app.js" {
  const text: string;
  export default text;
}
declare module "*/chart.js" {
  const text: string;
  export default text;
}
declare module "*/open.js" {
  const text: string;
  export default text;
}
declare module "*/key.js" {
  const text: string;
  export default text;
}
declare module "*/check.js" {
  const text: string;
  export default text;
}
declare module "*/playground.js" {
  const text: string;
  export default text;
}
declare module "*/prices.js" {
  const text: string;
  export default text;
}
declare module "*/link.js" {
  const text: string;
  export default text;
}
declare module "*/jobs.js" {
  const text: string;
  export default text;
}
declare module "*/notify.js" {
  const text: string;
  export default text;
}
declare module "*/sw.js" {
  const text: string;
  export default text;
}
declare module "*.png" {
  const path: string;
  export default path;
}
