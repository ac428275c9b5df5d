// nftables' transactions: everything between a begin and an end marker takes effect at once or not at all, so a table can be
// thrown away and built anew without a packet seeing it half done (linux/netfilter/nfnetlink.h, nf_tables.h).
import { type Attribute, attribute, be32, concat, nested, text } from '../netlink/codec.ts';
import { type NetlinkSocket, NLM_F_APPEND, NLM_F_CREATE, type Request } from '../netlink/socket.ts';
import type { Expression } from './expression.ts';

const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_NEWSET = 9;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;
const NFT_SET_MAP = 0x8;
const NFTA_DATA_VALUE = 1;

/** The address families of tables; the values are the kernel's NFPROTO_*. */
export const FAMILY_IP = 2;
export const FAMILY_IP6 = 10;
export type Family = typeof FAMILY_IP | typeof FAMILY_IP6;

const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

export interface BaseChain {
  name: string;
  type: 'nat' | 'filter';
  hook: keyof typeof HOOKS;
  /** Lower runs earlier: -100 is destination NAT's, 0 filtering's, 100 source NAT's. */
  priority: number;
}

/** Data types by nft's own numbers, so that `nft list` prints addresses and ports rather than bytes. */
const TYPES = {
  ipv4_addr: { id: 7, length: 4 },
  ipv6_addr: { id: 8, length: 16 },
  inet_proto: { id: 12, length: 1 },
  inet_service: { id: 13, length: 2 },
};
export type DataType = keyof typeof TYPES;

export interface MapElement {
  key: Uint8Array;
  /** May be left out where the element is removed. */
  data?: Uint8Array;
}

/** Changes of one table, gathered in order; `commit` has the kernel take all of them or none. */
export class NftBatch {
  readonly #family: Family;
  readonly #table: string;
  readonly #requests: Request[] = [];
  #sets = 0;

  constructor(family: Family, table: string) {
    this.#family = family;
    this.#table = table;
  }

  /** Empties the table in the same transaction that fills it: create, delete, create is nft's idiom for "replace". */
  replaceTable(): this {
    this.#add(NFT_MSG_NEWTABLE, NLM_F_CREATE, [text(1, this.#table)], 'create table');
    this.#add(NFT_MSG_DELTABLE, 0, [text(1, this.#table)], 'delete table');
    return this.#add(NFT_MSG_NEWTABLE, NLM_F_CREATE, [text(1, this.#table)], 'create table');
  }

  /** Removes the table and all in it, also when there is none. */
  removeTable(): this {
    this.#add(NFT_MSG_NEWTABLE, NLM_F_CREATE, [text(1, this.#table)], 'create table');
    return this.#add(NFT_MSG_DELTABLE, 0, [text(1, this.#table)], 'delete table');
  }

  addChain(chain: BaseChain): this {
    const attributes = [
      text(1, this.#table),
      text(3, chain.name),
      nested(4, be32(1, HOOKS[chain.hook]), be32(2, chain.priority)),
      text(7, chain.type),
    ];
    return this.#add(NFT_MSG_NEWCHAIN, NLM_F_CREATE, attributes, `create chain ${chain.name}`);
  }

  /** A map from a concatenation of values to another; each value fills whole registers of four bytes. */
  addMap(name: string, key: readonly DataType[], data: readonly DataType[]): this {
    const id = ++this.#sets;
    const attributes = [
      text(1, this.#table),
      text(2, name),
      be32(3, NFT_SET_MAP),
      be32(4, typeId(key)),
      be32(5, paddedLength(key)),
      be32(6, typeId(data)),
      be32(7, paddedLength(data)),
      be32(10, id),
    ];
    return this.#add(NFT_MSG_NEWSET, NLM_F_CREATE, attributes, `create map ${name}`);
  }

  addRule(chain: string, ...expressions: (Expression | Expression[])[]): this {
    const attributes = [text(1, this.#table), text(2, chain), nested(4, ...expressions.flat())];
    return this.#add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, attributes, `add rule to ${chain}`);
  }

  addElements(map: string, elements: readonly MapElement[]): this {
    if (elements.length === 0) return this;
    return this.#add(NFT_MSG_NEWSETELEM, NLM_F_CREATE, this.#elements(map, elements), `add ${elements.length} elements to ${map}`);
  }

  /** Fails as a whole (ENOENT) when one of them is not there. */
  removeElements(map: string, elements: readonly MapElement[]): this {
    if (elements.length === 0) return this;
    return this.#add(NFT_MSG_DELSETELEM, 0, this.#elements(map, elements), `remove ${elements.length} elements of ${map}`);
  }

  get empty(): boolean {
    return this.#requests.length === 0;
  }

  /** Sends the transaction; throws the first refusal, upon which nothing of it has taken effect. */
  commit(socket: NetlinkSocket): void {
    if (this.empty) return;
    socket.transact([marker(NFNL_MSG_BATCH_BEGIN), ...this.#requests, marker(NFNL_MSG_BATCH_END)]);
  }

  #elements(map: string, elements: readonly MapElement[]): Attribute[] {
    const list = elements.map(({ key, data }) =>
      nested(1, nested(1, attribute(NFTA_DATA_VALUE, key)), ...(data ? [nested(2, attribute(NFTA_DATA_VALUE, data))] : [])),
    );
    return [text(1, this.#table), text(2, map), nested(3, ...list)];
  }

  #add(message: number, flags: number, attributes: Attribute[], what: string): this {
    const type = (NFNL_SUBSYS_NFTABLES << 8) | message;
    const payload = concat([Uint8Array.of(this.#family, 0, 0, 0), ...attributes]);
    this.#requests.push({ type, flags, payload, what: `${what} (table ${this.#table})` });
    return this;
  }
}

/** struct nfgenmsg of a marker: the subsystem it is for, big-endian, where a table's messages have a resource id of 0. */
function marker(type: number): Request {
  return { type, flags: 0, payload: Uint8Array.of(0, 0, 0, NFNL_SUBSYS_NFTABLES), what: 'commit transaction', acknowledged: false };
}

/** nft packs the types of a concatenation six bits each. */
function typeId(types: readonly DataType[]): number {
  return types.reduce((id, type) => (id << 6) | TYPES[type].id, 0);
}

function paddedLength(types: readonly DataType[]): number {
  return types.reduce((length, type) => length + ((TYPES[type].length + 3) & ~3), 0);
}

/** Values one after another, each padded to whole registers: a key or the data of a map with a concatenated type. */
export function registers(...values: Uint8Array[]): Uint8Array {
  return concat(
    values.map((bytes) => {
      const padded = new Uint8Array((bytes.length + 3) & ~3);
      padded.set(bytes);
      return padded;
    }),
  );
}
