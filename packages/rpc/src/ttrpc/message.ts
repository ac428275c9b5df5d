// The messages inside ttrpc's frames, as they are used here: metadata as a map, a status as a thrown EngineError.
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { grpcCode, kindOfGrpcCode } from '@berth/errdefs/grpc';
import protobuf from 'protobufjs/minimal.js';

/** Keys in lower case. Of a key that came several times, the first value. */
export type Metadata = ReadonlyMap<string, string>;

export interface Request {
  /** Full name, e.g. containerd.task.v3.Task. */
  service: string;
  method: string;
  payload: Uint8Array;
  /** Nanoseconds that the caller will wait; 0 for ever. */
  timeoutNano: number;
  metadata: Metadata;
}

/** A status of code 0 is none. */
export interface Response {
  code: number;
  message: string;
  payload: Uint8Array;
}

// Field numbers and wire types of proto/ttrpc/ttrpc.proto, as tags. Written by hand: every call passes here twice, and the
// shim needs no other shape than these.
const SERVICE = 0x0a;
const METHOD = 0x12;
const PAYLOAD = 0x1a;
const TIMEOUT = 0x20;
const METADATA = 0x2a;
const STATUS = 0x0a;
const ANSWER = 0x12;
const EMPTY = new Uint8Array(0);

export function encodeRequest(request: Request): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(SERVICE).string(request.service).uint32(METHOD).string(request.method);
  if (request.payload.length > 0) writer.uint32(PAYLOAD).bytes(request.payload);
  if (request.timeoutNano > 0) writer.uint32(TIMEOUT).int64(request.timeoutNano);
  for (const [key, value] of request.metadata) {
    writer.uint32(METADATA).fork().uint32(0x0a).string(key).uint32(0x12).string(value).ldelim();
  }
  return writer.finish();
}

export function decodeRequest(bytes: Uint8Array): Request {
  const metadata = new Map<string, string>();
  const request = { service: '', method: '', payload: EMPTY, timeoutNano: 0, metadata };
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === SERVICE) request.service = reader.string();
    else if (tag === METHOD) request.method = reader.string();
    else if (tag === PAYLOAD) request.payload = reader.bytes();
    else if (tag === TIMEOUT) request.timeoutNano = Number(reader.int64());
    else if (tag === METADATA) readMetadata(reader, metadata);
    else reader.skipType(tag & 7);
  }
  return request;
}

function readMetadata(reader: protobuf.Reader, into: Map<string, string>): void {
  const end = reader.uint32() + reader.pos;
  let key = '';
  let value = '';
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x0a) key = reader.string().toLowerCase();
    else if (tag === 0x12) value = reader.string();
    else reader.skipType(tag & 7);
  }
  if (!into.has(key)) into.set(key, value);
}

export function encodeResponse(response: Response): Uint8Array {
  const writer = protobuf.Writer.create();
  // Go's ttrpc takes a missing status for success, so none is sent for it.
  if (response.code !== 0) {
    writer.uint32(STATUS).fork().uint32(0x08).int32(response.code).uint32(0x12).string(response.message).ldelim();
  }
  if (response.payload.length > 0) writer.uint32(ANSWER).bytes(response.payload);
  return writer.finish();
}

export function decodeResponse(bytes: Uint8Array): Response {
  const response: Response = { code: 0, message: '', payload: EMPTY };
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === STATUS) readStatus(reader, response);
    else if (tag === ANSWER) response.payload = reader.bytes();
    else reader.skipType(tag & 7);
  }
  return response;
}

function readStatus(reader: protobuf.Reader, into: Response): void {
  const end = reader.uint32() + reader.pos;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x08) into.code = reader.int32();
    else if (tag === 0x12) into.message = reader.string();
    else reader.skipType(tag & 7);
  }
}

/** The response that tells a caller of an error. */
export function errorResponse(thrown: unknown): Response {
  const error = toEngineError(thrown);
  return { code: grpcCode(error.kind), message: error.message, payload: EMPTY };
}

/** The error that a response tells of, undefined for success. */
export function errorOf(response: Response, service: string, method: string): EngineError | undefined {
  if (response.code === 0) return undefined;
  return new EngineError(kindOfGrpcCode(response.code), response.message, { details: { service, method } });
}
