// How a task's stdin, stdout and stderr are named: containerd's conventions (empty, a FIFO's path, fifo:, file:, binary: URIs),
// and Berth's own attach: (docs/attach.md).
import { EngineError } from '@berth/errdefs/engine-error';

/** json-file: Docker's log format and its options. */
export interface JsonFileOptions {
  path: string;
  /** Bytes after which the file is rotated. */
  maxSize?: number;
  /** Files that are kept, the live one included. */
  maxFile: number;
  /** Added to each line as Docker does for --log-opt labels, env and tag. */
  attributes?: Record<string, string>;
}

export type Destination =
  | { kind: 'none' }
  | { kind: 'fifo'; path: string }
  | { kind: 'file'; path: string }
  | { kind: 'binary'; path: string; args: string[] }
  | {
      kind: 'attach';
      socket: string;
      log?: JsonFileOptions;
      /** The first client that ends its side of the connection ends the process' stdin. */
      stdinOnce: boolean;
      /** Seconds that a client may leave output unread while it holds up the process. */
      stall: number;
      /** Output waits for the first client, so that the process may be started before that one has connected. */
      keep: boolean;
    };

/** Minutes of somebody reading in a pager are no stall. */
const DEFAULT_STALL = 600;

/** Parses one of the three names; InvalidArgument says what is wrong with it. */
export function parseDestination(name: string): Destination {
  if (name === '') return { kind: 'none' };
  if (name.startsWith('/')) return { kind: 'fifo', path: name };
  const url = URL.parse(name);
  if (!url) throw refuse(name, 'neither a path nor a URI');
  const path = decodeURIComponent(url.pathname);
  if (!path.startsWith('/')) throw refuse(name, 'the path is not absolute');
  switch (url.protocol) {
    case 'fifo:':
      return { kind: 'fifo', path };
    case 'file:':
      return { kind: 'file', path };
    case 'binary:':
      return { kind: 'binary', path, args: binaryArguments(url.searchParams) };
    case 'attach:':
      return {
        kind: 'attach',
        socket: path,
        log: parseLog(name, url.searchParams),
        stdinOnce: url.searchParams.get('stdin-once') === '1',
        stall: parseNumber(name, url.searchParams, 'stall') ?? DEFAULT_STALL,
        keep: url.searchParams.get('keep') === '1',
      };
    default:
      throw refuse(name, `the scheme ${url.protocol.slice(0, -1)} is not known`);
  }
}

/** containerd's order: for each key of the query the key, then its value when there is one. */
function binaryArguments(query: URLSearchParams): string[] {
  return [...query].flatMap(([key, value]) => (value === '' ? [key] : [key, value]));
}

function parseLog(name: string, query: URLSearchParams): JsonFileOptions | undefined {
  const driver = query.get('log');
  if (driver === null || driver === 'none') return undefined;
  if (driver !== 'json-file') throw refuse(name, `the log driver ${driver} is not known`);
  const path = query.get('path');
  if (!path?.startsWith('/')) throw refuse(name, 'log=json-file needs path=/…');
  const attributes = query.get('attrs');
  return {
    path,
    maxSize: parseSize(name, query.get('max-size')),
    maxFile: Math.max(1, parseNumber(name, query, 'max-file') ?? 1),
    attributes: attributes ? (JSON.parse(attributes) as Record<string, string>) : undefined,
  };
}

const UNITS: Record<string, number> = { '': 1, b: 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/** Docker's human sizes (decimal): 10m, 1.5g, 500; -1 and nothing: no limit. */
function parseSize(name: string, size: string | null): number | undefined {
  if (size === null || size === '' || size === '-1') return undefined;
  const match = /^(\d+(?:\.\d+)?) ?([kmgt]?)i?b?$/i.exec(size);
  const bytes = Math.floor(Number(match?.[1]) * (UNITS[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN));
  if (!(bytes > 0)) throw refuse(name, `max-size=${size} is not a size such as 10m`);
  return bytes;
}

function parseNumber(name: string, query: URLSearchParams, key: string): number | undefined {
  const value = query.get(key);
  if (value === null || value === '') return undefined;
  if (!/^\d+$/.test(value)) throw refuse(name, `${key}=${value} is not a whole number`);
  return Number(value);
}

function refuse(name: string, why: string): EngineError {
  return new EngineError('InvalidArgument', `stdio "${name}": ${why}`, { layer: 'shim' });
}
