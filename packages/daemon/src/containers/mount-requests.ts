// From what was asked (-v, --mount, --tmpfs, --volumes-from, the image's VOLUMEs) to the container's mounts: each destination once,
// named volumes made, anonymous ones made up, bind sources checked. What comes later wins over what comes earlier:
// image volumes < volumes-from < binds < mounts (moby's daemon/volumes.go).
import { closeSync, constants, mkdirSync, openSync, readlinkSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import type { ContainerConfig, HostConfig, MountRequest, Propagation } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import { O, tryOpenInRoot } from '@berth/sys/path';
import type { Volumes } from '../volumes/volumes.ts';
import type { Container, ContainerMount } from './container.ts';

export interface MountSources {
  readonly volumes: Volumes;
  readonly containerOf: (reference: string) => Container;
}

const PROPAGATIONS = new Set(['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']);

export function settleMounts(config: ContainerConfig, hostConfig: HostConfig, sources: MountSources): ContainerMount[] {
  const byDestination = new Map<string, ContainerMount>();
  for (const mount of fromContainers(hostConfig.VolumesFrom ?? [], sources)) byDestination.set(mount.Destination, mount);
  for (const bind of hostConfig.Binds ?? []) {
    const mount = fromBind(bind, hostConfig, sources.volumes);
    if (byDestination.has(mount.Destination) && !mount.Destination.startsWith('/')) throw duplicate(mount.Destination);
    byDestination.set(mount.Destination, mount);
  }
  const seen = new Set<string>();
  for (const request of hostConfig.Mounts ?? []) {
    const mount = fromRequest(request, hostConfig, sources.volumes);
    if (seen.has(mount.Destination)) throw duplicate(mount.Destination);
    seen.add(mount.Destination);
    byDestination.set(mount.Destination, mount);
  }
  for (const [target, options] of Object.entries(hostConfig.Tmpfs ?? {})) {
    const destination = destinationOf(target);
    byDestination.set(destination, tmpfs(destination, options.split(',').filter(Boolean)));
  }
  for (const target of Object.keys(config.Volumes ?? {})) {
    const destination = destinationOf(target);
    if (!byDestination.has(destination))
      byDestination.set(destination, namedVolume(sources.volumes, '', destination, { writable: true, copyUp: true }));
  }
  return [...byDestination.values()];
}

/** `source:target[:options]` */
function fromBind(text: string, hostConfig: HostConfig, volumes: Volumes): ContainerMount {
  const parts = text.split(':');
  const [source = '', target = '', flags = ''] = parts;
  if (parts.length > 3 || parts.length < 2 || source === '' || target === '') throw invalid(`invalid volume specification: '${text}'`);
  const options = flags.split(',').filter(Boolean);
  const unknown = options.find(
    (option) =>
      !['rw', 'ro', 'z', 'Z', 'nocopy', 'copy', 'consistent', 'cached', 'delegated'].includes(option) && !PROPAGATIONS.has(option),
  );
  if (unknown !== undefined) throw invalid(`invalid mode: ${flags}`);
  const destination = destinationOf(target, text);
  const writable = !options.includes('ro');
  const propagation = (options.find((option) => PROPAGATIONS.has(option)) ?? '') as Propagation | '';
  if (!source.startsWith('/')) {
    const mount = namedVolume(volumes, source, destination, { writable, copyUp: !options.includes('nocopy') }, hostConfig.VolumeDriver);
    return { ...mount, Mode: flags || 'z' };
  }
  // -v makes the directory where --mount insists that it exists.
  mkdirSync(source, { recursive: true, mode: 0o755 });
  return {
    Type: 'bind',
    Source: posix.normalize(source),
    Destination: destination,
    Mode: flags,
    RW: writable,
    Propagation: propagation || 'rprivate',
  };
}

function fromRequest(request: MountRequest, hostConfig: HostConfig, volumes: Volumes): ContainerMount {
  const type = request.Type ?? 'volume';
  const refuse = (reason: string) => invalid(`invalid mount config for type "${type}": ${reason}`);
  if (!request.Target) throw refuse('field Target must not be empty');
  const destination = destinationOf(request.Target);
  const writable = request.ReadOnly !== true;
  switch (type) {
    case 'bind': {
      const source = request.Source ?? '';
      if (source === '') throw refuse('field Source must not be empty');
      if (!source.startsWith('/')) throw refuse(`invalid mount path: '${source}' mount path must be absolute`);
      if (request.BindOptions?.CreateMountpoint) mkdirSync(source, { recursive: true, mode: 0o755 });
      if (!statSync(source, { throwIfNoEntry: false })) throw refuse(`bind source path does not exist: ${source}`);
      return {
        Type: 'bind',
        Source: posix.normalize(source),
        Destination: destination,
        Mode: '',
        RW: writable,
        Propagation: request.BindOptions?.Propagation || 'rprivate',
        ...(request.BindOptions?.NonRecursive ? { nonRecursive: true } : {}),
      };
    }
    case 'volume': {
      const options = request.VolumeOptions;
      const driver = options?.DriverConfig?.Name || hostConfig.VolumeDriver;
      const mount = namedVolume(volumes, request.Source ?? '', destination, { writable, copyUp: options?.NoCopy !== true }, driver, {
        labels: options?.Labels ?? undefined,
        options: options?.DriverConfig?.Options ?? undefined,
      });
      return { ...mount, Mode: 'z', ...(options?.Subpath ? { Source: subpathOf(mount.Source, options.Subpath), copyUp: false } : {}) };
    }
    case 'tmpfs': {
      if (request.Source) throw refuse('field Source must not be specified');
      const { SizeBytes, Mode, Options } = request.TmpfsOptions ?? {};
      return tmpfs(destination, [
        ...(writable ? [] : ['ro']),
        ...(SizeBytes ? [`size=${SizeBytes}`] : []),
        ...(Mode ? [`mode=${Mode.toString(8)}`] : []),
        ...(Options ?? []).map((pair) => pair.join('=')),
      ]);
    }
    default:
      throw refuse('mount type unknown');
  }
}

function namedVolume(
  volumes: Volumes,
  name: string,
  destination: string,
  flags: { writable: boolean; copyUp: boolean },
  driver = 'local',
  more: { labels?: Record<string, string>; options?: Record<string, string> } = {},
): ContainerMount {
  const anonymous = name === '';
  const volume = volumes.create({ Name: name, Driver: driver, Labels: more.labels, DriverOpts: more.options }, anonymous);
  const source = volumes.source(volume.Name);
  return {
    Type: 'volume',
    Name: volume.Name,
    Source: 'path' in source ? source.path : volume.Mountpoint,
    Destination: destination,
    Driver: volume.Driver,
    Mode: anonymous ? '' : 'z',
    RW: flags.writable,
    Propagation: '',
    copyUp: flags.copyUp && !('device' in source),
    anonymous,
    ...('device' in source ? { kernel: source } : {}),
  };
}

/** A directory or file inside a volume; links are resolved inside it, so that none leads out. */
function subpathOf(volume: string, subpath: string): string {
  const root = openSync(volume, constants.O_RDONLY | constants.O_DIRECTORY);
  const fd = tryOpenInRoot(root, subpath, O.PATH);
  try {
    if (fd < 0) throw invalid(`invalid mount config for type "volume": subpath ${subpath} does not exist in the volume`);
    return readlinkSync(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(root);
    if (fd >= 0) closeSync(fd);
  }
}

function tmpfs(destination: string, options: string[]): ContainerMount {
  return { Type: 'tmpfs', Source: '', Destination: destination, Mode: '', RW: !options.includes('ro'), Propagation: '', options };
}

/** `--volumes-from NAME[:ro|rw]` */
function fromContainers(references: readonly string[], sources: MountSources): ContainerMount[] {
  return references.flatMap((reference) => {
    const [name = '', mode = 'rw'] = reference.split(':', 2);
    if (!['ro', 'rw', 'z', 'Z'].includes(mode)) throw invalid(`invalid mode: ${mode}`);
    const other = sources.containerOf(name);
    return other.record.mounts
      .filter((mount) => mount.Type !== 'tmpfs')
      .map((mount) => ({ ...mount, RW: mount.RW && mode !== 'ro', anonymous: false, copyUp: false }));
  });
}

function destinationOf(target: string, whole = target): string {
  if (!target.startsWith('/'))
    throw invalid(`invalid volume specification: '${whole}': invalid mount path: '${target}' mount path must be absolute`);
  const clean = posix.normalize(target).replace(/(?<=.)\/$/, '');
  if (clean === '/') throw invalid(`invalid volume specification: '${whole}': destination can't be '/'`);
  return clean;
}

function duplicate(destination: string): EngineError {
  return invalid(`Duplicate mount point: ${destination}`);
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon' });
}
