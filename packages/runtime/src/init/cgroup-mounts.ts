// A mount of the type `cgroup`: the steps that the parent planned (cgroup/mount-plan.ts), carried out below the container's root.
// Runs in init.
import { closeSync } from 'node:fs';
import { attachTree, cloneTree, MS, mount, setMountAttributes } from '@berth/sys/mount';
import { mkdirAt, O, openAt, openInRoot, symlinkAt } from '@berth/sys/path';
import type { InitPlan, MountPlan } from '../plan.ts';
import { openTarget } from './mount-target.ts';

const MS_DEFAULT = MS.NOSUID | MS.NODEV | MS.NOEXEC;

export function mountCgroups(plan: InitPlan, root: number, each: MountPlan): void {
  const readOnly = (each.options.flags & MS.RDONLY) !== 0;
  const target = openTarget(root, each.destination, 'directory');
  let directory = -1;
  for (const step of plan.cgroupMounts) {
    if (step.kind === 'symlink') symlinkAt(step.text, directory, step.target);
    else if (step.kind === 'tmpfs') {
      mount('tmpfs', `/proc/self/fd/${target}`, 'tmpfs', MS_DEFAULT | (each.options.flags & ~MS.RDONLY), 'mode=755');
      directory = openInRoot(root, each.destination, O.DIRECTORY);
    } else {
      let at = target;
      if (step.target) {
        mkdirAt(directory, step.target, 0o755);
        at = openAt(directory, step.target, O.PATH | O.NOFOLLOW);
      }
      if (step.kind === 'bind') {
        const tree = cloneTree(step.source, { recursive: false });
        setMountAttributes(tree, { set: 0xe | (readOnly ? 1 : 0) });
        attachTree(tree, at);
        closeSync(tree);
      } else mount('cgroup', `/proc/self/fd/${at}`, step.kind, MS_DEFAULT | each.options.flags, step.data || null);
      if (at !== target) closeSync(at);
    }
  }
  closeSync(target);
  if (directory < 0) return;
  // The tmpfs itself; each cgroup below has its own flag.
  if (readOnly) setMountAttributes(directory, { set: 1 });
  closeSync(directory);
}
