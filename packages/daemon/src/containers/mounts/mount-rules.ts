// What a mount may be asked to be: moby's rules of `-v` and `--mount` with its wordings (volume/mounts/linux_parser.go). Nothing here
// looks at the host, but for whether the source of a bind is there.
import { statSync } from 'node:fs';
import { posix } from 'node:path';
import type { MountRequest, Propagation } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';

const PROPAGATIONS: readonly string[] = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
/** The words of `-v source:target:MODE`, by what they are about: one of each kind. */
const MODES: readonly (readonly string[])[] = [['rw', 'ro'], ['z', 'Z'], PROPAGATIONS, ['nocopy'], ['consistent', 'cached', 'delegated']];
/** Options of a tmpfs (mount.MergeTmpfsOptions), flags and values. */
const TMPFS_FLAGS: readonly string[] = [
  ...['defaults', 'ro', 'rw', 'suid', 'nosuid', 'dev', 'nodev', 'exec', 'noexec', 'sync', 'async', 'dirsync', 'remount', 'mand', 'nomand'],
  ...['atime', 'noatime', 'diratime', 'nodiratime', 'bind', 'rbind', 'unbindable', 'runbindable', 'private', 'rprivate', 'shared'],
  ...['rshared', 'slave', 'rslave', 'relatime', 'norelatime', 'strictatime', 'nostrictatime'],
];
const TMPFS_VALUES: readonly string[] = ['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol'];

/** `-v` as the mount that it means, and its mode as it was written. */
export function parseBind(text: string, volumeDriver: string | undefined): { request: MountRequest; mode: string } {
  const parts = text.split(':');
  // A path alone is where an anonymous volume goes.
  const [source = '', target = '', mode = ''] = parts.length === 1 ? ['', text] : parts;
  const wrong = `invalid volume specification: '${text}'`;
  if (text === '' || (source === '' && parts.length > 1) || parts.length > 3 || (parts.length === 2 && validMode(target)))
    throw invalid(wrong);
  if (!validMode(mode)) throw invalid(`invalid mode: ${mode}`);
  const words = mode.split(',');
  const propagation = words.find((word) => PROPAGATIONS.includes(word)) as Propagation | undefined;
  const isVolume = !source.startsWith('/');
  const driver = isVolume && volumeDriver ? { DriverConfig: { Name: volumeDriver } } : undefined;
  const request: MountRequest = {
    Type: isVolume ? 'volume' : 'bind',
    Source: source,
    Target: target,
    ReadOnly: words.includes('ro'),
    ...(propagation ? { BindOptions: { Propagation: propagation } } : {}),
    ...(driver || words.includes('nocopy') ? { VolumeOptions: { ...driver, NoCopy: words.includes('nocopy') } } : {}),
  };
  try {
    checkMount(request, { sourceExists: false });
  } catch (cause) {
    throw new EngineError('InvalidArgument', `${wrong}: ${(cause as Error).message}`, { layer: 'daemon', cause });
  }
  return { request, mode };
}

/** Throws InvalidArgument. `sourceExists`: the source of a bind has to be there already. */
export function checkMount(request: MountRequest, options: { sourceExists: boolean }): void {
  const reason = whyInvalid(request, options.sourceExists);
  if (reason !== undefined) throw invalid(`invalid mount config for type "${request.Type ?? 'volume'}": ${reason}`);
}

