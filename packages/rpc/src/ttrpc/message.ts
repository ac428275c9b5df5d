// The messages inside ttrpc's frames, as they are used here: metadata as a map, a status as a thrown EngineError.
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { grpcCode, kindOfGrpcCode } from '@berth/errdefs/grpc';
import { type Request, Response } from '../../gen/ttrpc/request.ts';

/** Keys in lower case. Of a key that came several times, the first value. */
export type Metadata = ReadonlyMap<string, string>;

/** The namespace of a request, as containerd's ttrpc clients name it. */
export const NAMESPACE = 'containerd-namespace-ttrpc';

/** Berth's own detail of a status: the layer in which the error arose, as text. */
const LAYER = 'berth.layer';

/** A request's metadata, of which Go's ttrpc sends a list. */
export function metadataOf(request: Request): Metadata {
  const metadata = new Map<string, string>();
  for (const { key, value } of request.metadata) {
    const name = key.toLowerCase();
    if (!metadata.has(name)) metadata.set(name, value);
  }
  return metadata;
}

/** Metadata as a request carries it. */
export function toKeyValues(metadata: Iterable<readonly [string, string]>): { key: string; value: string }[] {
  return Array.from(metadata, ([key, value]) => ({ key, value }));
}

/** The message of a response frame. Go's ttrpc takes a missing status for success, so none is sent for it. */
export function answer(payload: Uint8Array): Uint8Array {
  return Response.encode({ payload });
}

/** The message of a response frame that says what a handler threw: kind as code, message, the layer that failed. */
export function refusal(thrown: unknown): Uint8Array {
  const error = toEngineError(thrown);
  const details = error.layer === undefined ? [] : [{ typeUrl: LAYER, value: Buffer.from(error.layer) }];
  return Response.encode({ status: { code: grpcCode(error.kind), message: error.message, details } });
}

/** The payload of a response frame; throws the error that it tells of. */
export function payloadOf(message: Uint8Array, method: string): Uint8Array {
  const { status, payload } = Response.decode(message);
  if (status && status.code !== 0) {
    const layer = status.details.find(({ typeUrl }) => typeUrl === LAYER)?.value;
    throw new EngineError(kindOfGrpcCode(status.code), status.message, {
      layer: layer && Buffer.from(layer).toString(),
      details: { method },
    });
  }
  return payload;
}
