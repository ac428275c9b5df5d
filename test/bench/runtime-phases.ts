// Where the time of `berth-runtime run` goes, as a command: dist/node test/bench/runtime-phases.ts. As root; RUNS=n changes the number of rounds.
//
// Programs that each do one thing more than the one before take turns; what a phase costs is the difference between two of them. The steps
// of a container's creation are the runtime's own spans (--debug). Of elapsed times the lower quartile is taken, for other work only adds;
// of CPU times, which the kernel tells in hundredths of a second, the mean.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Spec } from '@berth/oci/runtime-spec';
import { FORK_FLAGS } from '@berth/shim/zygote/programs';
import { program, ROOT } from '../harness/programs.ts';
import { spread, timeOnce } from './measure.ts';

const RUNS = Number(process.env.RUNS ?? 20);
const dist = (name: string) => join(ROOT, 'dist', name);
const BERTH = join(ROOT, 'bin/berth-runtime');
const NODE = [dist('node'), ...FORK_FLAGS];

const directory = mkdtempSync(join(tmpdir(), 'berth-phases-'));
try {
  const script = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const bundle = makeBundle(directory);
  let serial = 0;
  const run = (...flags: string[]) => [BERTH, ...flags, 'run', '--bundle', bundle, `phases-${process.pid}-${serial++}`];
  const programs: [phase: string, command: () => string[]][] = [
    ['bin/berth-runtime: a shell', () => ['/bin/sh', script('empty', 'exec /bin/true\n')]],
    ['dist/sealed', () => ['/bin/sh', script('sealed', `exec ${dist('sealed')} /bin/true\n`)]],
    ['Node', () => ['/bin/sh', script('node', `exec ${dist('sealed')} ${NODE.join(' ')} ${script('empty.mjs', '')}\n`)]],
    ["the runtime's code, and koffi with the C library", () => [BERTH, '--version']],
    ['a container: made, started, run, deleted', () => run()],
  ];
  const times = programs.map((): number[] => []);
  const cpu = programs.map(() => 0);
  const spans = new Map<string, number[]>();
  for (let round = 0; round < RUNS; round++) {
    for (const [index, [, command]] of programs.entries()) {
      const since = cpuOfChildren();
      times[index]?.push(measured(command()));
      cpu[index] = (cpu[index] ?? 0) + (cpuOfChildren() - since) / RUNS;
    }
    for (const [name, time] of debugged(run('--debug'))) spans.set(name, [...(spans.get(name) ?? []), time]);
  }
  const row = (name: string, elapsed: number, used?: number) =>
    console.log(`| ${name} | ${elapsed.toFixed(1)} | ${used === undefined ? '' : used.toFixed(1)} |`);
  console.log('| phase | elapsed ms | CPU ms |\n| --- | --- | --- |');
  let before = { elapsed: 0, used: 0 };
  for (const [index, [phase]] of programs.entries()) {
    const now = { elapsed: spread(times[index] ?? [])[0], used: cpu[index] ?? 0 };
    row(phase, now.elapsed - before.elapsed, now.used - before.used);
    before = now;
  }
  for (const [name, series] of spans) row(`– ${name}`, spread(series)[0]);
  row('all', before.elapsed, before.used);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function measured([command = '', ...args]: string[]): number {
  return timeOnce({ command, args, env: process.env });
}

/** Milliseconds that ended children have used (proc(5): cutime and cstime, in ticks of 10 ms). */
function cpuOfChildren(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

function debugged([command = '', ...args]: string[]): [name: string, ms: number][] {
  const { stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return [...stderr.matchAll(/msg="([\w.]+): ([\d.]+) ms"/g)].map(([, name = '', time]) => [name, Number(time)]);
}

function makeBundle(parent: string): string {
  const bundle = join(parent, 'bundle');
  for (const name of ['bin', 'dev', 'proc', 'sys', 'etc', 'tmp']) mkdirSync(join(bundle, 'rootfs', name), { recursive: true });
  copyFileSync(program('busybox'), join(bundle, 'rootfs/bin/true'));
  measured([BERTH, 'spec', '--bundle', bundle]);
  const path = join(bundle, 'config.json');
  const spec = JSON.parse(readFileSync(path, 'utf8')) as Spec;
  Object.assign(spec.process ?? {}, { terminal: false, args: ['true'] });
  writeFileSync(path, JSON.stringify(spec));
  return bundle;
}
