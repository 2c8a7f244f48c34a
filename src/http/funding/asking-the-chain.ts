// Asking the chain: a handler that needs the chain's answer says so where there is none.
import { ChainUnreachable } from "../../solana/chain.ts";
import { errorResponse } from "../errors.ts";

export async function askingTheChain(answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (!(error instanceof ChainUnreachable)) throw error;
    return errorResponse("chain_unreachable", "the chain does not answer now; nothing was changed, try again");
  }
}
