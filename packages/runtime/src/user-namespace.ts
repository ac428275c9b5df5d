// A user namespace without a process, as a descriptor: what mount_setattr(2) reads the id maps of a mount from. A child is born into it,
// gets the maps written, and ends; the descriptor keeps the namespace. Runs in the parent.
import { openSync } from 'node:fs';
import type { IdMapping } from '@berth/oci/runtime-spec';
import { exitNow } from '@berth/sys/fork';
import { CLONE, forkInto, kill } from '@berth/sys/namespace';
import { blockSignals } from '@berth/sys/process';
import { waitpid } from '@berth/sys/wait';
import { Channel } from './channel.ts';
import { writeIdMaps } from './id-maps.ts';

const SIGKILL = 9;

export function makeUserNamespace(uids: readonly IdMapping[], gids: readonly IdMapping[]): number {
  const [parent, child] = Channel.pair();
  const unblock = blockSignals();
  const pid = forkInto(CLONE.NEWUSER);
  if (pid === 0) {
    try {
      parent.close();
      // Ends with the stream, should the parent die.
      child.awaitGo();
    } finally {
      exitNow(0);
    }
  }
  try {
    writeIdMaps(pid, uids, gids);
    return openSync(`/proc/${pid}/ns/user`, 'r');
  } finally {
    kill(pid, SIGKILL);
    waitpid(pid);
    unblock();
    child.close();
    parent.close();
  }
}
