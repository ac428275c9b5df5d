// `docker cp` and `docker export`: files of a container out of it and into it, whether it runs or not (moby's daemon/archive_unix.go).
import type { PathStat } from '@berth/api/container';
import { EngineError } from '@berth/errdefs/engine-error';
import { normalName } from '@berth/lifecycle/diff/member-name';
import { placeArchive } from '@berth/lifecycle/diff/place-archive';
import { toBytes } from '@berth/oci/tar/entry';
import { statAt } from '@berth/sys/byte-path';
import type { Span } from '@berth/trace/tracer';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { checkWritable, withFiles } from './files/files-view.ts';
import { describePath, type FoundPath, findPath, isDirectory } from './files/find-path.ts';
import { packTree } from './files/pack-tree.ts';
import { prepareRootfs } from './prepare.ts';
import { openMounts } from './rootfs.ts';
import { resolveUser } from './spec/users.ts';

export interface ContainerPath {
  readonly path: string;
  /** What the client calls the container: messages say it so. */
  readonly reference: string;
}

/** HEAD: what is at a path. */
export function statPath(
  context: ContainerContext,
  container: Container,
  { path, reference }: ContainerPath,
  span: Span,
): Promise<PathStat> {
  return withFiles(context, container, { writable: false }, span, async (view) => {
    using found = findPath(view, path, reference);
    return describePath(view, path, found);
  });
}

/** GET: a file or a tree as a tar stream, under the name that was asked for. `send` gets it while the files are held. */
export function readArchive(
  context: ContainerContext,
  container: Container,
  { path, reference }: ContainerPath,
  span: Span,
  send: (stat: PathStat, archive: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  return withFiles(context, container, { writable: false }, span, async (view) => {
    using found = findPath(view, path, reference);
    emitContainerEvent(context, container, 'archive-path');
    await send(describePath(view, path, found), packTree({ ...found, as: archiveName(found) }));
  });
}

export interface WriteOptions {
  /** Refuse to put a directory in the place of something else, or the other way round. */
  readonly keepKinds: boolean;
  /** Files become the container's user's. */
  readonly asUser: boolean;
}

/** PUT: unpacks into a directory. */
export function writeArchive(
  context: ContainerContext,
  container: Container,
  { path, reference }: ContainerPath,
  archive: AsyncIterable<Uint8Array>,
  options: WriteOptions,
  span: Span,
): Promise<void> {
  return withFiles(context, container, { writable: true }, span, async (view) => {
    using found = findPath(view, path, reference, { whole: true });
    if (!isDirectory(found.stat)) throw new EngineError('InvalidArgument', 'extraction point is not a directory', { layer: 'daemon' });
    checkWritable(view, found.directory, container);
    const user = container.record.config.User ?? '';
    const owner = options.asUser && user !== '' ? resolveUser(user, [], context.accounts.of(container)) : undefined;
    await placeArchive(context.threads, archive, view.root, {
      base: normalName(toBytes(path)),
      keepKinds: options.keepKinds,
      owner: owner && { uid: owner.uid, gid: owner.gid },
      replaceLinks: true,
    });
    emitContainerEvent(context, container, 'extract-to-dir');
  });
}

/** The root file system as its layers have it, without what is mounted into it. */
export async function exportContainer(
  context: ContainerContext,
  container: Container,
  span: Span,
  send: (archive: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  using root = openMounts(await prepareRootfs(context, container, span), { writable: false });
  const stat = statAt(root.fd, '.');
  if (typeof stat === 'number')
    throw new EngineError('Internal', `the root of container ${container.id} cannot be read`, { layer: 'daemon' });
  emitContainerEvent(context, container, 'export');
  await send(packTree({ directory: root.fd, name: '.', stat, as: undefined }));
}

/** Clients replace this first part of each name with what the copy is to be called: a root is nothing, so that all names begin with a slash. */
function archiveName({ base }: FoundPath): string {
  return base === '/' ? '' : toBytes(base);
}
