// What the server knows about a request beside Node's own: the API version it speaks, its span, and, where the client asked to
// switch protocols, the raw socket. Kept on the request object under one property, set before any route runs.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { checkShape, parseJson, type Shape } from '@berth/api/shape';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Span } from '@berth/trace/tracer';
import type { Request } from 'express';

export interface EngineRequestState {
  /** `1.51`: what the client speaks, at most what we speak. */
  readonly apiVersion: string;
  readonly span: Span;
  /** The socket of a request with `Upgrade:`; its unread bytes are the body and what follows it. */
  readonly upgrade: Duplex | undefined;
}

const STATE = Symbol('berth.request');

type Marked = IncomingMessage & { [STATE]?: EngineRequestState };

export function setRequestState(request: IncomingMessage, state: EngineRequestState): void {
  (request as Marked)[STATE] = state;
}

export function requestState(request: IncomingMessage): EngineRequestState {
  const state = (request as Marked)[STATE];
  if (!state) throw new EngineError('Internal', 'the request has not passed the version middleware', { layer: 'daemon' });
  return state;
}

export function spanOf(request: IncomingMessage): Span {
  return requestState(request).span;
}

/** Whether the client speaks at least `version`. */
export function speaksAtLeast(request: IncomingMessage, version: string): boolean {
  return compareVersions(requestState(request).apiVersion, version) >= 0;
}

/** Whether a request's client speaks at least a version: what an answer's fields depend on. */
export type Speaks = (version: string) => boolean;

export function speaking(request: IncomingMessage): Speaks {
  return (version) => speaksAtLeast(request, version);
}

/** Negative, zero or positive, as `1.9` comes before `1.10`. */
export function compareVersions(left: string, right: string): number {
  const [leftMajor = 0, leftMinor = 0] = left.split('.').map(Number);
  const [rightMajor = 0, rightMinor = 0] = right.split('.').map(Number);
  return leftMajor - rightMajor || leftMinor - rightMinor;
}

/** One value of a query parameter; '' when missing. */
export function query(request: Request, name: string): string {
  const value = request.query[name];
  return typeof value === 'string' ? value : Array.isArray(value) ? String(value[0] ?? '') : '';
}

/** All values of a query parameter. */
export function queryList(request: Request, name: string): string[] {
  const value = request.query[name];
  return value === undefined ? [] : Array.isArray(value) ? value.map(String) : [String(value)];
}

/** moby's reading of a boolean: everything but '', 0, no, false and none is true. */
export function queryBoolean(request: Request, name: string, fallback = false): boolean {
  if (request.query[name] === undefined) return fallback;
  return !['', '0', 'no', 'false', 'none'].includes(query(request, name).trim().toLowerCase());
}

/** A whole number, or undefined when missing. Throws InvalidArgument. */
export function queryInteger(request: Request, name: string): number | undefined {
  const text = query(request, name);
  if (text === '') return undefined;
  if (!/^-?\d+$/.test(text)) {
    throw new EngineError(
      'InvalidArgument',
      `invalid value ${JSON.stringify(text)} for the query parameter ${name}: it must be a whole number`,
      {
        layer: 'daemon',
      },
    );
  }
  return Number(text);
}

/** A name of the path; express gives lists for wildcards. */
export function parameter(request: Request, name: string): string {
  const value = (request.params as Record<string, string | string[]>)[name];
  return Array.isArray(value) ? value.join('/') : (value ?? '');
}

/** A body that is read as it comes. A reader that stops early leaves the connection open, so that the client can be told why. */
export function streamedBody(request: IncomingMessage): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false });
}

/** Longer bodies than this are no JSON request. */
const MAX_BODY = 8 << 20;

/** The body as JSON of the given shape. An empty body is `{}`, or an error when `required`. */
export async function jsonBody<T>(request: IncomingMessage, shape: Shape, name: string, required = false): Promise<T> {
  const text = (await readBody(request)).toString('utf8').trim();
  if (text === '') {
    if (required) throw new EngineError('InvalidArgument', 'invalid JSON: got EOF while reading request body', { layer: 'daemon' });
    return {} as T;
  }
  const type = request.headers['content-type'];
  if (type !== undefined && !/^(application\/json|text\/plain)\b/i.test(type)) {
    throw new EngineError('InvalidArgument', `unsupported Content-Type header (${type}): must be 'application/json'`, { layer: 'daemon' });
  }
  const body = parseJson(text);
  checkShape(body, shape, name);
  return (body ?? {}) as T;
}

function readBody(request: IncomingMessage): Promise<Buffer> {
  const { upgrade } = requestState(request);
  if (upgrade) return readSocketBody(request, upgrade);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.byteLength;
      if (length <= MAX_BODY) chunks.push(chunk);
      else reject(bodyTooLong());
    });
    request.once('end', () => resolve(Buffer.concat(chunks)));
    request.once('error', reject);
    request.once('close', () => reject(clientLeft()));
    if (request.destroyed) reject(clientLeft());
  });
}

function bodyTooLong(): EngineError {
  return new EngineError('InvalidArgument', `request body is longer than ${MAX_BODY} bytes`, { layer: 'daemon' });
}

function clientLeft(): EngineError {
  return new EngineError('Cancelled', 'the client left before its request body was complete', { layer: 'daemon' });
}

/** Node's parser stops at the headers of an upgrade request: its body is the first Content-Length bytes of the socket. */
async function readSocketBody(request: IncomingMessage, socket: Duplex): Promise<Buffer> {
  const length = Number(request.headers['content-length'] ?? 0);
  if (length === 0) return Buffer.alloc(0);
  if (!(length <= MAX_BODY)) throw bodyTooLong();
  for (;;) {
    const body = socket.read(length) as Buffer | null;
    if (body) {
      if (body.byteLength > length) socket.unshift(body.subarray(length));
      return body.subarray(0, length);
    }
    if (socket.readableEnded || socket.destroyed) throw clientLeft();
    await new Promise<void>((resolve) => {
      const settle = () => {
        for (const event of ['readable', 'end', 'close'] as const) socket.off(event, settle);
        resolve();
      };
      for (const event of ['readable', 'end', 'close'] as const) socket.on(event, settle);
    });
  }
}
