// How a call ends, in HTTP/2's header fields (gRPC over HTTP2, "Responses").
import { toEngineError } from '@berth/errdefs/engine-error';
import { grpcCode } from '@berth/errdefs/grpc';
import { field } from '../http2/hpack.ts';
import { LAYER } from './metadata.ts';

/** gRPC puts the message into an HTTP/2 header, which peers limit to some kilobytes. */
const LONGEST_MESSAGE = 4096;

/** `:status: 200` is an entry of HPACK's static table. */
export const ANSWER = Buffer.concat([Buffer.of(0x88), field('content-type', 'application/grpc')]);
export const OK = field('grpc-status', '0');
export const IDENTITY = field('grpc-accept-encoding', 'identity');
export const NOT_GRPC = field(':status', '415');
export const NOT_POST = field(':status', '405');

/** Whatever a handler threw: kind as code, message, the layer that failed. */
export function refusal(thrown: unknown): Buffer {
  const error = toEngineError(thrown);
  const fields = [field('grpc-status', `${grpcCode(error.kind)}`), field('grpc-message', percent(error.message.slice(0, LONGEST_MESSAGE)))];
  if (error.layer) fields.push(field(LAYER, percent(error.layer)));
  return Buffer.concat(fields);
}

/** Printable ASCII without the percent sign stays as it is. */
function percent(message: string): string {
  return Buffer.from(message)
    .toString('latin1')
    .replace(/[^ -$&-~]/g, (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
