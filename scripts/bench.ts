// `npm run bench`: Berth beside Debian's dockerd and runc, in one run, the same client against both in turn. Prints a table of medians,
// spreads and ratios; it never passes or fails on a time. RUNS=n changes the number of pairs.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Dockerd, startDockerd } from '../test/bench/dockerd.ts';
import { type Comparison, compare, median, type Side, spread, timeOnce } from '../test/bench/measure.ts';
import { Berthd, processesOf } from '../test/harness/berthd.ts';
import { dockerClient, program, ROOT } from '../test/harness/programs.ts';

const RUNS = Number(process.env.RUNS ?? 20);
const BERTH = join(ROOT, 'bin', 'berth');
const docker = dockerClient();

interface Row {
  name: string;
  atMost: number;
  unit: 'ratio' | 'MB';
  ours: string;
  theirs: string;
  value: number | undefined;
  note?: string;
}

await using berthd = await Berthd.start();
await berthd.importBusybox();
const peer = await startDockerd();
const dockerd = typeof peer === 'string' ? undefined : peer;
try {
  const rows = [...commandRows(berthd, dockerd, typeof peer === 'string' ? peer : ''), runtimeRow(), await memoryRow(berthd)];
  print(rows);
} finally {
  await dockerd?.[Symbol.asyncDispose]();
}

function commandRows(berth: Berthd, other: Dockerd | undefined, missing: string): Row[] {
  const onBerth = (command: string, ...args: string[]): Side => ({ command, args, env: berth.environment });
  const onDockerd = (...args: string[]): Side => ({ command: docker, args, env: other?.environment ?? {} });
  const run = ['run', '--rm', 'busybox', 'true'];
  const bare = ['run', '--rm', '--network', 'none', 'busybox', 'true'];
  const exec = ['exec', 'bench-exec', 'true'];
  const start = ['run', '-d', '--name', 'bench-exec', 'busybox', 'sleep', '3600'];
  timeOnce(onBerth(docker, ...start));
  if (other) timeOnce(onDockerd(...start));
  const pairs: [string, number, Side, Side][] = [
    ['docker run --rm busybox true, bridge', 0.25, onBerth(docker, ...run), onDockerd(...run)],
    ['the same with --network none', 0.3, onBerth(docker, ...bare), onDockerd(...bare)],
    ['docker exec C true', 0.45, onBerth(docker, ...exec), onDockerd(...exec)],
    ['berth ps / docker ps', 2.5, onBerth(BERTH, 'ps'), onDockerd('ps')],
    ['berth run --rm busybox true / docker on dockerd', 0.35, onBerth(BERTH, ...run), onDockerd(...run)],
  ];
  const rows = pairs.map(([name, atMost, ours, theirs]) => {
    if (other)
      return comparisonRow(
        name,
        atMost,
        compare(
          () => timeOnce(ours),
          () => timeOnce(theirs),
          RUNS,
        ),
      );
    const times = Array.from({ length: RUNS }, () => timeOnce(ours));
    return { name, atMost, unit: 'ratio' as const, ours: summary(times), theirs: 'missing', value: undefined, note: missing };
  });
  spawnSync(docker, ['rm', '-f', 'bench-exec'], { env: berth.environment });
  return rows;
}

/** The library in a warm process of its own, as in a shim, against `runc run` of the same bundle. */
function runtimeRow(): Row {
  const name = 'runtime library: create+start+delete / runc run';
  const runc = program('runc');
  if (spawnSync(runc, ['--version']).status !== 0)
    return {
      name,
      atMost: 1,
      unit: 'ratio',
      ours: '',
      theirs: 'missing',
      value: undefined,
      note: 'runc is not here: apt-get install runc',
    };
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
      ['--v8-pool-size=0', '--single-threaded', join(ROOT, 'test/bench/runtime-loop.ts'), bundle, runc, String(RUNS)],
      { encoding: 'utf8' },
    );
    if (loop.status !== 0) throw new Error(`the runtime's loop failed: ${loop.stderr}`);
    const { ours, theirs } = JSON.parse(loop.stdout) as { ours: number[]; theirs: number[] };
    return comparisonRow(name, 1, {
      ours: { times: ours },
      theirs: { times: theirs },
      ratio: median(ours.map((time, at) => time / (theirs[at] as number))),
    });
  } finally {
    rmSync(bundle, { recursive: true });
  }
}

/** Twenty containers that sleep; the mean proportional set size of their shims. */
async function memoryRow(berth: Berthd): Promise<Row> {
  const count = 20;
  for (let i = 0; i < count; i++)
    timeOnce({ command: docker, args: ['run', '-d', '--name', `bench-${i}`, 'busybox', 'sleep', '3600'], env: berth.environment });
  const sizes = shimsOf(berth.directory).map(proportionalSetSize);
  spawnSync(docker, ['rm', '-f', ...Array.from({ length: count }, (_, i) => `bench-${i}`)], { env: berth.environment });
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length / 1e6;
  return {
    name: `memory of one shim (PSS), ${sizes.length} containers running`,
    atMost: 6,
    unit: 'MB',
    ours: `${mean.toFixed(2)} MB (${(Math.min(...sizes) / 1e6).toFixed(2)}–${(Math.max(...sizes) / 1e6).toFixed(2)})`,
    theirs: '',
    value: mean,
  };
}

function shimsOf(directory: string): number[] {
  return processesOf(directory)
    .filter((line) => line.includes('berth-shim'))
    .map((line) => Number(line.split(' ')[1]));
}

function proportionalSetSize(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024;
}

function comparisonRow(name: string, atMost: number, { ours, theirs, ratio }: Comparison): Row {
  return { name, atMost, unit: 'ratio', ours: summary(ours.times), theirs: summary(theirs.times), value: ratio };
}

function summary(times: readonly number[]): string {
  const [low, high] = spread(times);
  return `${median(times).toFixed(1)} ms (${low.toFixed(1)}–${high.toFixed(1)})`;
}

function print(rows: readonly Row[]): void {
  const date = new Date().toISOString().slice(0, 10);
  const { model } = cpus()[0] ?? { model: 'unknown' };
  console.log(
    `${date}, ${cpus().length} × ${model.trim()}, Linux ${release()}, Node ${process.versions.node}; ${RUNS} pairs; median (middle half)`,
  );
  if (dockerd) console.log(`peer: ${dockerd.version}`);
  console.log('\n| | Berth | peer | ratio | at most |\n| --- | --- | --- | --- | --- |');
  for (const row of rows) {
    const value = row.value === undefined ? 'peer missing' : row.unit === 'MB' ? `${row.value.toFixed(2)} MB` : row.value.toFixed(2);
    console.log(`| ${row.name} | ${row.ours} | ${row.theirs} | ${value} | ${row.atMost}${row.unit === 'MB' ? ' MB' : ''} |`);
  }
  for (const note of new Set(rows.flatMap((row) => (row.note ? [row.note] : [])))) console.log(`\n${note}`);
}
