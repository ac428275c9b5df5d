// Debian's busybox-static as a root filesystem: one program under all of its names.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { program } from './programs.ts';
import { tar } from './tar-archive.ts';

let archive: Buffer | undefined;

/** The root filesystem as a tar archive: /bin with every applet, and the directories that programs expect. */
export function busyboxRootfs(): Buffer {
  if (archive) return archive;
  const busybox = program('busybox');
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => name && name !== 'busybox');
  archive = tar([
    { name: 'bin/' },
    { name: 'dev/' },
    { name: 'etc/' },
    { name: 'etc/passwd', body: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' },
    { name: 'etc/group', body: 'root:x:0:\nnogroup:x:65534:\n' },
    { name: 'proc/' },
    { name: 'root/', mode: 0o700 },
    { name: 'sys/' },
    { name: 'tmp/', mode: 0o1777 },
    { name: 'var/' },
    { name: 'bin/busybox', body: readFileSync(busybox), mode: 0o755 },
    ...applets.map((name) => ({ name: `bin/${name}`, linkTo: 'busybox' })),
  ]);
  return archive;
}
