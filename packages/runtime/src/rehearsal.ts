// Init's part, played by a process that will fork inits later: what V8 compiles and learns on the way is then there in every one of
// them, where it would be done anew each time. What can be taken back is done for real: mounts, /dev, the change of root, read-only and
// masked paths. The process enters namespaces of its own for it, and comes back. Its caller has one thread.
import { closeSync, openSync } from 'node:fs';
import { CLONE, setns, unshare } from '@berth/sys/namespace';
import { chdir } from '@berth/sys/path';
import { umask } from '@berth/sys/process';
import { readBundle, validateSpec } from './bundle.ts';
import { hierarchies } from './cgroup/hierarchy.ts';
import { openCgroup } from './cgroup/open.ts';
import type { CreateOptions } from './container-options.ts';
import { lookUp } from './init/become-program.ts';
import { enterRoot, makeRoot } from './init/init.ts';
import { canWaitAsProgram, waitingProgram } from './init/wait-as-program.ts';
import { orderOf, planOrder } from './prepared-init.ts';

/** The mount namespace last: it sets root and working directory, and until then the others' paths are needed. */
const HOME = [
  ['uts', CLONE.NEWUTS],
  ['ipc', CLONE.NEWIPC],
  ['cgroup', CLONE.NEWCGROUP],
  ['mnt', CLONE.NEWNS],
] as const;

/** Nothing is left of it. A process that cannot come back aborts: it must not go on with a stranger's root. */
export function rehearse(options: CreateOptions, rounds: number): void {
  const read = options.spec ?? readBundle(options.bundle);
  // A sysctl would be the host's.
  const spec = { ...read, linux: { ...read.linux, sysctl: {} } };
  validateSpec(spec);
  if (!spec.process) return;
  const mounted = hierarchies();
  const cgroup = openCgroup({ id: options.id, cgroupsPath: spec.linux?.cgroupsPath, hierarchies: mounted });
  const namespaces = { cloneFlags: 0, lateFlags: 0, joins: [], joinPid: undefined, needsIntermediate: false };
  const { order, fds } = orderOf(options, spec, { gate: -1, cgroup, mounted }, namespaces);
  const plan = planOrder(JSON.parse(JSON.stringify(order)), fds);
  const home = HOME.map(([name, flag]) => ({ fd: openSync(`/proc/self/ns/${name}`, 'r'), flag }));
  const mask = umask(0);
  const directory = process.cwd();
  // What a mount of the type cgroup shows.
  cgroup.create();
  try {
    for (let round = 0; round < rounds; round++) {
      unshare(home.reduce((flags, { flag }) => flags | flag, 0));
      try {
        enterRoot(plan, makeRoot(plan), undefined);
        const path = lookUp(plan.args[0] ?? '', plan.env);
        if (canWaitAsProgram(plan)) waitingProgram(plan, path);
      } finally {
        comeHome(home);
        chdir(directory);
      }
    }
  } finally {
    cgroup.remove();
    umask(mask);
    for (const { fd } of home) closeSync(fd);
  }
}

function comeHome(home: readonly { fd: number; flag: number }[]): void {
  try {
    for (const { fd, flag } of home) setns(fd, flag);
  } catch {
    process.abort();
  }
}
