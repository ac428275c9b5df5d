// nftables' expressions: the instructions that a rule is made of, working on registers of four bytes each
// (linux/netfilter/nf_tables.h; `nft --debug=netlink` prints the same names). Numbers in attributes are big-endian.
import { type Attribute, attribute, be32, nested, text } from '../netlink/codec.ts';

/** One instruction of a rule. */
export type Expression = Attribute;

/** The n-th register of four bytes; values that are looked up together lie in consecutive ones, each padded to four bytes. */
export type Register = number;
const NFT_REG32_00 = 8;
const NFT_REG_VERDICT = 0;

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;

function expression(name: string, ...attributes: Attribute[]): Expression {
  return nested(NFTA_LIST_ELEM, text(NFTA_EXPR_NAME, name), nested(NFTA_EXPR_DATA, ...attributes));
}

function register(type: number, n: Register): Attribute {
  return be32(type, NFT_REG32_00 + n);
}

function value(type: number, bytes: Uint8Array): Attribute {
  return nested(type, attribute(NFTA_DATA_VALUE, bytes));
}

const META_KEYS = { iifname: 6, oifname: 7, l4proto: 16 } as const;

/** Loads a fact about the packet beside its bytes. */
export function meta(key: keyof typeof META_KEYS, to: Register): Expression {
  return expression('meta', register(1, to), be32(2, META_KEYS[key]));
}

/** Loads a constant. */
export function load(bytes: Uint8Array, to: Register): Expression {
  return expression('immediate', register(1, to), value(2, bytes));
}

const PAYLOAD_BASES = { network: 1, transport: 2 } as const;

/** Loads bytes of the packet, counted from the start of its network or transport header. */
export function payload(base: keyof typeof PAYLOAD_BASES, offset: number, length: number, to: Register): Expression {
  return expression('payload', register(1, to), be32(2, PAYLOAD_BASES[base]), be32(3, offset), be32(4, length));
}

const COMPARISONS = { '==': 0, '!=': 1 } as const;

/** Goes on to the next rule unless the comparison holds. */
export function compare(from: Register, operator: keyof typeof COMPARISONS, bytes: Uint8Array): Expression {
  return expression('cmp', register(1, from), be32(2, COMPARISONS[operator]), value(3, bytes));
}

/** Ands a register with a mask, in place. */
export function mask(at: Register, bits: Uint8Array): Expression {
  return expression(
    'bitwise',
    register(1, at),
    register(2, at),
    be32(3, bits.length),
    value(4, bits),
    value(5, new Uint8Array(bits.length)),
  );
}

const CT_KEYS = { state: 0, status: 2 } as const;
/** Bits of connection tracking, in the machine's byte order. */
export const CT_STATE_ESTABLISHED = 2;
export const CT_STATE_RELATED = 4;
export const CT_STATUS_DNAT = 32;

/** Goes on to the next rule unless the connection has one of the bits. */
export function connection(key: keyof typeof CT_KEYS, bits: number, scratch: Register): Expression[] {
  const wanted = Uint8Array.of(bits, 0, 0, 0);
  return [expression('ct', register(1, scratch), be32(2, CT_KEYS[key])), mask(scratch, wanted), compare(scratch, '!=', new Uint8Array(4))];
}

const FIB_RESULT_ADDRTYPE = 3;
const FIB_F_DADDR = 2;
const RTN_LOCAL = 2;

/** Goes on to the next rule unless the packet is for an address of this machine. */
export function destinationIsLocal(scratch: Register): Expression[] {
  return [
    expression('fib', register(1, scratch), be32(2, FIB_RESULT_ADDRTYPE), be32(3, FIB_F_DADDR)),
    compare(scratch, '==', Uint8Array.of(RTN_LOCAL, 0, 0, 0)),
  ];
}

/** Looks the key that starts at `from` up in a map and loads what it finds; goes on to the next rule when it finds nothing. */
export function lookup(map: string, from: Register, to: Register): Expression {
  return expression('lookup', text(1, map), register(2, from), register(3, to));
}

const NAT_DNAT = 1;
const NAT_RANGE_ADDRESS_AND_PORT = 3;

/** Redirects the connection to the address and port in registers. */
export function destinationNat(family: number, address: Register, port: Register): Expression {
  return expression(
    'nat',
    be32(1, NAT_DNAT),
    be32(2, family),
    register(3, address),
    register(4, address),
    register(5, port),
    register(6, port),
    be32(7, NAT_RANGE_ADDRESS_AND_PORT),
  );
}

/** Gives the connection the address of the interface it leaves by. */
export function masquerade(): Expression {
  return expression('masq');
}

const VERDICTS = { drop: 0, accept: 1, return: -5 } as const;

/** Ends the rule: the packet is dropped or accepted by this chain, or goes back to the calling one. */
export function verdict(name: keyof typeof VERDICTS): Expression {
  return expression('immediate', be32(1, NFT_REG_VERDICT), nested(2, nested(NFTA_DATA_VERDICT, be32(1, VERDICTS[name]))));
}

/** An interface's name as registers hold it: 16 bytes, padded with NUL. */
export function interfaceName(name: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(new TextEncoder().encode(name).subarray(0, 15));
  return bytes;
}
