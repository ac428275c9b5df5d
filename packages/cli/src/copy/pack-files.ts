// Local files as a tar stream for a container: a file or a tree under the name that it will have there, with links as links.
import { createReadStream, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack as newPack, type Pack, type Header as TarHeader } from 'tar-stream';

type Header = Partial<TarHeader> & Pick<TarHeader, 'name'>;

export function packFiles(path: string, name: string): Readable {
  const archive = newPack();
  void add(archive, path, name, new Map()).then(
    () => archive.finalize(),
    (error: Error) => archive.destroy(error),
  );
  return Readable.from(archive, { objectMode: false });
}

async function add(archive: Pack, path: string, name: string, links: Map<string, string>): Promise<void> {
  const stats = lstatSync(path);
  const header = { name, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid, mtime: stats.mtime };
  if (stats.isDirectory()) {
    await entry(archive, { ...header, name: `${name}/`, type: 'directory' });
    for (const child of readdirSync(path).sort()) await add(archive, join(path, child), `${name}/${child}`, links);
    return;
  }
  const inode = `${stats.dev}:${stats.ino}`;
  const twin = stats.nlink > 1 ? links.get(inode) : undefined;
  if (twin !== undefined) await entry(archive, { ...header, type: 'link', linkname: twin });
  else if (stats.isSymbolicLink()) await entry(archive, { ...header, type: 'symlink', linkname: readlinkSync(path) });
  else if (stats.isFile()) await file(archive, path, { ...header, type: 'file', size: stats.size });
  else if (stats.isFIFO()) await entry(archive, { ...header, type: 'fifo' });
  else if (!stats.isSocket()) await entry(archive, { ...header, ...deviceOf(stats) });
  if (stats.nlink > 1) links.set(inode, name);
}

function deviceOf(stats: Stats): Pick<Header, 'type' | 'devmajor' | 'devminor'> {
  return {
    type: stats.isBlockDevice() ? 'block-device' : 'character-device',
    devmajor: (stats.rdev >> 8) & 0xfff,
    devminor: (stats.rdev & 0xff) | ((stats.rdev >> 12) & 0xfff00),
  };
}

async function file(archive: Pack, path: string, header: Header & { size: number }): Promise<void> {
  if (header.size === 0) return entry(archive, header);
  // As many bytes as the header says, also when somebody is still writing.
  await pipeline(createReadStream(path, { end: header.size - 1 }), archive.entry(header));
}

function entry(archive: Pack, header: Header): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry(header, '', (error) => (error ? reject(error) : resolve()));
  });
}
