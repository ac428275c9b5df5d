// Has the lifecycle service transfer an image. A service that knows no transfers, or not where to, is helped by hand.
import { isKind } from '@berth/errdefs/engine-error';
import { type RegistryTransfer as Transfer, transferWithRegistry } from '@berth/lifecycle/client/transfer-images';
import type { HostSource } from '@berth/oci/registry/host';
import type { Progress } from '@berth/rpc/gen/containerd/types/transfer/progress';
import type { TransferTerms } from '@berth/rpc/transfer-terms';
import type { ImageServices } from './image-services.ts';
import { transferByHand } from './transfer-by-hand.ts';

export type RegistryTransfer = Transfer & {
  hostDirectory: string;
  terms: TransferTerms;
  onProgress: (progress: Progress) => void;
  signal: AbortSignal;
};

export async function transferImage(services: ImageServices, hosts: HostSource, transfer: RegistryTransfer): Promise<void> {
  if (!services.reachesByHosts) return transferByHand(services, hosts, transfer);
  try {
    await transferWithRegistry(services, transfer);
  } catch (error) {
    if (!isKind(error, 'NotImplemented')) throw error;
    await transferByHand(services, hosts, transfer);
  }
}
