// A path as a user writes it, found inside a container's root: the kernel resolves it there (openat2), so neither links nor races lead
// out (CVE-2018-15664). The last element is not followed when it is a link, unless a slash or a dot comes after it.
import { constants } from 'node:fs';
import { basename, dirname, normalize } from 'node:path/posix';
import type { PathStat } from '@berth/api/container';
import { EngineError } from '@berth/errdefs/engine-error';
import { failure } from '@berth/lifecycle/diff/call-failure';
import { toBytes, toText } from '@berth/oci/tar/entry';
import { closeFd, type FileStat, openInRoot, readlinkAt, statAt } from '@berth/sys/byte-path';
import { O } from '@berth/sys/path';
import type { FilesView } from './files-view.ts';

const { S_IFMT, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFBLK, S_IFCHR } = constants;
const ENOENT = -2;
const ENOTDIR = -20;
const ELOOP = -40;

/** The bits of Go's fs.FileMode above the permissions, by file type and by special bit. */
const GO_TYPE: Record<number, number> = {
  [S_IFDIR]: 2 ** 31,
  [S_IFLNK]: 2 ** 27,
  [S_IFBLK]: 2 ** 26,
  [S_IFCHR]: 2 ** 26 + 2 ** 21,
  [S_IFIFO]: 2 ** 25,
  [S_IFSOCK]: 2 ** 24,
};
const GO_SPECIAL = [
  [0o4000, 2 ** 23],
  [0o2000, 2 ** 22],
  [0o1000, 2 ** 20],
] as const;

export interface FoundPath extends Disposable {
  /** Descriptor of the directory that it is in. */
  readonly directory: number;
  /** Its name there, a byte string; '.' when it is the directory itself. */
  readonly name: string;
  readonly stat: FileStat;
  /** The last element as the user wrote it: `.`, `/`, or a name. */
  readonly base: string;
}

/** `container`, as the client wrote it, is for messages; `whole` follows the last element as if a dot came after it. */
export function findPath(view: FilesView, path: string, container: string, { whole = false } = {}): FoundPath {
  // `..` is taken off the text, as moby does: it never climbs out of where a link leads.
  const clean = normalize(`/${path}`).replace(/(?<=.)\/$/, '');
  const dotted = whole || /(^|\/)\.$/.test(path);
  const itself = dotted || path.endsWith('/') || clean === '/';
  const base = dotted ? '.' : basename(clean) || '/';
  const hidden = view.hidden.find((one) => `${clean}/`.startsWith(`${one}/`));
  if (hidden !== undefined) {
    throw new EngineError(
      'FailedPrecondition',
      `${path} lies in the mount ${hidden}, which this kernel (before 6.15) shows only of running containers: start the container first`,
      { layer: 'daemon' },
    );
  }
  const directory = openInRoot(view.root, toBytes(itself ? clean : dirname(clean)), O.PATH | O.DIRECTORY);
  if (directory === ENOTDIR && whole) throw new EngineError('InvalidArgument', 'extraction point is not a directory', { layer: 'daemon' });
  if (directory < 0) throw notFound(path, container, directory);
  const name = itself ? '.' : toBytes(base);
  const stat = statAt(directory, name);
  if (typeof stat === 'number') {
    closeFd(directory);
    throw notFound(path, container, stat);
  }
  return { directory, name, stat, base, [Symbol.dispose]: () => closeFd(directory) };
}

export function isDirectory(stat: FileStat): boolean {
  return (stat.mode & S_IFMT) === S_IFDIR;
}

/** What the header X-Docker-Container-Path-Stat says. */
export function describePath(view: FilesView, path: string, found: FoundPath): PathStat {
  const { stat, base } = found;
  const type = stat.mode & S_IFMT;
  const special = GO_SPECIAL.reduce((sum, [bit, go]) => sum + (stat.mode & bit ? go : 0), 0);
  const fraction = String(stat.nanoseconds).padStart(9, '0').replace(/0+$/, '');
  const second = new Date(stat.seconds * 1000).toISOString().slice(0, 19);
  return {
    name: base,
    size: stat.size,
    mode: (stat.mode & 0o777) + special + (GO_TYPE[type] ?? 0),
    mtime: `${second}${fraction && `.${fraction}`}Z`,
    linkTarget: type === S_IFLNK ? evaluate(view.root, path) : '',
  };
}

/**
 * The absolute path that all links of `path` lead to, as text: what is missing at its end stays as it is. Only to be shown: whoever
 * opens it resolves it again.
 */
function evaluate(root: number, path: string): string {
  let done: string[] = [];
  const left = path.split('/').reverse();
  for (let links = 0; left.length > 0; ) {
    const element = left.pop() as string;
    if (element === '' || element === '.') continue;
    if (element === '..') {
      done.pop();
      continue;
    }
    const directory = openInRoot(root, toBytes(`/${done.join('/')}`), O.PATH | O.DIRECTORY);
    const target = directory < 0 ? directory : readlinkAt(directory, toBytes(element));
    if (directory >= 0) closeFd(directory);
    if (typeof target === 'number' || ++links > 255) {
      done.push(element);
      continue;
    }
    if (target.startsWith('/')) done = [];
    left.push(...toText(target).split('/').reverse());
  }
  return `/${done.join('/')}`;
}

function notFound(path: string, container: string, errno: number): EngineError {
  if (errno === ENOENT)
    return new EngineError('NotFound', `Could not find the file ${path} in container ${container}`, { layer: 'daemon' });
  if (errno === ENOTDIR) return new EngineError('InvalidArgument', `${path}: not a directory`, { layer: 'daemon' });
  if (errno === ELOOP) return new EngineError('InvalidArgument', `${path}: too many levels of symbolic links`, { layer: 'daemon' });
  return failure('open', toBytes(path), errno);
}
