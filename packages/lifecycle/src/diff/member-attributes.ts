// Owner, mode, extended attributes and time of a new member, in the order in which the kernel does not undo the one with the other:
// chown clears setuid bits and file capabilities.
import type { TarEntry } from '@berth/oci/tar/entry';
import { chmodAt, chownAt, setTimeAt, setXattrAt } from '@berth/sys/byte-path';
import { failure } from './call-failure.ts';

const EPERM = -1;
const ENOTSUP = -95;

export interface AttributeOptions {
  /** Whether the member may have another owner than root now. */
  owned: boolean;
  /** Whether its permissions may differ from the entry's. */
  moded: boolean;
}

/** `path` is for messages. A directory's time is left to when its members are made. */
export function setAttributes(directory: number, name: string, path: string, entry: TarEntry, { owned, moded }: AttributeOptions): void {
  if (owned || entry.uid !== 0 || entry.gid !== 0) {
    expect(chownAt(directory, name, entry.uid, entry.gid), `chown ${entry.uid}:${entry.gid}`, path);
  }
  // A symbolic link has no mode; setting it would reach its target.
  if ((moded || entry.mode & 0o7000) && entry.type !== 'symlink') expect(chmodAt(directory, name, entry.mode), 'chmod', path);
  for (const [attribute, value] of entry.xattrs ?? []) setAttribute(directory, name, path, attribute, value);
  if (entry.type !== 'directory') expect(setTimeAt(directory, name, entry.seconds, entry.nanoseconds), 'set time', path);
}

function setAttribute(directory: number, name: string, path: string, attribute: string, value: Buffer): void {
  // overlayfs' own attributes are instructions to the kernel: an image must not give them.
  if (/^(trusted|user)\.overlay\./.test(attribute)) return;
  const result = setXattrAt(directory, name, attribute, value);
  // user.* needs a regular file or directory, trusted.* privileges, anything at all a file system that has attributes.
  if (result === ENOTSUP || (result === EPERM && !attribute.startsWith('security.'))) return;
  expect(result, `set attribute ${attribute}`, path);
}

function expect(result: number, call: string, path: string): void {
  if (result < 0) throw failure(call, path, result);
}
