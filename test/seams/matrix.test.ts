// Every seam with Berth's program and with the original above it and below it: each cell runs one container's whole life. The table
// that is printed at the end is the summary.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { ROOT, run } from '../harness/programs.ts';
import { liveThroughCtr } from './ctr-life.ts';
import { liveThroughDocker } from './docker-life.ts';
import { type ClientName, clientPath, Dockerd, type LifecycleName, LifecyclePeer, missing, pathOf } from './peers.ts';
import { makeRootfs } from './rootfs.ts';

interface Side {
  name: string;
  ours: boolean;
  /** What must be installed. */
  needs: readonly string[];
}

interface Seam {
  name: string;
  above: readonly [Side, Side];
  below: readonly [Side, Side];
  live(above: string, below: string): Promise<void>;
}

const ours = (name: string): Side => ({ name, ours: true, needs: [] });
const theirs = (name: string, ...needs: string[]): Side => ({ name, ours: false, needs: needs.length > 0 ? needs : [name] });
const SHIMS: Record<string, string> = {
  'containerd-shim-berth-v1': 'io.containerd.berth.v1',
  'containerd-shim-runc-v2': 'io.containerd.runc.v2',
};

const SEAMS: readonly Seam[] = [
  {
    name: 'client – daemon',
    above: [ours('berth'), theirs('docker')],
    below: [ours('berthd'), theirs('dockerd', 'dockerd', 'containerd', 'runc')],
    live: liveClientDaemon,
  },
  {
    name: 'daemon – lifecycle',
    above: [ours('berthd'), theirs('dockerd', 'dockerd', 'runc')],
    below: [ours('berth-lifecycle'), theirs('containerd', 'containerd', 'runc')],
    live: liveDaemonLifecycle,
  },
  {
    name: 'lifecycle – shim',
    above: [ours('berth-lifecycle'), theirs('containerd')],
    below: [ours('containerd-shim-berth-v1'), theirs('containerd-shim-runc-v2', 'containerd-shim-runc-v2', 'runc')],
    live: liveLifecycleShim,
  },
  {
    name: 'shim – runtime',
    above: [ours('containerd-shim-berth-v1'), theirs('containerd-shim-runc-v2')],
    below: [ours('berth-runtime'), theirs('runc')],
    live: liveShimRuntime,
  },
];

const directory = mkdtempSync('/tmp/berth-seams-');
const rootfs = join(directory, 'rootfs');
const cells = new Map<string, string>();

before(() => makeRootfs(rootfs));
after(() => {
  rmSync(directory, { recursive: true, force: true });
  console.log(table());
});

for (const seam of SEAMS) {
  for (const above of seam.above) {
    for (const below of seam.below) {
      const title = `${above.name} over ${below.name}`;
      const absent = missing([
        ...above.needs,
        ...below.needs,
        ...(seam.live === liveLifecycleShim || seam.live === liveShimRuntime ? ['ctr'] : []),
      ]);
      const skip = absent.length > 0 && `not installed: ${absent.join(', ')}`;
      cells.set(title, skip || 'not run');
      test(`${seam.name}: ${title}`, { skip, timeout: 120_000 }, async () => {
        const began = performance.now();
        cells.set(title, 'FAILED');
        await seam.live(above.name, below.name);
        cells.set(title, `ok (${((performance.now() - began) / 1000).toFixed(1)} s)`);
      });
    }
  }
}

async function liveClientDaemon(client: string, daemon: string): Promise<void> {
  const name = client as ClientName;
  if (daemon === 'berthd') {
    await using berthd = await Berthd.start();
    await liveThroughDocker(
      (args, options) => run(clientPath(name), args, { ...options, env: berthd.environment }),
      () => berthd.log,
    );
  } else {
    await using dockerd = await Dockerd.start();
    await liveThroughDocker((args, options) => dockerd.client(name, args, options));
  }
}

async function liveDaemonLifecycle(daemon: string, lifecycle: string): Promise<void> {
  await using service = await LifecyclePeer.start(lifecycle as LifecycleName);
  if (daemon === 'berthd') {
    await using berthd = await Berthd.start({ flags: ['--containerd', service.address] });
    await liveThroughDocker(
      (args, options) => berthd.docker(args, options),
      () => berthd.log,
    );
  } else {
    await using dockerd = await Dockerd.start(service);
    await liveThroughDocker(
      (args, options) => dockerd.client('docker', args, options),
      () => service.log,
    );
  }
}

async function liveLifecycleShim(lifecycle: string, shim: string): Promise<void> {
  await using service = await LifecyclePeer.start(lifecycle as LifecycleName);
  await liveThroughCtr(service, { flags: ['--runtime', SHIMS[shim] as string], rootfs });
}

/** ctr names another runtime for containerd-shim-runc-v2 only; Berth's shim stands in for it by --runtime-alias. */
async function liveShimRuntime(shim: string, runtime: string): Promise<void> {
  const berth = shim === 'containerd-shim-berth-v1';
  const alias = berth ? ['--runtime-alias', 'io.containerd.runc.v2=io.containerd.berth.v1'] : [];
  await using service = await LifecyclePeer.start('berth-lifecycle', alias);
  const path = runtime === 'berth-runtime' ? join(ROOT, 'bin/berth-runtime') : (pathOf(runtime) as string);
  await liveThroughCtr(service, { flags: ['--runtime', 'io.containerd.runc.v2', '--runc-binary', path], rootfs });
}

/** Rows are seams, columns who stands above and below; each cell names both and says how it went. */
function table(): string {
  const columns = [
    ['ours over ours', true, true],
    ['ours over theirs', true, false],
    ['theirs over ours', false, true],
    ['theirs over theirs', false, false],
  ] as const;
  const rows = SEAMS.map((seam) => [
    seam.name,
    ...columns.map(([, aboveOurs, belowOurs]) => {
      const above = seam.above.find((side) => side.ours === aboveOurs);
      const below = seam.below.find((side) => side.ours === belowOurs);
      assert.ok(above && below);
      const title = `${above.name} over ${below.name}`;
      return `${title.replaceAll('containerd-shim-', 'shim-').replace(' over ', ' / ')}: ${cells.get(title)}`;
    }),
  ]);
  const all = [['seam', ...columns.map(([title]) => title)], ...rows];
  const widths = (all[0] as string[]).map((_, column) => Math.max(...all.map((row) => (row[column] as string).length)));
  const line = (row: string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`;
  return [line(all[0] as string[]), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...all.slice(1).map(line)].join('\n');
}