function whyInvalid(request: MountRequest, sourceExists: boolean): string | undefined {
  const { Target: target = '', Source: source = '', BindOptions: bind, VolumeOptions: volume, TmpfsOptions: tmpfs } = request;
  if (target === '') return missing('Target');
  const destination = whyNoDestination(target);
  if (destination !== undefined) return destination;
  switch (request.Type ?? 'volume') {
    case 'bind':
      if (source === '') return missing('Source');
      if (bind?.Propagation && !PROPAGATIONS.includes(bind.Propagation)) return `invalid propagation mode: ${bind.Propagation}`;
      if (volume) return surplus('VolumeOptions');
      if (!source.startsWith('/')) return notAbsolute(source);
      if (bind?.ReadOnlyNonRecursive && bind.ReadOnlyForceRecursive)
        return 'mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive';
      if (sourceExists && !bind?.CreateMountpoint && !statSync(source, { throwIfNoEntry: false }))
        return `bind source path does not exist: ${source}`;
      return undefined;
    case 'volume':
      if (bind) return surplus('BindOptions');
      if (volume?.Subpath && source === '') return 'must not set Subpath when using anonymous volumes';
      if (volume?.Subpath && !isLocal(volume.Subpath)) return 'subpath must be a relative path within the volume';
      return request.ReadOnly && source === '' ? 'must not set ReadOnly mode when using anonymous volumes' : undefined;
    case 'tmpfs': {
      if (bind) return surplus('BindOptions');
      if (source !== '') return surplus('Source');
      for (const pair of tmpfs?.Options ?? []) {
        if (pair.length < 1 || pair.length > 2) return 'invalid option array length';
        if (!['exec', 'noexec'].includes(pair[0] as string)) return `invalid option: ${pair[0]}`;
      }
      return undefined;
    }
    case 'image':
      if (bind) return surplus('BindOptions');
      if (volume) return surplus('VolumeOptions');
      if (source === '') return missing('Source');
      return request.ImageOptions?.Subpath && !isLocal(request.ImageOptions.Subpath)
        ? 'subpath must be a relative path within the image'
        : undefined;
    default:
      return 'mount type unknown';
  }
}

/** A clean absolute path below the root. Throws InvalidArgument. */
export function destinationOf(target: string): string {
  const reason = whyNoDestination(target);
  if (reason !== undefined) throw invalid(reason);
  return posix.normalize(target).replace(/(?<=.)\/$/, '');
}

/** `NAME[:MODE]` of --volumes-from. */
export function parseVolumesFrom(text: string): { name: string; readOnly: boolean } {
  if (text === '') throw invalid('volumes-from specification cannot be an empty string');
  const cut = text.indexOf(':');
  const mode = cut < 0 ? '' : text.slice(cut + 1);
  const words = mode.split(',');
  // Who takes a mount over takes its propagation and its first content, too.
  if (!validMode(mode) || words.some((word) => word === 'nocopy' || PROPAGATIONS.includes(word))) throw invalid(`invalid mode: ${mode}`);
  return { name: cut < 0 ? text : text.slice(0, cut), readOnly: words.includes('ro') };
}

/** The options of --tmpfs, each known to the kernel's tmpfs. */
export function parseTmpfsOptions(text: string): string[] {
  const options = text.split(',').filter(Boolean);
  for (const option of options) {
    const [key = '', ...rest] = option.split('=');
    const known = rest.length === 0 ? TMPFS_FLAGS.includes(key) : TMPFS_VALUES.includes(key);
    if (!known)
      throw invalid(
        `invalid tmpfs option [${[key, ...(rest.length > 0 ? [rest.join('=')] : [])].map((part) => JSON.stringify(part)).join(' ')}]`,
      );
  }
  return options;
}

function validMode(mode: string): boolean {
  if (mode === '') return true;
  const words = mode.split(',');
  return (
    words.every((word) => MODES.some((kind) => kind.includes(word))) &&
    MODES.every((kind) => words.filter((word) => kind.includes(word)).length <= 1)
  );
}

function whyNoDestination(target: string): string | undefined {
  if (posix.normalize(target) === '/') return "invalid specification: destination can't be '/'";
  return target.startsWith('/') ? undefined : notAbsolute(target);
}

/** Relative, and not climbing out of where it starts, by its text (Go's filepath.IsLocal). */
function isLocal(path: string): boolean {
  const clean = posix.normalize(path);
  return !clean.startsWith('/') && clean !== '..' && !clean.startsWith('../');
}

function notAbsolute(path: string): string {
  return `invalid mount path: '${path}' mount path must be absolute`;
}

function missing(field: string): string {
  return `field ${field} must not be empty`;
}

function surplus(field: string): string {
  return `field ${field} must not be specified`;
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon' });
}
