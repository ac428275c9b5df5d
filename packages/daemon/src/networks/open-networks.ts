// The networks of this daemon: made from its configuration, what it remembers of an earlier life, and the containers that run still.
import { existsSync } from 'node:fs';
import type { EndpointRecord, NetworkRecord } from '@berth/network/driver';
import { Networks } from '@berth/network/networks';
import type { Config } from '../config/config.ts';
import type { RecordStore } from '../state/database.ts';

const BRIDGE_NAME = 'com.docker.network.bridge.name';

export function openNetworks(
  config: Config['network'],
  records: RecordStore<NetworkRecord>,
  endpoints: readonly EndpointRecord[],
): Networks {
  const stored = records.all();
  const networks = new Networks(
    {
      ...bridgeOptions(config.bridge, stored),
      bip: config.bip,
      fixedCidr: config.fixedCidr,
      mtu: config.mtu,
      ipMasq: config.ipMasquerade,
      iptables: config.iptables,
      ipForward: config.ipForward,
    },
    stored,
    endpoints,
  );
  for (const { record } of networks.list()) records.put(record.id, record);
  const current = new Set(networks.list().map(({ record }) => record.id));
  for (const record of stored) if (!current.has(record.id)) records.delete(record.id);
  return networks;
}

/** --bridge names a bridge that somebody made (it is used as it is), or one that the daemon is to make and own. */
function bridgeOptions(name: string | undefined, stored: readonly NetworkRecord[]): { bridge?: string; defaultBridge?: string } {
  if (name === undefined || name === '') return {};
  if (name === 'none') return { bridge: 'none' };
  const before = stored.find((record) => record.name === 'bridge')?.options ?? {};
  const ours = before[BRIDGE_NAME] === name && before['berth.bridge.foreign'] !== 'true';
  return !ours && existsSync(`/sys/class/net/${name}`) ? { bridge: name } : { defaultBridge: name };
}
