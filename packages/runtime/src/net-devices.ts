// Network devices of the host that a container gets (runtime-spec config-linux.md, netDevices). Runs in the parent, once init has its
// namespaces and before the runtime hooks. The kernel takes a device's addresses away when it moves; its permanent global ones come back.
import { closeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Linux } from '@berth/oci/runtime-spec';
import { findLink, moveLink, setLinkDown, setLinkUp } from '@berth/sys/netlink/link';
import { addAddress, type InterfaceAddress, listAddresses } from '@berth/sys/netlink/route';
import { NETLINK_ROUTE, NetlinkSocket } from '@berth/sys/netlink/socket';
import { inNetworkNamespace, openNetworkNamespace } from '@berth/sys/network-namespace';
import type { UndoStack } from './undo.ts';

/** With the terminating zero. */
const IFNAMSIZ = 16;

/** Throws InvalidArgument with runc's wordings. */
export function validateNetDevices(linux: Linux): void {
  const devices = Object.entries(linux.netDevices ?? {});
  if (devices.length === 0) return;
  if (!linux.namespaces?.some(({ type }) => type === 'network')) throw invalid('unable to move network devices without a NET namespace');
  if (process.geteuid?.() !== 0) throw invalid('network devices are not supported for rootless containers');
  const names = devices.map(([name, device]) => device?.name || name);
  for (const name of [...devices.map(([host]) => host), ...names])
    if (!isDeviceName(name)) throw invalid(`invalid network device name ${JSON.stringify(name)}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`two network devices would be named ${JSON.stringify(twice)}`);
}

/**
 * Moves them into the network namespace that a process is in, renamed where asked. `undo` brings them back, by a descriptor that `held`
 * closes: init may be gone by then.
 */
export function moveNetDevices(linux: Linux | undefined, pid: number, undo: UndoStack, held: UndoStack): void {
  const devices = Object.entries(linux?.netDevices ?? {});
  if (devices.length === 0) return;
  const theirs = openNetworkNamespace(pid);
  held.defer(() => closeSync(theirs));
  for (const [name, device] of devices) {
    const newName = device?.name || name;
    const addresses = move(name, newName, theirs);
    undo.defer(() => bringBack(newName, name, addresses, theirs));
  }
}

/** From the caller's namespace into that of a descriptor: down on the way, up at the end. Answers the addresses that it keeps. */
function move(name: string, newName: string, namespace: number, addresses?: InterfaceAddress[]): InterfaceAddress[] {
  using here = new NetlinkSocket(NETLINK_ROUTE);
  const link = findLink(here, name);
  if (!link)
    throw new EngineError('NotFound', `link not found for interface ${name} on runtime namespace: no such network device`, {
      layer: 'runtime',
      details: { field: 'linux.netDevices' },
    });
  // Now: a device that goes down loses its IPv6 addresses.
  const kept = addresses ?? listAddresses(here, link.index).filter(({ permanent, global }) => permanent && global);
  here.transact([setLinkDown(link.index)]);
  // Name and namespace in one request: the new name may be taken where the device is now.
  here.transact([moveLink(link.index, newName, namespace)]);
  using there = inNetworkNamespace(namespace, () => new NetlinkSocket(NETLINK_ROUTE));
  const moved = findLink(there, newName);
  if (moved) there.transact([...kept.map((address) => addAddress(moved.index, address)), setLinkUp(moved.index)]);
  return kept;
}

function bringBack(name: string, oldName: string, addresses: InterfaceAddress[], theirs: number): void {
  const home = openNetworkNamespace(process.pid);
  try {
    inNetworkNamespace(theirs, () => move(name, oldName, home, addresses));
  } finally {
    closeSync(home);
  }
}

function isDeviceName(name: string): boolean {
  return name !== '' && Buffer.byteLength(name) < IFNAMSIZ && name !== '.' && name !== '..' && !/[/:\s]/.test(name);
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', `config.json: linux.netDevices: ${message}`, {
    layer: 'runtime',
    details: { field: 'linux.netDevices' },
  });
}
