// A program that whoever sees it as /proc/PID/exe can never write to (CVE-2019-5736). Best by a read-only overlay of its directory that no
// mount table shows: its pages are those of the file itself, shared with everybody who runs it. Where the kernel or the user may not have
// that, by a sealed copy in memory, which costs the size of the program.
import { closeSync, existsSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { detachedOverlay } from './detached-mount.ts';
import { SealedFile } from './memfd.ts';
import { O, openInRoot } from './path.ts';

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
