// The OCI runtime by itself, against `runc run` of the same bundle: as a library in a warm process, as a command, and how little memory a
// container can be started with.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Spec } from '@berth/oci/runtime-spec';
import { ZYGOTE_NODE_FLAGS } from '@berth/shim/zygote/programs';
import { build } from 'esbuild';
import { program, ROOT } from '../harness/programs.ts';
import { compare, median, timeOnce } from './measure.ts';
import { comparisonRow, missingPeerRow, type Row } from './table.ts';

const LIBRARY = 'runtime library: create+start+delete / runc run';
const COMMAND = 'berth-runtime run / runc run, whole processes';
const BERTH_RUNTIME = join(ROOT, 'bin/berth-runtime');

export async function rows(runs: number): Promise<Row[]> {
  const runc = program('runc');
  if (spawnSync(runc, ['--version']).status !== 0) {
    const note = 'runc is not here: apt-get install runc';
    return [missingPeerRow(LIBRARY, 0.5, [], note), missingPeerRow(COMMAND, 3.5, [], note)];
  }
  const bundle = mkdtempSync(join(tmpdir(), 'berth-bench-bundle-'));
  try {
    mkdirSync(join(bundle, 'rootfs/bin'), { recursive: true });
    for (const directory of ['dev', 'proc', 'sys', 'etc', 'tmp']) mkdirSync(join(bundle, 'rootfs', directory));
    copyFileSync(program('busybox'), join(bundle, 'rootfs/bin/true'));
    spawnSync(runc, ['spec', '--bundle', bundle]);
    const spec = readSpec(bundle);
    if (spec.process) Object.assign(spec.process, { terminal: false, args: ['true'] });
    writeSpec(bundle, spec);
    return [await libraryRow(runs, bundle, runc), commandRow(runs, bundle, runc), memoryRow(bundle, runc)];
  } finally {
    rmSync(bundle, { recursive: true });
  }
}

/** The library in a process of its own, bundled as the shim's program is. */
async function libraryRow(runs: number, bundle: string, runc: string): Promise<Row> {
  // Below the root, where the bundle finds the native module.
  const loop = join(ROOT, '.cache', 'bench', 'runtime-loop.js');
  await build({
    entryPoints: [join(ROOT, 'test/bench/runtime-loop.ts')],
    outfile: loop,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: ['koffi'],
    logLevel: 'error',
  });
  const result = spawnSync(join(ROOT, 'dist/node'), [...ZYGOTE_NODE_FLAGS, loop, bundle, runc, String(runs)], { encoding: 'utf8' });
  rmSync(loop);
  if (result.status !== 0) throw new Error(`the runtime's loop failed: ${result.stderr}`);
  const { ours, theirs } = JSON.parse(result.stdout) as { ours: number[]; theirs: number[] };
  const ratio = median(ours.map((time, at) => time / (theirs[at] as number)));
  return comparisonRow(LIBRARY, 0.5, { ours: { times: ours }, theirs: { times: theirs }, ratio });
}

function commandRow(runs: number, bundle: string, runc: string): Row {
  let serial = 0;
  const once = (command: string) => () =>
    timeOnce({ command, args: ['run', '--bundle', bundle, `bench-${process.pid}-${serial++}`], env: process.env });
  return comparisonRow(COMMAND, 3.5, compare(once(BERTH_RUNTIME), once(runc), runs));
}

/** The smallest memory limit, in steps of 64 kB, under which the container runs to its end. */
function memoryRow(bundle: string, runc: string): Row {
  const ours = smallestLimit(bundle, BERTH_RUNTIME);
  const theirs = smallestLimit(bundle, runc);
  return {
    name: 'smallest memory limit of a container that starts',
    atMost: theirs,
    unit: 'kB',
    ours: `${ours} kB`,
    theirs: `${theirs} kB`,
    value: ours,
  };
}

function smallestLimit(bundle: string, command: string): number {
  let [fails, works] = [0, 65_536];
  while (works - fails > 64) {
    const limit = (fails + works) / 2;
    if (runsWith(bundle, command, limit * 1024)) works = limit;
    else fails = limit;
  }
  return works;
}

function runsWith(bundle: string, command: string, limit: number): boolean {
  const spec = readSpec(bundle);
  if (spec.linux) spec.linux.resources = { ...spec.linux.resources, memory: { limit, swap: limit } };
  writeSpec(bundle, spec);
  const id = `bench-limit-${process.pid}`;
  const { status } = spawnSync(command, ['run', '--bundle', bundle, id], { stdio: 'ignore', timeout: 20_000 });
  // What the kernel killed half-way is cleared away.
  spawnSync(command, ['delete', '--force', id], { stdio: 'ignore' });
  return status === 0;
}

function readSpec(bundle: string): Spec {
  return JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as Spec;
}

function writeSpec(bundle: string, spec: Spec): void {
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
}
