// Unpacks a tar stream into a directory of a container that may be running. Parents are resolved by the kernel inside the container's
// root, members are made by plain name on their parent's descriptor, and whatever could follow a link is done on a descriptor of the
// member itself: a process that swaps directories for links meanwhile gains nothing (CVE-2018-15664).
import { chmodSync, constants, fstatSync, write as writeCallback } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path/posix';
import { promisify } from 'node:util';
import { EngineError } from '@berth/errdefs/engine-error';
import { failure } from '@berth/lifecycle/diff/call-failure';
import { namesIn } from '@berth/lifecycle/diff/tree-walk';
import { type TarEntry, toBytes, toText } from '@berth/oci/tar/entry';
import { tarMembers } from '@berth/oci/tar/members';
import {
  chownAt,
  closeFd,
  linkAt,
  mkdirAt,
  mknodAt,
  openAt,
  openInRoot,
  rmdirAt,
  setTimeAt,
  setXattrAt,
  statAt,
  symlinkAt,
  unlinkAt,
} from '@berth/sys/byte-path';
import { O } from '@berth/sys/path';
import { makeDirectories } from './files-view.ts';
import { isDirectory } from './find-path.ts';

const write = promisify(writeCallback);
const { S_IFIFO, S_IFCHR, S_IFBLK } = constants;
const ENOENT = -2;
const EXISTS = -17;
const UNSUPPORTED = new Set([-1, -95]);

export interface ExtractOptions {
  /** Refuse to put a directory in the place of something else, or the other way round. */
  readonly keepKinds: boolean;
  /** Everything becomes this account's, whatever the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** The root is a volume: it gets what the archive says of `.`, and no devices, which the host's users could open. */
  readonly wholeVolume?: boolean;
}

/** `root` is a descriptor of the container's root, `target` the path of a directory in it. */
export async function extractTree(
  archive: AsyncIterable<Uint8Array>,
  root: number,
  target: string,
  options: ExtractOptions,
): Promise<void> {
  const times: { path: string; entry: TarEntry }[] = [];
  for await (const { entry, data } of tarMembers(archive)) {
    const path = memberPath(entry.name);
    if (path === '.') {
      if (options.wholeVolume && entry.type === 'directory') {
        setAttributes(root, '.', entry);
        times.push({ path: '/', entry });
      }
      continue;
    }
    if (options.wholeVolume && (entry.type === 'character' || entry.type === 'block')) {
      throw new EngineError('InvalidArgument', `the archive holds the device ${JSON.stringify(toText(entry.name))}: volumes take none`, {
        layer: 'daemon',
      });
    }
    const whole = join(target, toText(path));
    const parent = makeDirectories(root, dirname(whole));
    const base = basename(path);
    try {
      makeWay(parent, base, entry, whole, options);
      const owned = options.owner ? { ...entry, ...options.owner } : entry;
      if (entry.type === 'file') await makeFile(parent, base, owned, data);
      else if (entry.type === 'hardlink') makeHardLink(root, target, parent, base, entry);
      else makeOther(parent, base, owned);
    } finally {
      closeFd(parent);
    }
    if (entry.type === 'directory') times.push({ path: whole, entry });
  }
  // Making what is in a directory changes its time.
  for (const { path, entry } of times) {
    const fd = openInRoot(root, toBytes(path), O.PATH | O.DIRECTORY);
    if (fd < 0) continue;
    setTimeAt(fd, '.', entry.seconds, entry.nanoseconds);
    closeFd(fd);
  }
}

/** Relative and without `..`; '.' for the directory itself. */
function memberPath(name: string): string {
  const path = normalize(`./${name}`).replace(/(?<=.)\/$/, '');
  if (path === '..' || path.startsWith('../')) {
    throw new EngineError(
      'InvalidArgument',
      `the archive's member ${JSON.stringify(toText(name))} lies outside of the directory it is unpacked in`,
      {
        layer: 'daemon',
      },
    );
  }
  return path;
}

