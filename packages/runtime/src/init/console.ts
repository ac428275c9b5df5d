// The container's terminal: a pseudo-terminal of its own devpts, whose slave becomes the standard streams, the controlling terminal
// and /dev/console. Runs in init and in exec'd processes; the master goes to the parent.
import { closeSync } from 'node:fs';
import { attachTree, cloneTree } from '@berth/sys/mount';
import { dup2, O, openInRoot } from '@berth/sys/path';
import { openPtyPeer, setControllingTerminal, setWindowSize } from '@berth/sys/pty';
import { openTarget } from './mount-target.ts';

export interface Terminal {
  master: number;
  slave: number;
}

export function openTerminal(root: number, size: { height: number; width: number } | undefined): Terminal {
  const master = openInRoot(root, '/dev/pts/ptmx', O.RDWR | O.NOCTTY);
  const slave = openPtyPeer(master);
  if (size && (size.height || size.width)) setWindowSize(master, { rows: size.height, columns: size.width });
  return { master, slave };
}

/**
 * The slave is bound from its descriptor: its name in /dev/pts might be anything by now; and a link of the
 * image leads it nowhere else, for nothing is masked or read-only yet (CVE-2025-52565).
 */
export function bindConsole(root: number, terminal: Terminal): void {
  const target = openTarget(root, '/dev/console', 'file', { noSymlinks: true });
  const tree = cloneTree(`/proc/self/fd/${terminal.slave}`, { recursive: false });
  attachTree(tree, target);
  closeSync(tree);
  closeSync(target);
}

/** The caller is a session leader. */
export function useTerminal(terminal: Terminal): void {
  setControllingTerminal(terminal.slave);
  for (const fd of [0, 1, 2]) dup2(terminal.slave, fd);
  if (terminal.slave > 2) closeSync(terminal.slave);
}
