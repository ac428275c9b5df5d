// google.protobuf.Any in containerd's two encodings (its typeurl package): a protobuf message under its full name, or JSON under a
// path below types.containerd.io, which is how runtime-spec documents travel.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Any } from '../gen/google/protobuf/any.ts';
import type { Init, MessageType } from './wire/message.ts';

const OCI = 'types.containerd.io/opencontainers/runtime-spec/1';

/** The type URLs of runtime-spec's documents. */
export const SPEC_TYPE = `${OCI}/Spec`;
export const PROCESS_TYPE = `${OCI}/Process`;
export const RESOURCES_TYPE = `${OCI}/LinuxResources`;
export const FEATURES_TYPE = `${OCI}/features/Features`;

/** A message under its full name. */
export function pack<T>(type: MessageType<T>, message: Init<T>): Any {
  return { typeUrl: type.fullName, value: type.encode(message) };
}

/** Whether `any` holds a message of `type`; a host in front of the name, as protobuf's own libraries write it, is allowed. */
export function holds<T>(any: Any | undefined, type: MessageType<T>): any is Any {
  return any !== undefined && (any.typeUrl === type.fullName || any.typeUrl.endsWith(`/${type.fullName}`));
}

/** Throws InvalidArgument for another type. */
export function unpack<T>(type: MessageType<T>, any: Any): T {
  const found: string = any.typeUrl;
  if (!holds(any, type))
    throw new EngineError('InvalidArgument', `expected a ${type.fullName}, not a ${found || 'message without a type'}`);
  return type.decode(any.value);
}

/** A document as JSON under `typeUrl`: SPEC_TYPE, PROCESS_TYPE, RESOURCES_TYPE. */
export function packJson(typeUrl: string, document: unknown): Any {
  return { typeUrl, value: Buffer.from(JSON.stringify(document)) };
}

/** Throws InvalidArgument for what is not JSON; that it has the right shape is the caller's to check. */
export function unpackJson<T>(any: Any): T {
  const { buffer, byteOffset, byteLength } = any.value;
  try {
    return JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString()) as T;
  } catch (cause) {
    throw new EngineError('InvalidArgument', `${any.typeUrl}: ${(cause as Error).message}`, { cause });
  }
}
