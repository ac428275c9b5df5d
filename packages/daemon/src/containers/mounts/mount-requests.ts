// From what was asked (-v, --mount, --tmpfs, --volumes-from, the image's VOLUMEs) to the container's mounts: each destination once,
// named volumes made, anonymous ones made up, bind sources checked. What comes later wins over what comes earlier:
// image volumes < volumes-from < binds < mounts (moby's daemon/volumes.go).
import { mkdirSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import type { ContainerConfig, HostConfig, MountRequest } from '@berth/api/host-config';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import type { ImageResolver } from '../../images/image.ts';
import type { Volumes } from '../../volumes/volumes.ts';
import type { Container, ContainerMount } from '../container.ts';
import { checkMount, destinationOf, parseBind, parseTmpfsOptions, parseVolumesFrom } from './mount-rules.ts';

export interface MountSources {
  readonly volumes: Volumes;
  readonly images: ImageResolver;
  readonly containerOf: (reference: string) => Container;
}

/** One mount before anything is made for it. */
interface Asked {
  readonly request: MountRequest;
  readonly destination: string;
  /** As `-v` had it; undefined for what did not come from there. */
  readonly mode?: string;
  /** -v makes the directory where --mount insists that it exists. */
  readonly makeSource: boolean;
}

/** Everything is checked before the first volume is made; the anonymous ones go again when a later one fails. */
export async function settleMounts(config: ContainerConfig, hostConfig: HostConfig, sources: MountSources): Promise<ContainerMount[]> {
  const settled = new Map<string, ContainerMount>();
  const asked = new Map<string, Asked>();
  for (const mount of fromContainers(hostConfig.VolumesFrom ?? [], sources)) settled.set(mount.Destination, mount);
  for (const text of hostConfig.Binds ?? []) {
    const { request, mode } = parseBind(text, hostConfig.VolumeDriver);
    const destination = destinationOf(request.Target as string);
    if (asked.has(destination)) throw duplicate(destination);
    asked.set(destination, { request, destination, mode, makeSource: true });
  }
  for (const request of hostConfig.Mounts ?? []) {
    checkMount(request, { sourceExists: true });
    const destination = destinationOf(request.Target as string);
    if (asked.has(destination)) throw duplicate(destination);
    asked.set(destination, { request, destination, makeSource: request.BindOptions?.CreateMountpoint === true });
  }
  for (const [target, options] of Object.entries(hostConfig.Tmpfs ?? {})) {
    const destination = destinationOf(target);
    if (asked.get(destination)?.mode !== undefined) throw duplicate(destination);
    settled.set(destination, tmpfs(destination, parseTmpfsOptions(options)));
  }
  for (const target of Object.keys(config.Volumes ?? {})) {
    const destination = destinationOf(target);
    if (settled.has(destination) || asked.has(destination)) continue;
    asked.set(destination, { request: { Type: 'volume' }, destination, makeSource: false });
  }
  try {
    for (const one of asked.values()) settled.set(one.destination, await settle(one, hostConfig, sources));
  } catch (error) {
    for (const { anonymous, Name } of settled.values()) if (anonymous && Name) await sources.volumes.remove(Name, true);
    throw error;
  }
  return [...settled.values()];
}

async function settle(asked: Asked, hostConfig: HostConfig, sources: MountSources): Promise<ContainerMount> {
  const { request, destination } = asked;
  switch (request.Type ?? 'volume') {
    case 'bind':
      return bind(asked);
    case 'tmpfs':
      return tmpfs(destination, tmpfsOptions(request));
    case 'image': {
      const { id, chainId } = await sources.images.resolve(request.Source as string);
      const place = { Type: 'image', Name: id, Source: request.Source as string, Destination: destination, Mode: '', RW: false } as const;
      return { ...place, Propagation: '', imageLayers: chainId, subpath: request.ImageOptions?.Subpath || undefined };
    }
    default:
      return await volume(asked, hostConfig, sources.volumes);
  }
}

function bind({ request, destination, mode = '', makeSource }: Asked): ContainerMount {
  const source = request.Source as string;
  if (makeSource && !statSync(source, { throwIfNoEntry: false })) mkdirSync(source, { recursive: true, mode: 0o755 });
  const { Propagation, NonRecursive, ReadOnlyNonRecursive } = request.BindOptions ?? {};
  return {
    Type: 'bind',
    Source: posix.normalize(source),
    Destination: destination,
    Mode: mode,
    RW: request.ReadOnly !== true,
    Propagation: Propagation || 'rprivate',
    ...(NonRecursive ? { nonRecursive: true } : {}),
    ...(ReadOnlyNonRecursive ? { readOnlyNonRecursive: true } : {}),
  };
}

async function volume({ request, destination, mode }: Asked, hostConfig: HostConfig, volumes: Volumes): Promise<ContainerMount> {
  const options = request.VolumeOptions;
  const driver = options?.DriverConfig?.Name || (request.Source ? hostConfig.VolumeDriver : '');
  const made = await volumes.ensure({
    Name: request.Source ?? '',
    Driver: driver,
    DriverOpts: options?.DriverConfig?.Options,
    Labels: options?.Labels,
  });
  const anonymous = !request.Source;
  return {
    Type: 'volume',
    Name: made.Name,
    Source: made.Mountpoint,
    Destination: destination,
    Driver: made.Driver,
    Mode: mode || (anonymous ? '' : 'z'),
    RW: request.ReadOnly !== true,
    Propagation: '',
    copyUp: options?.NoCopy !== true && !options?.Subpath,
    anonymous,
    ...(options?.Subpath ? { subpath: options.Subpath } : {}),
  };
}

function tmpfsOptions({ TmpfsOptions: options, ReadOnly }: MountRequest): string[] {
  return [
    ...(ReadOnly ? ['ro'] : []),
    ...(options?.SizeBytes ? [`size=${options.SizeBytes}`] : []),
    ...(options?.Mode ? [`mode=${options.Mode.toString(8)}`] : []),
    ...(options?.Options ?? []).map((pair) => pair.join('=')),
  ];
}

function tmpfs(destination: string, options: string[]): ContainerMount {
  return { Type: 'tmpfs', Source: '', Destination: destination, Mode: '', RW: !options.includes('ro'), Propagation: '', options };
}

/** `--volumes-from NAME[:ro|rw]` */
function fromContainers(references: readonly string[], sources: MountSources): ContainerMount[] {
  return references.flatMap((reference) => {
    const { name, readOnly } = parseVolumesFrom(reference);
    return ownerOf(name, sources)
      .record.mounts.filter((mount) => mount.Type === 'volume' || mount.Type === 'bind')
      .map(({ at: _, ...mount }) => ({ ...mount, RW: mount.RW && !readOnly, anonymous: false, copyUp: false }));
  });
}

/** Not NotFound: that is what clients pull a missing image for. */
function ownerOf(name: string, { containerOf }: MountSources): Container {
  try {
    return containerOf(name);
  } catch (error) {
    if (!isKind(error, 'NotFound')) throw error;
    throw new EngineError('InvalidArgument', (error as Error).message, { layer: 'daemon', cause: error });
  }
}

function duplicate(destination: string): EngineError {
  return new EngineError('InvalidArgument', `Duplicate mount point: ${destination}`, { layer: 'daemon' });
}
