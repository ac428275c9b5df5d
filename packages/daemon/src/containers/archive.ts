// `docker cp` and `docker export`: files of a container out of it and into it, whether it runs or not.
import { closeSync, lstatSync, readlinkSync, type Stats } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import type { Readable } from 'node:stream';
import type { PathStat } from '@berth/api/container';
import { EngineError } from '@berth/errdefs/engine-error';
import { O, tryOpenInRoot } from '@berth/sys/path';
import type { Span } from '@berth/trace/tracer';
import { pack } from 'tar-stream';
import { packTree } from './archive-tree.ts';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { extractTree } from './extract-tree.ts';
import { prepareRootfs } from './prepare.ts';
import { openMounts, openRoot, type Root } from './rootfs.ts';

/** The bits of Go's FileMode above the permissions. */
const GO_MODE = {
  directory: 2 ** 31,
  symlink: 2 ** 27,
  device: 2 ** 26,
  fifo: 2 ** 25,
  socket: 2 ** 24,
  setuid: 2 ** 23,
  setgid: 2 ** 22,
  character: 2 ** 21,
  sticky: 2 ** 20,
};

interface Found extends Disposable {
  /** The directory that it is in, and its name there. */
  readonly parent: number;
  readonly name: string;
  readonly stats: Stats;
  readonly stat: PathStat;
}

/** HEAD: what is at a path. */
export async function statPath(context: ContainerContext, container: Container, path: string, span: Span): Promise<PathStat> {
  await prepareRootfs(context, container, span);
  using root = openRoot(container, { writable: false });
  using found = find(root, container, path);
  return found.stat;
}

/** GET: a file or a tree as a tar stream, under its own name. The stream holds the root until it is done. */
export async function readArchive(
  context: ContainerContext,
  container: Container,
  path: string,
  span: Span,
): Promise<{ stat: PathStat; archive: Readable }> {
  await prepareRootfs(context, container, span);
  const root = openRoot(container, { writable: false });
  try {
    const found = find(root, container, path);
    emitContainerEvent(context, container, 'archive-path');
    return { stat: found.stat, archive: archiveOf(found.parent, found.name, found.name === '.' ? '/' : found.name, [found, root]) };
  } catch (error) {
    root[Symbol.dispose]();
    throw error;
  }
}

/** PUT: unpacks into a directory. */
export async function writeArchive(
  context: ContainerContext,
  container: Container,
  path: string,
  archive: Readable,
  options: { keepKinds: boolean },
  span: Span,
): Promise<void> {
  if (container.record.hostConfig.ReadonlyRootfs) {
    throw new EngineError('PermissionDenied', 'container rootfs is marked read-only', { layer: 'daemon' });
  }
  await prepareRootfs(context, container, span);
  using root = openRoot(container, { writable: true });
  using found = find(root, container, join(path, '/.'));
  if (!found.stats.isDirectory()) throw new EngineError('InvalidArgument', 'extraction point is not a directory', { layer: 'daemon' });
  await extractTree(archive, root.fd, path, options);
  emitContainerEvent(context, container, 'extract-to-dir');
}

/** The whole root file system, without what is mounted into it. */
export async function exportContainer(context: ContainerContext, container: Container, span: Span): Promise<Readable> {
  const root = openMounts(await prepareRootfs(context, container, span), { writable: false });
  emitContainerEvent(context, container, 'export');
  return archiveOf(root.fd, '.', '.', [root]);
}

function archiveOf(directory: number, name: string, as: string, held: readonly Disposable[]): Readable {
  const archive = pack();
  void packTree(archive, directory, name, as)
    .then(
      () => archive.finalize(),
      (error) => archive.destroy(error as Error),
    )
    .finally(() => {
      for (const one of held) one[Symbol.dispose]();
    });
  return archive as unknown as Readable;
}

/** The last link of a path is itself, unless the path ends in a slash or dot: then it is where the link leads. */
function find(root: Root, container: Container, path: string): Found {
  const follows = /(\/|\/\.)$/.test(path);
  const clean = normalize(join('/', path)).replace(/(?<=.)\/$/, '');
  const whole = follows || clean === '/';
  const parent = tryOpenInRoot(root.fd, whole ? clean : dirname(clean), O.PATH | O.DIRECTORY);
  const name = whole ? '.' : basename(clean);
  const stats = parent < 0 ? undefined : lstatSync(`/proc/self/fd/${parent}/${name}`, { throwIfNoEntry: false });
  if (!stats) {
    if (parent >= 0) closeSync(parent);
    throw new EngineError('NotFound', `Could not find the file ${path} in container ${container.id}`, { layer: 'daemon' });
  }
  const linkTarget = stats.isSymbolicLink() ? readlinkSync(`/proc/self/fd/${parent}/${name}`) : '';
  const stat = { name: basename(clean) || '/', size: stats.size, mode: goMode(stats), mtime: stats.mtime.toISOString(), linkTarget };
  return { parent, name, stats, stat, [Symbol.dispose]: () => closeSync(parent) };
}

function goMode(stats: Stats): number {
  const kind = stats.isDirectory()
    ? GO_MODE.directory
    : stats.isSymbolicLink()
      ? GO_MODE.symlink
      : stats.isFIFO()
        ? GO_MODE.fifo
        : stats.isSocket()
          ? GO_MODE.socket
          : stats.isBlockDevice()
            ? GO_MODE.device
            : stats.isCharacterDevice()
              ? GO_MODE.device + GO_MODE.character
              : 0;
  const special =
    (stats.mode & 0o4000 ? GO_MODE.setuid : 0) + (stats.mode & 0o2000 ? GO_MODE.setgid : 0) + (stats.mode & 0o1000 ? GO_MODE.sticky : 0);
  return kind + special + (stats.mode & 0o777);
}
