// Killing every process of a cgroup where the kernel has no cgroup.kill: stop them all, signal them, let them die.
//
// Used by both generations. Without the stop a program that forks faster than it is killed would survive.
import { isKind } from '@berth/errdefs/engine-error';
import type { Cgroup } from './cgroup.ts';

export function killAll(cgroup: Cgroup): void {
  const pids = cgroup.pids();
  if (pids.length === 0) {
    thawIfFrozen(cgroup);
    return;
  }
  const one = pids.length === 1 && !cgroup.frozen();
  // One process alone may still fork; it is looked for again below, the freezer is for the general case.
  if (one) {
    signal(pids);
    if (cgroup.pids().every((pid) => pids.includes(pid))) return;
  }
  try {
    cgroup.freeze();
  } catch (error) {
    // No freezer here, or a process that cannot stop: signal what there is.
    if (!isKind(error, 'FailedPrecondition') && !isKind(error, 'DeadlineExceeded')) throw error;
  }
  signal(cgroup.pids());
  thawIfFrozen(cgroup);
}

function thawIfFrozen(cgroup: Cgroup): void {
  if (cgroup.frozen()) cgroup.thaw();
}

function signal(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
