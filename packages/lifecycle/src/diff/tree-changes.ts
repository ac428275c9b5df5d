// What one directory tree changed over another, both plain: entries are compared by type, owner, mode, size, time, link target,
// device and file capabilities; only where times cannot tell (whole seconds, as archives leave them), by content.
import { constants, readSync } from 'node:fs';
import { closeFd, type FileStat, getXattrAt, openAt, readlinkAt, statAt } from '@berth/sys/byte-path';
import { isDirectory, type Member, namesIn, openDirectory, walk } from './tree-walk.ts';

export type Change =
  /** `opaque`: what lower layers have in this directory is gone. */
  { kind: 'changed'; member: Member; opaque?: boolean } | { kind: 'deleted'; path: string };

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, S_IFMT, S_IFREG, S_IFLNK } = constants;
const O_PATH = 0o10000000;

/** Changes of `upper` over `lower` (undefined: over nothing); directories come before what they hold. */
export function* changes(upper: string, lower: string | undefined): Generator<Change> {
  const newer = openDirectory(upper);
  const older = lower === undefined ? -1 : openDirectory(lower);
  try {
    yield* compare(newer, older, '');
  } finally {
    closeFd(newer);
    if (older >= 0) closeFd(older);
  }
}

function* compare(newer: number, older: number, prefix: string): Generator<Change> {
  if (older < 0) {
    for (const member of walk(newer, prefix)) yield { kind: 'changed', member };
    return;
  }
  const before = new Set(namesIn(older));
  const after = namesIn(newer);
  const present = new Set(after);
  const all = [...after, ...[...before].filter((name) => !present.has(name))].sort();
  for (const name of all) {
    const path = prefix === '' ? name : `${prefix}/${name}`;
    if (!present.has(name)) {
      yield { kind: 'deleted', path };
      continue;
    }
    const stat = statAt(newer, name);
    if (typeof stat === 'number') continue;
    const old = before.has(name) ? statAt(older, name) : -1;
    const member: Member = { path, name, directory: newer, stat };
    const changed = typeof old === 'number' || !same(member, older, old);
    if (!isDirectory(stat)) {
      if (changed) yield { kind: 'changed', member };
      continue;
    }
    yield* compareDirectory(member, older, typeof old === 'number' || !isDirectory(old) ? undefined : old, changed);
  }
}

/** A directory is told when it changed itself, or before the first change below it. */
function* compareDirectory(member: Member, olderParent: number, old: FileStat | undefined, changed: boolean): Generator<Change> {
  const newer = openAt(member.directory, member.name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (newer < 0) return;
  const older = old === undefined ? -1 : openAt(olderParent, member.name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  try {
    let told = changed;
    if (changed) yield { kind: 'changed', member };
    for (const change of compare(newer, older, member.path)) {
      if (!told) yield { kind: 'changed', member };
      told = true;
      yield change;
    }
  } finally {
    closeFd(newer);
    if (older >= 0) closeFd(older);
  }
}

function same(member: Member, older: number, old: FileStat): boolean {
  const { stat, name } = member;
  if (stat.mode !== old.mode || stat.uid !== old.uid || stat.gid !== old.gid) return false;
  if (stat.major !== old.major || stat.minor !== old.minor) return false;
  if (capability(member.directory, name) !== capability(older, name)) return false;
  // What a directory holds is compared for itself.
  if (isDirectory(stat)) return true;
  const type = stat.mode & S_IFMT;
  if (type === S_IFLNK) return readlinkAt(member.directory, name) === readlinkAt(older, name);
  if (stat.size !== old.size || stat.seconds !== old.seconds) return false;
  if (type !== S_IFREG || stat.inode === old.inode) return true;
  if (stat.nanoseconds !== 0 && old.nanoseconds !== 0) return stat.nanoseconds === old.nanoseconds;
  return sameContent(member.directory, older, name);
}

function capability(directory: number, name: string): string {
  const value = getXattrAt(directory, name, 'security.capability');
  return typeof value === 'number' ? '' : value.toString('latin1');
}

function sameContent(newer: number, older: number, name: string): boolean {
  const left = openAt(newer, name, O_RDONLY | O_NOFOLLOW);
  const right = openAt(older, name, O_RDONLY | O_NOFOLLOW);
  try {
    if (left < 0 || right < 0) return false;
    const one = Buffer.allocUnsafe(64 * 1024);
    const two = Buffer.allocUnsafe(64 * 1024);
    for (;;) {
      const length = readSync(left, one);
      if (length !== readSync(right, two)) return false;
      if (length === 0) return true;
      if (one.compare(two, 0, length, 0, length) !== 0) return false;
    }
  } finally {
    if (left >= 0) closeFd(left);
    if (right >= 0) closeFd(right);
  }
}
