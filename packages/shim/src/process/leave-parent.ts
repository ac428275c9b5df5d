// What a process does to stand on its own (setsid(2), prctl(2)): the shim survives everything that made it.
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { duplicateTo } from '@berth/sys/pipe';
import { setChildSubreaper, setsid } from '@berth/sys/process';

/** Killed after everything else when memory runs out, like containerd's own shims; container processes get their own score. */
const OOM_SCORE = '-998';

/** New session, orphans adopted, standard streams to nowhere; `title` is what ps shows. */
export function leaveParent(title: string): void {
  try {
    setsid();
  } catch {
    // EPERM: it leads its process group, so it has a session already.
  }
  setChildSubreaper(true);
  process.title = title;
  process.chdir('/');
  try {
    writeFileSync('/proc/self/oom_score_adj', OOM_SCORE);
  } catch {
    // Lowering it takes CAP_SYS_RESOURCE, which even root may lack in a container.
  }
  const nowhere = openSync('/dev/null', 'r+');
  for (const fd of [0, 1, 2]) duplicateTo(nowhere, fd);
  if (nowhere > 2) closeSync(nowhere);
}
