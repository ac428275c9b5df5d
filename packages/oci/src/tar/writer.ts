// A tar writer: ustar headers, with a pax header before those that ustar cannot hold. The same entries give the same bytes on any
// machine, so that a layer that is packed twice has one digest.
import { Buffer } from 'node:buffer';
import type { TarEntry, TarEntryType } from './entry.ts';
import { BLOCK, FLAG, fitsOctal, writeHeader } from './header.ts';
import { formatPaxTime, type PaxRecords, writePax, XATTR_PREFIX } from './pax.ts';

const FLAGS: Record<TarEntryType, string> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const NON_ASCII = /[^\x20-\x7e]/;

/** The blocks before a member's data. */
export function tarHeader(entry: TarEntry): Buffer {
  const name = entry.type === 'directory' ? `${entry.name}/` : entry.name;
  const records: PaxRecords = new Map();
  if (name.length > 100 || NON_ASCII.test(name)) records.set('path', name);
  if (entry.linkName.length > 100 || NON_ASCII.test(entry.linkName)) records.set('linkpath', entry.linkName);
  if (!fitsOctal(entry.size, 12)) records.set('size', String(entry.size));
  if (!fitsOctal(entry.uid, 8)) records.set('uid', String(entry.uid));
  if (!fitsOctal(entry.gid, 8)) records.set('gid', String(entry.gid));
  if (entry.nanoseconds !== 0 || !fitsOctal(entry.seconds, 12)) records.set('mtime', formatPaxTime(entry.seconds, entry.nanoseconds));
  if (entry.userName.length > 32 || NON_ASCII.test(entry.userName)) records.set('uname', entry.userName);
  if (entry.groupName.length > 32 || NON_ASCII.test(entry.groupName)) records.set('gname', entry.groupName);
  const xattrs = [...(entry.xattrs ?? [])].sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [key, value] of xattrs) records.set(`${XATTR_PREFIX}${key}`, value.toString('latin1'));
  const within = (value: number, width: 8 | 12) => (fitsOctal(value, width) ? value : 0);
  const own = writeHeader({
    name: name.slice(0, 100),
    linkName: entry.linkName.slice(0, 100),
    mode: entry.mode & 0o7777,
    uid: within(entry.uid, 8),
    gid: within(entry.gid, 8),
    size: within(entry.size, 12),
    seconds: within(entry.seconds, 12),
    flag: FLAGS[entry.type],
    userName: entry.userName.slice(0, 32),
    groupName: entry.groupName.slice(0, 32),
    major: entry.major,
    minor: entry.minor,
  });
  return records.size === 0 ? own : Buffer.concat([paxBlocks(name, records), own]);
}

function paxBlocks(name: string, records: PaxRecords): Buffer {
  const content = writePax(records);
  const base = name.replace(/\/$/, '').split('/').at(-1) ?? '';
  const header = writeHeader({
    name: `PaxHeaders.0/${base.replace(/[^\x20-\x7e]/g, '_')}`.slice(0, 100),
    linkName: '',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: content.length,
    seconds: 0,
    flag: FLAG.paxLocal,
    userName: '',
    groupName: '',
    major: 0,
    minor: 0,
  });
  return Buffer.concat([header, content, tarPadding(content.length)]);
}

/** The zeros after a member's data. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The zeros that end an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}
