// What a client's frames say about a request: payloads without their wrapping, header fields that are well-formed.
import { ErrorCode, Flag, Violation } from './frames.ts';

/** A request's header fields: the pseudo-header fields by name with their colon, of a field that came several times the first. */
export type Headers = ReadonlyMap<string, string>;

/** The payload without padding and the `skipped` bytes ahead (sections 6.1, 6.2). */
export function unpadded(flags: number, payload: Buffer, skipped: number): Buffer {
  if (!(flags & Flag.padded)) {
    if (payload.length < skipped) throw new Violation(ErrorCode.frameSize, 'a frame that is too short');
    return skipped === 0 ? payload : payload.subarray(skipped);
  }
  const from = 1 + skipped;
  const to = payload.length - (payload[0] ?? 0);
  if (to < from) throw protocol('more padding than payload');
  return payload.subarray(from, to);
}

/** A payload that has one size. */
export function expect(payload: Buffer, size: number, what: string): Buffer {
  if (payload.length !== size) throw new Violation(ErrorCode.frameSize, `${what} of ${payload.length} bytes`);
  return payload;
}

/** Section 8.3. What is malformed ends the connection: no client that means well sends it. */
export function request(fields: string[]): Headers {
  const headers = new Map<string, string>();
  let regular = false;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (name.startsWith(':')) {
      if (regular || headers.has(name) || !/^:(method|path|scheme|authority)$/.test(name)) throw protocol(`a misplaced ${name}`);
    } else {
      regular = true;
      if (/^(connection|proxy-connection|keep-alive|transfer-encoding|upgrade)$/.test(name)) throw protocol(`a field ${name}`);
      if (name === 'te' && value !== 'trailers') throw protocol(`te: ${value}`);
      if (headers.has(name)) continue;
    }
    headers.set(name, value);
  }
  return headers;
}

export function protocol(what: string): Violation {
  return new Violation(ErrorCode.protocol, what);
}