/** Removes what is in the way of a member. Directories take in what comes. */
function makeWay(parent: number, base: string, entry: TarEntry, path: string, { keepKinds }: ExtractOptions): void {
  const there = statAt(parent, base);
  if (typeof there === 'number') return;
  const was = isDirectory(there);
  const becomes = entry.type === 'directory';
  if (was && becomes) return;
  if (keepKinds && was !== becomes) {
    const kind = (directory: boolean) => (directory ? 'directory' : 'non-directory');
    throw new EngineError('InvalidArgument', `cannot overwrite ${kind(was)} "${path}" with ${kind(becomes)} "${toText(entry.name)}"`, {
      layer: 'daemon',
    });
  }
  removeTree(parent, base);
}

async function makeFile(parent: number, base: string, entry: TarEntry, data: AsyncIterable<Buffer>): Promise<void> {
  const fd = expect(openAt(parent, base, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600), 'create', base);
  try {
    for await (const chunk of data) {
      for (let done = 0; done < chunk.length; ) done += (await write(fd, chunk, done, chunk.length - done)).bytesWritten;
    }
  } catch (error) {
    unlinkAt(parent, base);
    throw error;
  } finally {
    closeFd(fd);
  }
  setAttributes(parent, base, entry);
}

/** The other name is a member's too: it is looked for below the target. */
function makeHardLink(root: number, target: string, parent: number, base: string, entry: TarEntry): void {
  const source = memberPath(entry.linkName);
  const from = expect(openInRoot(root, toBytes(join(target, toText(dirname(source)))), O.PATH | O.DIRECTORY), 'find link target', source);
  try {
    expect(linkAt(from, basename(source), parent, base), `link to ${toText(entry.linkName)}`, base);
  } finally {
    closeFd(from);
  }
}

function makeOther(parent: number, base: string, entry: TarEntry): void {
  const { mode, major, minor } = entry;
  const makers = {
    directory: () => mkdirAt(parent, base, 0o700),
    symlink: () => symlinkAt(entry.linkName, parent, base),
    fifo: () => mknodAt(parent, base, S_IFIFO | (mode & 0o777), 0, 0),
    character: () => mknodAt(parent, base, S_IFCHR | (mode & 0o777), major, minor),
    block: () => mknodAt(parent, base, S_IFBLK | (mode & 0o777), major, minor),
  };
  const made = makers[entry.type as keyof typeof makers]();
  if (made !== EXISTS || entry.type !== 'directory') expect(made, `create ${entry.type}`, base);
  setAttributes(parent, base, entry);
}

/** Owner first: changing it clears set-id bits and capabilities. */
function setAttributes(parent: number, base: string, entry: TarEntry): void {
  expect(chownAt(parent, base, entry.uid, entry.gid), 'chown', base);
  for (const [name, value] of entry.xattrs ?? []) {
    // overlayfs' own attributes are instructions to the kernel.
    if (/^(trusted|user)\.overlay\./.test(name)) continue;
    const result = setXattrAt(parent, base, name, value);
    if (!UNSUPPORTED.has(result)) expect(result, `set attribute ${name}`, base);
  }
  if (entry.type !== 'symlink') {
    const fd = expect(openAt(parent, base, O.PATH | O.NOFOLLOW), 'open', base);
    try {
      // A link that has been put in its place meanwhile cannot be changed so, nor is it followed.
      if (!fstatSync(fd).isSymbolicLink()) chmodSync(`/proc/self/fd/${fd}`, entry.mode & 0o7777);
    } finally {
      closeFd(fd);
    }
  }
  if (entry.type !== 'directory') expect(setTimeAt(parent, base, entry.seconds, entry.nanoseconds), 'set time', base);
}

/** Removes links, never what they lead to. */
function removeTree(directory: number, name: string): void {
  const unlinked = unlinkAt(directory, name);
  if (unlinked === 0 || unlinked === ENOENT) return;
  const fd = expect(openAt(directory, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW), 'remove', name);
  try {
    for (const child of namesIn(fd)) removeTree(fd, child);
  } finally {
    closeFd(fd);
  }
  const removed = rmdirAt(directory, name);
  if (removed !== ENOENT) expect(removed, 'rmdir', name);
}

function expect(result: number, call: string, name: string): number {
  if (result < 0) throw failure(call, name, result);
  return result;
}
