// Whether a bind mount can pass mounts on as it was asked to: only a shared mount of the host tells of what is mounted below it, and only
// a shared one or a slave hears of it (mount_namespaces(7)). Refused before the start, in moby's words, instead of ignored.
import { readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { ContainerMount } from '../container.ts';

/** Throws InvalidArgument. */
export function checkPropagation({ Source, Propagation }: ContainerMount): void {
  const shared = Propagation === 'shared' || Propagation === 'rshared';
  const slave = Propagation === 'slave' || Propagation === 'rslave';
  if (!shared && !slave) return;
  const mount = mountOf(Source);
  const marks = mount.slice(6, mount.indexOf('-'));
  if (marks.some((mark) => mark.startsWith('shared:') || (slave && mark.startsWith('master:')))) return;
  const wanted = shared ? 'a shared mount' : 'a shared or slave mount';
  throw new EngineError('InvalidArgument', `path ${Source} is mounted on ${mount[4] ?? '/'} but it is not ${wanted}`, { layer: 'daemon' });
}

/** The fields of the line of mountinfo whose mount a path lies in (proc_pid_mountinfo(5)); the last one covers those before it. */
function mountOf(path: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' '));
  const above = lines.filter(([, , , , point = '']) => point === '/' || `${path}/`.startsWith(`${point}/`));
  const longest = Math.max(...above.map(([, , , , point = '']) => point.length));
  return above.findLast(([, , , , point = '']) => point.length === longest) ?? [];
}
