// A tree of files as a tar stream. Every step goes from a directory's descriptor to a name in it and follows no link, so that a
// process that rearranges the tree meanwhile cannot lead us out of it.
import { closeSync, createReadStream, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { O, openAt } from '@berth/sys/path';
import type { Header, Pack } from 'tar-stream';

/** Packs `name` of `directory` (a descriptor) as `as`, with everything below it; stays on one file system. */
export async function packTree(pack: Pack, directory: number, name: string, as: string, links = new Map<string, string>()): Promise<void> {
  const path = `/proc/self/fd/${directory}/${name}`;
  const stats = lstatSync(path);
  const header = headerOf(stats, as);
  const twin = stats.nlink > 1 && stats.isFile() ? links.get(`${stats.dev}:${stats.ino}`) : undefined;
  if (twin !== undefined) {
    await addEntry(pack, { ...header, type: 'link', linkname: twin, size: 0 });
  } else if (stats.isSymbolicLink()) {
    await addEntry(pack, { ...header, type: 'symlink', linkname: readlinkSync(path), size: 0 });
  } else if (stats.isFile()) {
    if (stats.nlink > 1) links.set(`${stats.dev}:${stats.ino}`, as);
    if (stats.size === 0) {
      await addEntry(pack, { ...header, type: 'file', size: 0 });
      return;
    }
    const fd = openAt(directory, name, O.RDONLY | O.NOFOLLOW | O.NONBLOCK);
    // Exactly as many bytes as were announced, whatever is written meanwhile.
    const content = createReadStream('', { fd, end: stats.size - 1 });
    await pipeline(content, pack.entry({ ...header, type: 'file', size: stats.size }));
  } else if (stats.isDirectory()) {
    await addEntry(pack, { ...header, name: as.endsWith('/') ? as : `${as}/`, type: 'directory', size: 0 });
    const inner = openAt(directory, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
    try {
      for (const child of readdirSync(`/proc/self/fd/${inner}`)) {
        if (lstatSync(`/proc/self/fd/${inner}/${child}`).dev !== stats.dev) continue;
        await packTree(pack, inner, child, `${as.replace(/\/$/, '')}/${child}`, links);
      }
    } finally {
      closeSync(inner);
    }
  } else if (stats.isFIFO()) {
    await addEntry(pack, { ...header, type: 'fifo', size: 0 });
  } else if (stats.isCharacterDevice() || stats.isBlockDevice()) {
    const device = stats.rdev;
    const numbers = { devmajor: (device >> 8) & 0xfff, devminor: (device & 0xff) | ((device >> 12) & 0xfff00) };
    await addEntry(pack, { ...header, ...numbers, type: stats.isBlockDevice() ? 'block-device' : 'character-device', size: 0 });
  }
}

function headerOf(stats: Stats, name: string): Pick<Header, 'name' | 'mode' | 'uid' | 'gid' | 'mtime'> {
  return { name, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid, mtime: stats.mtime };
}

function addEntry(pack: Pack, header: Partial<Header> & Pick<Header, 'name'>): Promise<void> {
  return new Promise((resolve, reject) => {
    // Without content, a file's entry would stay open for it.
    pack.entry(header, '', (error) => (error ? reject(error) : resolve()));
  });
}
