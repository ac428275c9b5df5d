// The id maps of a new user namespace (user_namespaces(7)), written by the parent while the child waits. A user may map their own id by
// themselves; ranges that /etc/subuid and /etc/subgid give them are written by newuidmap and newgidmap, which are setuid root.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { IdMapping } from '@berth/oci/runtime-spec';

export function writeIdMaps(pid: number, uids: readonly IdMapping[], gids: readonly IdMapping[]): void {
  // An unprivileged user may map groups only when nobody inside can drop one.
  if (deniesSetgroups(gids)) writeFileSync(`/proc/${pid}/setgroups`, 'deny');
  write(pid, 'uid', uids);
  write(pid, 'gid', gids);
}

/** Inside, groups cannot be changed: their map is one that the caller writes without being root. */
export function deniesSetgroups(gids: readonly IdMapping[]): boolean {
  return process.geteuid?.() !== 0 && !isForHelper(gids, process.getegid?.());
}

function isForHelper(mappings: readonly IdMapping[], own: number | undefined): boolean {
  return mappings.length > 1 || mappings.some(({ hostID, size }) => size !== 1 || hostID !== own);
}

function write(pid: number, kind: 'uid' | 'gid', mappings: readonly IdMapping[]): void {
  if (!mappings.length) return;
  const own = kind === 'uid' ? process.geteuid?.() : process.getegid?.();
  if (own !== 0 && process.geteuid?.() !== 0 && isForHelper(mappings, own)) {
    callHelper(`new${kind}map`, pid, mappings);
    return;
  }
  const path = `/proc/${pid}/${kind}_map`;
  try {
    writeFileSync(path, mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join(''));
  } catch (cause) {
    throw new EngineError('InvalidArgument', `failed to write linux.${kind}Mappings to ${path}: ${(cause as Error).message}`, {
      layer: 'runtime',
      cause,
    });
  }
}

function callHelper(helper: string, pid: number, mappings: readonly IdMapping[]): void {
  const numbers = mappings.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size]).map(String);
  const { error, status, stderr } = spawnSync(helper, [String(pid), ...numbers], { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  if (!error && status === 0) return;
  const why = error
    ? `${helper} cannot be run (${error.message}): it comes with the package uidmap`
    : `${stderr.trim()}: /etc/sub${helper.slice(3, 6)} says which ids a user has`;
  throw new EngineError('PermissionDenied', `failed to map ids by ${helper}: ${why}`, { layer: 'runtime', cause: error });
}
