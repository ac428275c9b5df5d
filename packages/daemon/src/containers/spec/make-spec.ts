// Brings together what a container's specification is made of: its record, the accounts of its image, the files that the daemon
// keeps for it, and the other containers whose namespaces it shares.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Spec } from '@berth/oci/runtime-spec';
import type { Container } from '../container.ts';
import { containerDirectory } from '../container-directory.ts';
import type { ContainerContext } from '../context.ts';
import { containerOfMode } from './namespaces.ts';
import { specOf } from './spec.ts';
import { resolveUser } from './users.ts';

export function makeSpec(context: ContainerContext, container: Container): Spec {
  const { record } = container;
  return specOf({
    record,
    config: context.config,
    user: resolveUser(record.config.User ?? '', record.hostConfig.GroupAdd ?? [], context.accounts.of(container)),
    files: { ...networkFiles(context, container), marker: markerFile(context) },
    sharedShm: sharedShm(context, container),
    pidOf: (reference) => runningPid(context, reference),
  });
}

/** The empty /.dockerenv, by which programs know that they are in a container. */
function markerFile({ config }: ContainerContext): string {
  const path = join(config.dataRoot, 'dockerenv');
  writeFileSync(path, '', { mode: 0o644 });
  return path;
}

/** The files that name the container and its resolvers: its own, or those of the container whose network it shares. */
export function networkFiles(context: ContainerContext, container: Container): { hostname: string; hosts: string; resolvConf: string } {
  const other = containerOfMode(container.record.hostConfig.NetworkMode);
  const owner = other === undefined ? container.id : context.store.get(other).id;
  const directory = containerDirectory(context.config, owner);
  return {
    hostname: join(directory, 'hostname'),
    hosts: join(directory, 'hosts'),
    resolvConf: join(directory, 'resolv.conf'),
  };
}

/** With --ipc=host or container:NAME, /dev/shm is the one that goes with that namespace. */
function sharedShm(context: ContainerContext, container: Container): string | undefined {
  const mode = container.record.hostConfig.IpcMode ?? '';
  if (mode === 'host') return '/dev/shm';
  const other = containerOfMode(mode);
  return other === undefined ? undefined : `/proc/${runningPid(context, other)}/root/dev/shm`;
}

function runningPid(context: ContainerContext, reference: string): number {
  const container = context.store.get(reference);
  if (!container.running) {
    throw new EngineError('Conflict', `cannot join the namespaces of a non running container: ${container.id}`, { layer: 'daemon' });
  }
  return container.record.state.pid;
}
