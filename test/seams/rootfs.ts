// A busybox root filesystem on the disk, for runtimes and for `ctr run --rootfs`.
import { mkdirSync } from 'node:fs';
import { busyboxRootfs } from '../harness/busybox.ts';
import { run } from '../harness/programs.ts';

export async function makeRootfs(directory: string): Promise<string> {
  mkdirSync(directory, { recursive: true });
  const { code, stderr } = await run('tar', ['-x', '-C', directory], { input: busyboxRootfs() });
  if (code !== 0) throw new Error(`tar: ${stderr}`);
  return directory;
}
