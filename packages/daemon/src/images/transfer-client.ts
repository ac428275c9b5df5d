// Has the lifecycle service transfer an image: opens the streams that the transfer talks back over (progress, and credentials when
// the client sent some) and waits until all that was said has been heard. A service that knows no transfers is helped by hand.
import { randomUUID } from 'node:crypto';
import { isKind } from '@berth/errdefs/engine-error';
import type { Credentials } from '@berth/oci/registry/credentials';
import type { HostSource } from '@berth/oci/registry/host';
import { pack, unpack } from '@berth/rpc/any';
import { StreamInit } from '@berth/rpc/gen/containerd/services/streaming/v1/streaming';
import { ImageStore } from '@berth/rpc/gen/containerd/types/transfer/imagestore';
import { Progress } from '@berth/rpc/gen/containerd/types/transfer/progress';
import { AuthResponse, AuthType, OCIRegistry } from '@berth/rpc/gen/containerd/types/transfer/registry';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { Duplex } from '@berth/rpc/grpc/client';
import { type TransferTerms, termsMetadata } from '@berth/rpc/transfer-terms';
import type { Init } from '@berth/rpc/wire/message';
import type { ImageServices } from './image-services.ts';
import { transferByHand } from './transfer-by-hand.ts';

export interface RegistryTransfer {
  direction: 'pull' | 'push';
  /** Full reference at the registry. */
  reference: string;
  store: Init<ImageStore>;
  hostDirectory: string;
  credentials: Credentials | undefined;
  onProgress: (progress: Progress) => void;
  terms: TransferTerms;
  /** A traceparent header. */
  trace?: string;
  signal: AbortSignal;
}

export async function transferImage(services: ImageServices, hosts: HostSource, transfer: RegistryTransfer): Promise<void> {
  try {
    await requestTransfer(services, transfer);
  } catch (error) {
    if (!isKind(error, 'NotImplemented')) throw error;
    await transferByHand(services, hosts, transfer);
  }
}

async function requestTransfer(services: ImageServices, transfer: RegistryTransfer): Promise<void> {
  const { direction, reference, hostDirectory, signal, trace, terms } = transfer;
  const ends = new AbortController();
  const streams = AbortSignal.any([signal, ends.signal]);
  const progress = await openStream(services, streams);
  const heard = hear(progress.stream, transfer.onProgress);
  heard.catch(() => {});
  try {
    const auth = transfer.credentials ? await openStream(services, streams) : undefined;
    if (auth) void answer(auth.stream, transfer.credentials as Credentials).catch(() => {});
    const registry = pack(OCIRegistry, { reference, resolver: { hostDir: hostDirectory, authStream: auth?.id ?? '' } });
    const store = pack(ImageStore, transfer.store);
    const [source, destination] = direction === 'pull' ? [registry, store] : [store, registry];
    await services.transfer.transfer(
      { source, destination, options: { progressStream: progress.id } },
      { signal, metadata: termsMetadata(terms), ...(trace ? { trace } : {}) },
    );
    await heard;
  } finally {
    ends.abort();
  }
}

async function openStream(
  services: ImageServices,
  signal: AbortSignal,
): Promise<{ id: string; stream: AsyncIterator<Any> & { send: Duplex<Any, Any>['send'] } }> {
  const id = `berthd-${randomUUID()}`;
  const call = services.streaming.stream({ signal });
  await call.send(pack(StreamInit, { id }));
  const messages = call[Symbol.asyncIterator]();
  // The empty answer: the stream can be named in calls from now on.
  await messages.next();
  return { id, stream: { next: () => messages.next(), send: (message) => call.send(message) } };
}

async function hear(stream: AsyncIterator<Any>, onProgress: (progress: Progress) => void): Promise<void> {
  for (let next = await stream.next(); !next.done; next = await stream.next()) onProgress(unpack(Progress, next.value));
}

async function answer(stream: AsyncIterator<Any> & { send: Duplex<Any, Any>['send'] }, credentials: Credentials): Promise<void> {
  for (let next = await stream.next(); !next.done; next = await stream.next())
    await stream.send(pack(AuthResponse, responseOf(credentials)));
}

function responseOf(credentials: Credentials): Init<AuthResponse> {
  switch (credentials.kind) {
    case 'password':
      return { authType: AuthType.CREDENTIALS, username: credentials.username, secret: credentials.password };
    case 'identity-token':
      return { authType: AuthType.REFRESH, secret: credentials.token };
    case 'bearer-token':
      return { authType: AuthType.HEADER, secret: `Bearer ${credentials.token}` };
  }
}
