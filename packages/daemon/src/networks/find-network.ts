// Looking a network up where its absence is no error yet.
import { isKind } from '@berth/errdefs/engine-error';
import type { Network } from '@berth/network/driver';
import type { Networks } from '@berth/network/networks';

export function findNetwork(networks: Networks, reference: string): Network | undefined {
  try {
    return networks.get(reference);
  } catch (error) {
    if (isKind(error, 'NotFound')) return undefined;
    throw error;
  }
}
