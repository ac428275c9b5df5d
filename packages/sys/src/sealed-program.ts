// A program that whoever sees it as /proc/PID/exe can never write to (CVE-2019-5736). Best by a read-only overlay of its directory that no
// mount table shows: its pages are those of the file itself, shared with everybody who runs it. Where the kernel or the user may not have
// that, by a sealed copy in memory, which costs the size of the program.
import { closeSync, existsSync, lstatSync, mkdtempSync, realpathSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { detachedOverlay } from './detached-mount.ts';
import { errnoName } from './libc.ts';
import { isSealedFile, SealedFile } from './memfd.ts';
import { accessErrno, O, openInRoot, setCloseOnExec } from './path.ts';
import { execve } from './process.ts';

const OWN_PROGRAM = '/proc/self/exe';
/** W_OK. */
const WRITE = 2;

/**
 * Whether nobody who has this process' privileges, as a container's root may, could write to the program that it runs. What belongs to
 * somebody else is safe from an unprivileged user.
 */
function runsSealed(): boolean {
  const problem = errnoName(accessErrno(OWN_PROGRAM, WRITE));
  if (problem === 'EROFS') return true;
  if (problem === 'EACCES' && statSync(OWN_PROGRAM).uid !== process.geteuid?.()) return true;
  return isSealedFile(OWN_PROGRAM);
}

/**
 * Goes on in a sealed program: executes this one again with all it was started with, unless it is sealed already. That costs the start of a
 * Node process; bin/berth-runtime spares it (sealing-launcher.ts). `inherited`: descriptors after the standard streams that go along.
 */
export async function ensureSealed(inherited: number): Promise<void> {
  if (runsSealed()) return;
  using sealed = await sealedProgram(realpathSync(process.execPath), 'berth');
  // Node has made all that it was started with close-on-exec.
  for (let fd = 0; fd < 3 + inherited && isOpen(fd); fd++) setCloseOnExec(fd, false);
  execve(sealed.path, [process.argv0, ...process.execArgv, ...process.argv.slice(1)], environment());
}

function isOpen(fd: number): boolean {
  return lstatSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false }) !== undefined;
}

const environment = () => Object.entries(process.env).map(([name, value]) => `${name}=${value}`);

export interface SealedProgram extends Disposable {
  readonly fd: number;
  /** Under which this process, and a child that executes it, opens it. */
  readonly path: string;
}

/** `source` is an absolute path without links. What runs the program keeps it after disposal. */
export async function sealedProgram(source: string, name: string): Promise<SealedProgram> {
  try {
    return sealedView(source);
  } catch {
    return await SealedFile.copyOf(source, name);
  }
}

/** The file through an overlay that has no upper layer. Throws where there are none: unprivileged, without the file system, on an overlay of two. */
export function sealedView(source: string): SealedProgram {
  // An overlay without an upper layer wants two lower ones.
  const empty = mkdtempSync(join(tmpdir(), 'berth-empty-'));
  try {
    using overlay = detachedOverlay({ lower: [dirname(source), empty], executable: true });
    const fd = openInRoot(overlay.fd, basename(source), O.RDONLY);
    return { fd, path: `/proc/self/fd/${fd}`, [Symbol.dispose]: () => closeSync(fd) };
  } finally {
    if (existsSync(empty)) rmdirSync(empty);
  }
}
