// Which namespaces a container has for itself and which it shares: --network, --pid, --ipc, --uts, --cgroupns, with `host` and
// `container:NAME`. Sharing another container's namespace goes by the process id that it has now.
import type { HostConfig } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Namespace, NamespaceType } from '@berth/oci/runtime-spec';

/** The process id of a running container by name or id. Throws when there is none. */
export type PidOf = (reference: string) => number;

export function namespaces(hostConfig: HostConfig, cgroupnsDefault: 'private' | 'host', pidOf: PidOf): Namespace[] {
  const list: Namespace[] = [{ type: 'mount' }];
  add(list, 'network', hostConfig.NetworkMode ?? '', 'net', pidOf);
  add(list, 'pid', hostConfig.PidMode ?? '', 'pid', pidOf);
  add(list, 'ipc', hostConfig.IpcMode ?? '', 'ipc', pidOf);
  add(list, 'uts', hostConfig.UTSMode ?? '', 'uts', pidOf);
  const cgroupns = hostConfig.CgroupnsMode || cgroupnsDefault;
  if (cgroupns === 'private') list.push({ type: 'cgroup' });
  return list;
}

function add(list: Namespace[], type: NamespaceType, mode: string, file: string, pidOf: PidOf): void {
  if (mode === 'host') return;
  const other = containerOfMode(mode);
  list.push(other === undefined ? { type } : { type, path: `/proc/${pidOf(other)}/ns/${file}` });
}

/** The container of `container:NAME`. */
export function containerOfMode(mode: string | undefined): string | undefined {
  if (!mode?.startsWith('container:')) return undefined;
  const name = mode.slice('container:'.length);
  if (name === '') throw new EngineError('InvalidArgument', `invalid mode: ${mode}`, { layer: 'daemon' });
  return name;
}
