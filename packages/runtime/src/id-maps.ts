// The id maps of a new user namespace (user_namespaces(7)), written by the parent while the child waits.
import { writeFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { IdMapping } from '@berth/oci/runtime-spec';

export function writeIdMaps(pid: number, uids: readonly IdMapping[], gids: readonly IdMapping[]): void {
  // An unprivileged user may map groups only when nobody inside can drop one.
  if (process.geteuid?.() !== 0) writeFileSync(`/proc/${pid}/setgroups`, 'deny');
  write(`/proc/${pid}/uid_map`, uids, 'uidMappings');
  write(`/proc/${pid}/gid_map`, gids, 'gidMappings');
}

function write(path: string, mappings: readonly IdMapping[], field: string): void {
  if (!mappings.length) return;
  try {
    writeFileSync(path, mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join(''));
  } catch (cause) {
    throw new EngineError('InvalidArgument', `failed to write linux.${field} to ${path}: ${(cause as Error).message}`, {
      layer: 'runtime',
      cause,
    });
  }
}
