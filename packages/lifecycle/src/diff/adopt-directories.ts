// A layer may use a directory without listing it. Where a lower layer has that directory, its owner, mode, attributes and time must
// stay as they are there, although the layer's copy now hides them.
import { constants } from 'node:fs';
import {
  chmodAt,
  chownAt,
  closeFd,
  getXattrAt,
  listXattrAt,
  openAt,
  openInRoot,
  setTimeAt,
  setXattrAt,
  statAt,
} from '@berth/sys/byte-path';
import { failure } from './call-failure.ts';

const { O_DIRECTORY, O_NOFOLLOW, S_IFMT, S_IFDIR } = constants;
const O_PATH = 0o10000000;

/** Gives `names` below `upper` (byte strings, parents first) what the uppermost of `lowers` that has them says. */
export function adoptDirectories(upper: string, lowers: readonly string[], names: readonly string[]): void {
  if (names.length === 0) return;
  const root = openRoot(upper);
  const lowerRoots = lowers.map(openRoot);
  try {
    // Times last to first: none is disturbed by the others.
    for (const name of names.toReversed()) {
      const own = openInRoot(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
      if (own < 0) continue;
      try {
        for (const lower of lowerRoots) if (!adopt(own, lower, name)) break;
      } finally {
        closeFd(own);
      }
    }
  } finally {
    for (const fd of [root, ...lowerRoots]) closeFd(fd);
  }
}

/** False when this layer decides, by having the directory or something else of that name. */
function adopt(own: number, lower: number, name: string): boolean {
  const stat = statAt(lower, name);
  if (typeof stat === 'number') return true;
  if ((stat.mode & S_IFMT) !== S_IFDIR) return false;
  const source = openInRoot(lower, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (source < 0) return false;
  try {
    const owned = chownAt(own, '.', stat.uid, stat.gid);
    if (owned < 0) throw failure('chown', name, owned);
    const changed = chmodAt(own, '.', stat.mode & 0o7777);
    if (changed < 0) throw failure('chmod', name, changed);
    for (const attribute of listXattrAt(source, '.')) {
      const value = getXattrAt(source, '.', attribute);
      if (typeof value !== 'number' && !/^(trusted|user)\.overlay\./.test(attribute)) setXattrAt(own, '.', attribute, value);
    }
    setTimeAt(own, '.', stat.seconds, stat.nanoseconds);
  } finally {
    closeFd(source);
  }
  return false;
}

function openRoot(path: string): number {
  const fd = openAt(-100, Buffer.from(path).toString('latin1'), O_PATH | O_DIRECTORY);
  if (fd < 0) throw failure('open', Buffer.from(path).toString('latin1'), fd);
  return fd;
}
