// The metadata that containerd's gRPC clients and servers exchange, and gRPC's statuses as errors.
import { EngineError } from '@berth/errdefs/engine-error';
import { kindOfGrpcCode } from '@berth/errdefs/grpc';
import type { ServiceError } from '@grpc/grpc-js';

/** The namespace of every call but those about namespaces, versions and health. */
export const NAMESPACE = 'containerd-namespace';
/** The lease that keeps what the call makes. */
export const LEASE = 'containerd-lease';
/** Berth's own trailer: the layer in which the error arose. */
export const LAYER = 'berth-layer';

export const MESSAGE_LIMIT = 16 * 1024 * 1024;
/** Bytes that a stream may send ahead of its reader. HTTP/2's own 64 KiB make a blob stop for an answer sixteen times in a mebibyte. */
export const FLOW_WINDOW = 4 * 1024 * 1024;

/** A status as the error that it tells of, with the layer that the peer named. `method` is the call's path. */
export function errorOf(error: ServiceError, method: string): EngineError {
  const layer = error.metadata?.get(LAYER)[0];
  return new EngineError(kindOfGrpcCode(error.code), error.details || error.message, {
    layer: typeof layer === 'string' ? layer : undefined,
    details: { method },
    cause: error,
  });
}
