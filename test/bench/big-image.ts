// An image as large as people's are: layers made of files that lie on the machine anyhow (this repository's libraries and the Debian
// packages of its tests), so many small texts and some libraries and programs, compressed as registries have them.
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DEBIAN, ROOT } from '../harness/programs.ts';

/** Larger files are single programs, which no layer consists of. */
const LARGEST_FILE = 20e6;

/** `count` uncompressed archives of `size` bytes each, or nearly. */
export function layersOf(count: number, size: number): Buffer[] {
  const files = [join(ROOT, 'node_modules/.pnpm'), join(DEBIAN, 'usr')].flatMap((directory) => [...filesBelow(directory)]);
  const layers: Buffer[] = [];
  for (let at = 0; layers.length < count; ) {
    const names: string[] = [];
    for (let sum = 0; sum < size; at++) {
      // Where the machine has too little, the rest is the same files again, elsewhere in the tree.
      const file = files[at % files.length] as { path: string; size: number };
      names.push(relative(ROOT, file.path));
      sum += file.size;
    }
    layers.push(archiveOf(names, `layer-${layers.length}`));
  }
  return layers;
}

function* filesBelow(directory: string): Generator<{ path: string; size: number }> {
  for (const entry of readdirSync(directory, { withFileTypes: true }).sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) {
      const { size } = statSync(path);
      if (size <= LARGEST_FILE) yield { path, size };
    }
  }
}

function archiveOf(names: readonly string[], directory: string): Buffer {
  const args = ['-c', '-C', ROOT, '--owner=0', '--group=0', '--numeric-owner', `--transform=s,^,${directory}/,`, '-T', '-'];
  const { status, stdout, stderr } = spawnSync('tar', args, { input: names.join('\n'), maxBuffer: 1 << 30 });
  if (status !== 0) throw new Error(`tar: ${stderr}`);
  return stdout;
}
