// Once: kept in lib, where all rooms reach it.
export { once } from "../lib/once.ts";
