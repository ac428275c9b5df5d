// Moving images: pull, push, load and save of a real image (image-fixture.ts) by the docker CLI against Berth and against Debian's
// dockerd, with one registry and one disk, and always an image that the engine has never seen; what a pull costs in memory; and listing
// a thousand images. BENCH_IMAGES=pull,load measures only these.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Berthd, processesOf } from '../harness/berthd.ts';
import { dockerClient } from '../harness/programs.ts';
import { startRegistry } from '../registry/registry-process.ts';
import { type Dockerd, startDockerd } from './dockerd.ts';
import { archiveOfMany, BenchImage, prepareLayers } from './image-fixture.ts';
import { type Comparison, median, timeOnce } from './measure.ts';
import { comparisonRow, missingPeerRow, type Row } from './table.ts';

/** Pairs of an operation that takes seconds. */
const MOST_PAIRS = 5;
const LISTED = 1000;
const NETWORK = ['--bridge', 'none', '--iptables=false', '--ip-forward=false'];

type Environment = NodeJS.ProcessEnv;

/** Milliseconds of an operation; `round` differs from pair to pair. */
type Operation = (env: Environment, round: number) => number;

export async function rows(runs: number): Promise<Row[]> {
  const missing = await prepareLayers();
  if (missing !== undefined) return [{ name: 'images', unit: 'ratio', ours: '', theirs: '', note: missing }];
  using disk = new Disk();
  await using registry = await startRegistry();
  await using target = await startRegistry();
  await using berthd = await Berthd.start({ hostNetwork: true, flags: [...NETWORK, '--data-root', join(disk.path, 'berth')] });
  const peer = await startDockerd({ flags: NETWORK, dataRoot: join(disk.path, 'dockerd') });
  try {
    const pulled = (round: number) => `${registry.host}/bench:${round}`;
    const pushed = `${target.host}/bench:1`;
    const archive = join(disk.path, 'archive.tar');
    const pairs = Math.min(runs, MOST_PAIRS);
    const engines = [berthd.environment, ...(typeof peer === 'string' ? [] : [peer.environment])];
    const wants = (key: string) => process.env.BENCH_IMAGES?.split(',').includes(key) ?? true;
    const first = await BenchImage.variant(0);
    await first.store(pulled(0));
    const size = `${Math.round(first.size / 1e6)} MB in 12 layers`;
    const found: Row[] = [];
    const measure = async (title: string, atMost: number, count: number, prepare: (round: number) => Promise<void>, run: Operation) =>
      found.push(await row(title, atMost, berthd, peer, count, prepare, run));

    // While the engine has not done anything yet and is as small as it gets.
    if (wants('memory')) found.push(await memoryRow(berthd, pulled(0)));
    for (const env of engines) docker(env, 'pull', '-q', pulled(0));
    if (wants('pull')) {
      const prepare = async (round: number) => (await BenchImage.variant(round)).store(pulled(round));
      await measure(`docker pull, ${size}`, 0.6, pairs, prepare, (env, round) => docker(env, 'pull', '-q', pulled(round)));
    }
    if (wants('load')) {
      const prepare = async (round: number) => (await BenchImage.variant(1000 + round)).archive('bench:loaded', archive);
      await measure(`docker load, ${size}`, 0.7, pairs, prepare, (env) => docker(env, 'load', '-q', '-i', archive));
    }
    if (wants('push')) {
      for (const env of engines) docker(env, 'tag', pulled(0), pushed);
      await measure('docker push of the same', 0.8, pairs, nothing, (env) => {
        rmSync(join(target.root, 'docker'), { recursive: true, force: true });
        return docker(env, 'push', '-q', pushed);
      });
    }
    if (wants('save')) {
      await measure('docker save of the same', 0.8, pairs, nothing, (env) => {
        rmSync(archive, { force: true });
        return docker(env, 'save', '-o', archive, pulled(0));
      });
    }
    if (wants('list')) {
      await archiveOfMany(LISTED, archive);
      for (const env of engines) docker(env, 'load', '-q', '-i', archive);
      await measure(`docker images, ${LISTED} images`, 1, runs, nothing, (env) => docker(env, 'images'));
    }
    return found;
  } finally {
    if (typeof peer !== 'string') await peer[Symbol.asyncDispose]();
    await berthd.stop();
  }
}

const nothing = async () => {};

/** Both engines in turn, after one round that does not count. What they wrote reaches the disk between the turns, not within them. */
async function row(
  title: string,
  atMost: number,
  berthd: Berthd,
  peer: Dockerd | string,
  count: number,
  prepare: (round: number) => Promise<void>,
  run: Operation,
): Promise<Row> {
  const ours: number[] = [];
  const theirs: number[] = [];
  const settled = (env: Environment, round: number) => {
    const time = run(env, round);
    spawnSync('sync');
    return time;
  };
  for (let round = 1; round <= count + 1; round++) {
    await prepare(round);
    spawnSync('sync');
    ours.push(settled(berthd.environment, round));
    if (typeof peer !== 'string') theirs.push(settled(peer.environment, round));
  }
  ours.shift();
  theirs.shift();
  if (typeof peer === 'string') return missingPeerRow(title, atMost, ours, peer);
  const ratio = median(ours.map((time, at) => time / (theirs[at] as number)));
  const comparison: Comparison = { ours: { times: ours }, theirs: { times: theirs }, ratio };
  return { ...comparisonRow(title, atMost, comparison), note: `dockerd: ${peer.version}` };
}

function docker(env: Environment, ...args: string[]): number {
  return timeOnce({ command: dockerClient(), args, env });
}

/** The most that the engine's processes took together during a pull, above what they took before it (PSS, sampled). */
async function memoryRow(berthd: Berthd, name: string): Promise<Row> {
  const pids = processesOf(berthd.directory).map((line) => line.split(' ')[1] as string);
  const idle = memoryOf(pids);
  const child = spawn(dockerClient(), ['pull', '-q', name], { env: berthd.environment, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let peak = idle;
  while (child.exitCode === null) {
    peak = Math.max(peak, memoryOf(pids));
    await sleep(20);
  }
  await ended;
  const ours = `${(idle / 1e6).toFixed(0)} MB idle, ${(peak / 1e6).toFixed(0)} MB at most`;
  return { name: 'memory of a pull, above idle', atMost: 200, unit: 'MB', ours, theirs: '', value: (peak - idle) / 1e6 };
}

function memoryOf(pids: readonly string[]): number {
  const sizes = pids.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** An ext4 file system of the benchmark's own, in a file: what others delete on the machine's does not slow down its inodes. */
class Disk implements Disposable {
  readonly path: string;
  readonly #directory = mkdtempSync(join(tmpdir(), 'berth-bench-disk-'));

  constructor() {
    this.path = join(this.#directory, 'mount');
    const file = join(this.#directory, 'ext4');
    mkdirSync(this.path);
    command('truncate', '-s', '20G', file);
    command('mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', file);
    command('mount', '-o', 'loop', file, this.path);
  }

  [Symbol.dispose](): void {
    command('umount', this.path);
    rmdirSync(this.path);
    rmSync(this.#directory, { recursive: true });
  }
}

function command(name: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(name, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${error?.message ?? stderr}`);
}
