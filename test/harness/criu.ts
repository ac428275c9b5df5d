// Whether this machine can save and restore processes: a criu, the one that setup unpacked or the machine's own, and a kernel for it.
import { spawnSync } from 'node:child_process';
import { program } from './programs.ts';

export const CRIU = program('criu');

/** Why the tests of checkpoints cannot run here, for `skip`; false when they can. */
export function criuMissing(): string | false {
  const check = spawnSync(CRIU, ['check', '--no-default-config'], { encoding: 'utf8', timeout: 20_000 });
  if (check.error) return `no criu: ${check.error.message}`;
  if (check.status === 0) return false;
  return `criu does not work here: ${check.stderr.trim().split('\n').at(-1) || `criu check ended with ${check.status}`}`;
}
