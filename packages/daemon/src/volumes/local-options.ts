// The options of a volume of the local driver (`-o type= -o device= -o o= -o size=`): what is allowed, with moby's wordings
// (volume/local/local_unix.go), and the mount that they describe.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { EngineError } from '@berth/errdefs/engine-error';
import { parseSize } from '../config/size.ts';

const KNOWN = ['type', 'o', 'device', 'size'];
const REQUIRED: Readonly<Record<string, readonly string[]>> = { device: ['type'], type: ['device'], o: ['device', 'type'] };
/** Whose `addr=` may be a name: the kernel wants a number. */
const BY_ADDRESS = ['nfs', 'nfs4', 'cifs'];

export type LocalOptions = Readonly<Record<string, string>>;

export interface LocalMount {
  readonly type: string;
  readonly device: string;
  /** As mount(8) takes them, separated by commas. */
  readonly options: string;
}

/** Throws InvalidArgument. */
export function checkLocalOptions(options: LocalOptions): void {
  for (const key of Object.keys(options)) {
    if (!KNOWN.includes(key)) throw invalid(`invalid option: ${JSON.stringify(key)}`);
  }
  if (options.type === 'cifs' && /^[a-z]*:?\/\/[^/]*:\d+/.test(options.device ?? ''))
    throw invalid("port not allowed in CIFS device URL, include 'port' in 'o='");
  const size = sizeOf(options);
  for (const [key, needed] of Object.entries(REQUIRED)) {
    const missing = options[key] === undefined ? undefined : needed.find((other) => options[other] === undefined);
    if (missing !== undefined) throw invalid(`missing required option: ${JSON.stringify(missing)}`);
  }
  if (size !== undefined && options.device !== undefined)
    throw invalid(`size limits a volume of the engine's own files: the room of ${JSON.stringify(options.device)} is its own`);
}

/** Bytes that the volume may have; undefined without a limit. */
export function sizeOf(options: LocalOptions): number | undefined {
  const size = options.size === undefined ? 0 : parseSize(options.size);
  return size > 0 ? size : undefined;
}

/** The mount that a volume stands for; undefined for one that is a directory. */
export function localMountOf(options: LocalOptions): LocalMount | undefined {
  if (!options.type && !options.device) return undefined;
  return { type: options.type ?? '', device: options.device ?? '', options: options.o ?? '' };
}

/** With numbers in the place of the server's name, as the kernel takes them. */
export async function withAddresses(mount: LocalMount): Promise<LocalMount> {
  if (!BY_ADDRESS.includes(mount.type)) return mount;
  const name = /(?:^|,)addr=([^,]*)/.exec(mount.options)?.[1] ?? '';
  if (name !== '')
    return isIP(name) === 4 ? mount : { ...mount, options: mount.options.replace(`addr=${name}`, `addr=${await resolve(name)}`) };
  const host = mount.type === 'cifs' ? /^\/\/([^/]+)/.exec(mount.device)?.[1] : undefined;
  return host === undefined || isIP(host) ? mount : { ...mount, device: mount.device.replace(host, await resolve(host)) };
}

/** What may be shown of options: a password is nobody's business. */
export function shownOptions(options: string): string {
  return options.replace(/(^|,)password=[^,]*/, '$1password=********');
}

async function resolve(name: string): Promise<string> {
  try {
    return (await lookup(name)).address;
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new EngineError('Unavailable', `error resolving passed in network volume address: lookup ${name}: ${reason}`, {
      layer: 'daemon',
      cause,
    });
  }
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon' });
}
