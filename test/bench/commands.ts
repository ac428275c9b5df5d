// What a person waits for: whole commands, the docker CLI against Berth and against Debian's dockerd, and Berth's own CLI; and what a
// running container costs in memory.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Berthd } from '../harness/berthd.ts';
import { dockerClient, ROOT } from '../harness/programs.ts';
import { type Dockerd, startDockerd } from './dockerd.ts';
import { compare, type Side, timeOnce } from './measure.ts';
import { pidsOf, proportionalSetSize } from './memory.ts';
import { comparisonRow, missingPeerRow, type Row } from './table.ts';

const BERTH = join(ROOT, 'bin', 'berth');
const docker = dockerClient();

export async function rows(runs: number): Promise<Row[]> {
  await using berthd = await Berthd.start();
  await berthd.importBusybox();
  const peer = await startDockerd();
  try {
    return [...commandRows(runs, berthd, peer), memoryRow(berthd)];
  } finally {
    if (typeof peer !== 'string') await peer[Symbol.asyncDispose]();
  }
}

function commandRows(runs: number, berth: Berthd, peer: Dockerd | string): Row[] {
  const other = typeof peer === 'string' ? undefined : peer;
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
    if (typeof peer !== 'string') {
      const comparison = compare(
        () => timeOnce(ours),
        () => timeOnce(theirs),
        runs,
      );
      return { ...comparisonRow(name, atMost, comparison), note: `dockerd: ${peer.version}` };
    }
    const times = Array.from({ length: runs }, () => timeOnce(ours));
    return missingPeerRow(name, atMost, times, peer);
  });
  spawnSync(docker, ['rm', '-f', 'bench-exec'], { env: berth.environment });
  return rows;
}

/** Twenty containers that sleep; the mean proportional set size of their shims. */
function memoryRow(berth: Berthd): Row {
  const count = 20;
  for (let i = 0; i < count; i++)
    timeOnce({ command: docker, args: ['run', '-d', '--name', `bench-${i}`, 'busybox', 'sleep', '3600'], env: berth.environment });
  const sizes = pidsOf(berth.directory, 'berth-shim').map(proportionalSetSize);
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
