// The Linux bridge that a network stands on: made when it is missing, given its gateway addresses, taken as it is when it is the
// user's own (`--bridge`).
import { EngineError } from '@berth/errdefs/engine-error';
import { createBridge, deleteLink, findLink, type Link, setLinkUp } from '@berth/sys/netlink/link';
import { addAddress, type InterfaceAddress, listAddresses, removeAddress } from '@berth/sys/netlink/route';
import type { NetlinkSocket } from '@berth/sys/netlink/socket';
import { type IpAddress, ipBytes, ipOfBytes } from './ip.ts';
import { randomMac } from './mac.ts';

/** An address with the length of its subnet's prefix. */
export interface GatewayAddress {
  address: IpAddress;
  prefixLength: number;
}

/** Makes the bridge, or takes the one of that name over, with exactly these IPv4 addresses and at least these IPv6 ones. */
export function ensureBridge(route: NetlinkSocket, name: string, gateways: readonly GatewayAddress[], mtu: number): Link {
  if (!/^[^/\s:]{1,15}$/.test(name)) {
    throw new EngineError('InvalidArgument', `invalid bridge name "${name}": an interface's name has 1 to 15 characters`, {
      layer: 'network',
    });
  }
  let link = findLink(route, name);
  if (!link) {
    route.transact([createBridge(name, { macAddress: randomMac(), mtu })]);
    link = findLink(route, name);
  }
  if (link?.kind !== 'bridge') {
    throw new EngineError('FailedPrecondition', `interface ${name} exists and is not a bridge; choose another with --bridge`, {
      layer: 'network',
    });
  }
  const { index } = link;
  const wanted = gateways.map(({ address, prefixLength }) => ({ address: ipBytes(address), prefixLength }));
  const stale = listAddresses(route, index).filter((has) => has.address.length === 4 && !wanted.some((want) => same(want, has)));
  route.transact([
    ...stale.map((address) => removeAddress(index, address)),
    ...wanted.map((address) => addAddress(index, address)),
    ...(link.up ? [] : [setLinkUp(index)]),
  ]);
  return link;
}

export function removeBridge(route: NetlinkSocket, name: string): void {
  route.transact([{ ...deleteLink(name), tolerate: ['ENODEV'] }]);
}

/** The IPv4 address of a bridge that exists, or undefined. */
export function bridgeAddress(route: NetlinkSocket, name: string): GatewayAddress | undefined {
  const link = findLink(route, name);
  const found = link && listAddresses(route, link.index).find(({ address }) => address.length === 4);
  return found && { address: ipOfBytes(found.address), prefixLength: found.prefixLength };
}

function same(a: InterfaceAddress, b: InterfaceAddress): boolean {
  return a.prefixLength === b.prefixLength && Buffer.compare(a.address, b.address) === 0;
}
