// Where a copy ends up: the rules of `cp` between the host and a container (docker's reference of `container cp`). A path that ends in
// `/.` means what is in the directory; one that ends in a slash must be a directory.
import { basename, dirname, join } from 'node:path/posix';
import { EngineError } from '@berth/errdefs/engine-error';

export type CopyArgument = { container: string; path: string } | { container: undefined; path: string };

/** `CONTAINER:PATH`, or a local path: one that is absolute or begins with a dot may hold colons. */
export function parseCopyArgument(text: string): CopyArgument {
  const cut = text.indexOf(':');
  if (cut < 0 || text.startsWith('/') || text.startsWith('.')) return { container: undefined, path: text };
  return { container: text.slice(0, cut), path: text.slice(cut + 1) };
}

export interface CopySource {
  isDirectory: boolean;
  /** The name that its archive begins with: the last element of its path, `.` for what is in a directory, '' for a root. */
  base: string;
}

export interface CopyTarget {
  path: string;
  exists: boolean;
  isDirectory: boolean;
}

export interface CopyPlan {
  /** The directory to unpack in. */
  directory: string;
  /** What the source's base becomes there. */
  name: string;
}

/** How `source` gets to `target`. Throws InvalidArgument where `cp` refuses. */
export function planCopy(source: CopySource, target: CopyTarget): CopyPlan {
  if (target.exists && target.isDirectory) return { directory: target.path, name: source.base };
  if (target.exists && source.isDirectory) throw refuse('cannot copy directory');
  if (/\/\.?$/.test(target.path) && (target.exists || !source.isDirectory)) {
    throw refuse(target.exists ? 'not a directory' : `no such directory`);
  }
  const path = trimmed(target.path);
  return { directory: dirname(path), name: basename(path) };
}

/** A member's name with the base that the plan gives it. */
export function renamed(name: string, base: string, plan: CopyPlan): string {
  return plan.name === base ? name : join('/', plan.name + name.slice(base.length)).slice(1);
}

/** The base of a path that is to be read: see CopySource. */
export function sourceBase(path: string): string {
  if (/(^|\/)\.$/.test(path)) return '.';
  return basename(trimmed(path));
}

/** Without the slashes and the dot at its end. */
function trimmed(path: string): string {
  return path.replace(/(?<=[^/])\/+\.?$/, '') || '/';
}

function refuse(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'cli' });
}
