// The OCI runtime by itself, against `runc run` of the same bundle.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program, ROOT } from '../harness/programs.ts';
import { median } from './measure.ts';
import { comparisonRow, missingPeerRow, type Row } from './table.ts';

/** The library in a warm process of its own, as in a shim, against `runc run` of the same bundle. */
export async function rows(runs: number): Promise<Row[]> {
  const name = 'runtime library: create+start+delete / runc run';
  const runc = program('runc');
  if (spawnSync(runc, ['--version']).status !== 0) return [missingPeerRow(name, 1, [], 'runc is not here: apt-get install runc')];
  const bundle = mkdtempSync(join(tmpdir(), 'berth-bench-bundle-'));
  try {
    mkdirSync(join(bundle, 'rootfs/bin'), { recursive: true });
    for (const directory of ['dev', 'proc', 'sys', 'etc', 'tmp']) mkdirSync(join(bundle, 'rootfs', directory));
    copyFileSync(program('busybox'), join(bundle, 'rootfs/bin/true'));
    spawnSync(runc, ['spec', '--bundle', bundle]);
    const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
    spec.process.terminal = false;
    spec.process.args = ['true'];
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
    const loop = spawnSync(
      join(ROOT, 'dist/node'),
      ['--v8-pool-size=0', '--single-threaded', join(ROOT, 'test/bench/runtime-loop.ts'), bundle, runc, String(runs)],
      { encoding: 'utf8' },
    );
    if (loop.status !== 0) throw new Error(`the runtime's loop failed: ${loop.stderr}`);
    const { ours, theirs } = JSON.parse(loop.stdout) as { ours: number[]; theirs: number[] };
    const ratio = median(ours.map((time, at) => time / (theirs[at] as number)));
    return [comparisonRow(name, 1, { ours: { times: ours }, theirs: { times: theirs }, ratio })];
  } finally {
    rmSync(bundle, { recursive: true });
  }
}
