// Instructions: what this house asks of the chain's programs, as plain data. Keys come in only when signing.

import { AccountRole, createNoopSigner, type IInstruction } from "@solana/web3.js";
import {
  findAddressLookupTablePda,
  getCloseLookupTableInstruction,
  getCreateLookupTableInstruction,
  getDeactivateLookupTableInstruction,
  getExtendLookupTableInstruction,
} from "@solana-program/address-lookup-table";
import { getAddMemoInstruction } from "@solana-program/memo";
import {
  getCreateAccountInstruction,
  getCreateAccountWithSeedInstruction,
  getTransferSolWithSeedInstruction,
  SYSTEM_PROGRAM_ADDRESS,
} from "@solana-program/system";
import {
  getApproveCheckedInstruction,
  getCloseAccountInstruction,
  getCreateAssociatedTokenIdempotentInstruction,
  getInitializeAccount3Instruction,
  getMultisigSize,
  getRevokeInstruction,
  getTokenSize,
  getTransferCheckedInstruction,
  TOKEN_PROGRAM_ADDRESS,
} from "@solana-program/token";
import type { Address, Instruction, Instructions } from "./chain.ts";
import { markerAddress, tokenAccountOf } from "./derived-addresses.ts";
import { readInstruction } from "./read-instruction.ts";

/** Base units of the mint are µ$: six places. */
export const DECIMALS = 6;
/** Token instruction 19: InitializeMultisig2. The generated client has only the older one, which wants the rent sysvar. */
const INITIALIZE_MULTISIG_2 = 19;

/** Builders for a mint of six decimals. */
export function createInstructions(mint: Address): Instructions {
  return {
    transfer({ source, destination, authority, amount, references = [], multisigSigners = [] }) {
      const isMultisig = multisigSigners.length > 0;
      const instruction = plain(
        getTransferCheckedInstruction({
          ...{ source, mint, destination, amount, decimals: DECIMALS },
          authority: isMultisig ? authority : signs(authority),
          multiSigners: multisigSigners.map(signs),
        }),
      );
      const riding = references.map((address) => ({ address, signer: false, writable: false }));
      return { ...instruction, accounts: [...instruction.accounts, ...riding] };
    },
    approve: ({ source, owner, delegate, amount }) =>
      plain(getApproveCheckedInstruction({ source, mint, delegate, owner: signs(owner), amount, decimals: DECIMALS })),
    revoke: ({ source, owner }) => plain(getRevokeInstruction({ source, owner: signs(owner) })),
    memo: (text, signers = []) => plain(getAddMemoInstruction({ memo: text, signers: signers.map(signs) })),
    async createTokenAccount({ payer, owner }) {
      const ata = await tokenAccountOf(mint, owner);
      return plain(getCreateAssociatedTokenIdempotentInstruction({ payer: signs(payer), ata, mint, owner }));
    },
    openTokenAccount: ({ payer, account, owner, lamports }) => [
      createAccount(payer, account, lamports, getTokenSize()),
      plain(getInitializeAccount3Instruction({ account, mint, owner })),
    ],
    closeTokenAccount: ({ account, owner, destination }) =>
      plain(getCloseAccountInstruction({ account, owner: signs(owner), destination })),
    async createMarker({ payer, base, seed, lamports }) {
      const newAccount = await markerAddress(base, seed);
      return plain(
        getCreateAccountWithSeedInstruction({
          ...{ payer: signs(payer), newAccount, base, baseAccount: signs(base), seed },
          ...{ amount: lamports, space: 0n, programAddress: SYSTEM_PROGRAM_ADDRESS },
        }),
      );
    },
    async reclaimMarker({ base, seed, lamports, destination }) {
      const source = await markerAddress(base, seed);
      return plain(
        getTransferSolWithSeedInstruction({
          ...{ source, baseAccount: signs(base), destination, amount: lamports },
          ...{ fromSeed: seed, fromOwner: SYSTEM_PROGRAM_ADDRESS },
        }),
      );
    },
    createMultisig: ({ payer, account, required, signers, lamports }) => [
      createAccount(payer, account, lamports, getMultisigSize()),
      initializeMultisig(account, required, signers),
    ],
    async createLookupTable({ payer, authority, recentSlot }) {
      const table = await findAddressLookupTablePda({ authority, recentSlot });
      const built = getCreateLookupTableInstruction({
        ...{ address: table, authority: signs(authority), payer: signs(payer), recentSlot },
      });
      return { instruction: plain(built), address: table[0] };
    },
    extendLookupTable: ({ table, payer, authority, addresses }) =>
      plain(
        getExtendLookupTableInstruction({
          ...{ address: table, authority: signs(authority), payer: signs(payer), addresses: [...addresses] },
        }),
      ),
    deactivateLookupTable: ({ table, authority }) =>
      plain(getDeactivateLookupTableInstruction({ address: table, authority: signs(authority) })),
    closeLookupTable: ({ table, authority, destination }) =>
      plain(getCloseLookupTableInstruction({ address: table, authority: signs(authority), recipient: destination })),
    read: readInstruction,
  };
}

/** Says that the address must sign; with which key is said when signing. */
const signs = (address: Address) => createNoopSigner(address);

function plain({ programAddress, accounts = [], data = new Uint8Array() }: IInstruction): Instruction {
  return {
    program: programAddress,
    accounts: accounts.map(({ address, role }) => ({
      address,
      signer: role === AccountRole.READONLY_SIGNER || role === AccountRole.WRITABLE_SIGNER,
      writable: role === AccountRole.WRITABLE || role === AccountRole.WRITABLE_SIGNER,
    })),
    data: new Uint8Array(data),
  };
}

const createAccount = (payer: Address, account: Address, lamports: bigint, bytes: number): Instruction =>
  plain(
    getCreateAccountInstruction({
      ...{ payer: signs(payer), newAccount: signs(account), lamports },
      ...{ space: BigInt(bytes), programAddress: TOKEN_PROGRAM_ADDRESS },
    }),
  );

const initializeMultisig = (account: Address, required: number, signers: readonly Address[]): Instruction => ({
  program: TOKEN_PROGRAM_ADDRESS,
  accounts: [
    { address: account, signer: false, writable: true },
    ...signers.map((address) => ({ address, signer: false, writable: false })),
  ],
  data: new Uint8Array([INITIALIZE_MULTISIG_2, required]),
});
