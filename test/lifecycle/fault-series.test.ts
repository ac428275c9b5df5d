// SIGKILL to the service, the zygote or a shim at random moments of everything that the service does. After each, the service starts
// again on its roots, if it was the one; what lived lives, what was cut off is brought to its end, exit codes are known, and nothing
// is left: no process, mount, cgroup, socket or bundle, no blob, ingest, snapshot or lease.
//
// Moments come from a seed: BERTH_FAULT_SEED repeats a series, BERTH_FAULT_POINTS makes it longer. The whole series of the project is
//   BERTH_FAULT_POINTS=200 npm test fault-series
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Leases } from '@berth/rpc/gen/containerd/services/leases/v1/leases';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { mountsOf } from '../harness/berthd.ts';
import { eventually } from '../harness/eventually.ts';
import { seededRandom } from '../harness/seeded-random.ts';
import { startRegistry } from '../registry/registry-process.ts';
import { storeImage } from '../registry/test-image.ts';
import { type Phase, phases, type Victim } from './fault-phases.ts';
import { alive, Laboratory, NAMESPACE } from './laboratory.ts';

const POINTS = Number(process.env.BERTH_FAULT_POINTS ?? 9);
const SEED = Number(process.env.BERTH_FAULT_SEED ?? 1);
const LAYERS = 3;
const FILES = 60;
/** Milliseconds for one point. */
const PATIENCE = 60_000;

test(`killed at ${POINTS} moments (seed ${SEED})`, { timeout: 900_000 }, async (t) => {
  await using registry = await startRegistry();
  const image = `${registry.host}/faults/image:1`;
  await storeImage(image, { family: 'oci', layers: Array.from({ length: LAYERS }, (_, layer) => filesOf(layer)) });
  const lab = await Laboratory.open(t);
  const all = phases(image, LAYERS);
  const random = seededRandom(SEED);
  const durations = new Map<string, number>();
  for (const phase of all) durations.set(phase.name, await timed(lab, phase));
  const witnesses = [await witness(lab), await witness(lab)];
  const killed = new Map<string, number>();
  for (let point = 0; point < POINTS; point++) {
    const phase = all[point % all.length] as Phase;
    const victim = phase.victims[Math.floor(random() * phase.victims.length)] as Victim;
    const moment = random() * (durations.get(phase.name) ?? 0);
    const title = `point ${point}: ${victim} in ${phase.name} after ${moment.toFixed(1)} ms`;
    try {
      if (await inTime(onePoint(lab, phase, victim, moment))) killed.set(victim, (killed.get(victim) ?? 0) + 1);
      for (const { id, pid } of witnesses) {
        const { process } = await lab.tasks.get({ containerId: id });
        assert.deepEqual([process?.status, process?.pid, alive(pid)], [Status.RUNNING, pid, true], 'a container that had no part in it');
      }
      await nothingLeft(
        lab,
        witnesses.map(({ id }) => id),
      );
    } catch (error) {
      throw new Error(`${title}: ${(error as Error).message}\n${lab.output.split('\n').slice(-6).join('\n')}`, { cause: error });
    }
  }
  for (const { id } of witnesses) {
    await lab.tasks.kill({ containerId: id, signal: 15 });
    assert.equal((await lab.tasks.wait({ containerId: id })).exitStatus, 3);
    await lab.remove(id);
  }
  await nothingLeft(lab, []);
  t.diagnostic(`seed ${SEED}, ${POINTS} points, killed: ${[...killed].map(([victim, times]) => `${victim} ${times}`).join(', ')}`);
});

/** What is waited for in vain would otherwise never be told. */
async function inTime<T>(point: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${PATIENCE / 1000} s`)), PATIENCE);
  });
  return await Promise.race([point, late]).finally(() => clearTimeout(timer));
}

/** Whether there was somebody to kill. */
async function onePoint(lab: Laboratory, phase: Phase, victim: Victim, moment: number): Promise<boolean> {
  // A killed one is replaced when a shim is wanted.
  if (victim === 'zygote' && zygoteOf(lab) === undefined) await lab.remove(await lab.run('exit 0'));
  const trial = await phase.prepare(lab);
  const acting = trial.act().catch(() => {});
  await sleep(moment);
  const pid = victim === 'service' ? lab.process.pid : victim === 'zygote' ? zygoteOf(lab) : shimOf(trial.id ?? '');
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  if (victim === 'service') {
    await once(lab.process, 'exit');
    lab.connection.close();
    await acting;
    await lab.start();
  }
  await acting;
  await trial.finish(victim === 'shim' && pid !== undefined);
  return pid !== undefined;
}

/** Milliseconds of a phase that nobody disturbs, with a margin for what goes on behind its answer. */
async function timed(lab: Laboratory, phase: Phase): Promise<number> {
  const trial = await phase.prepare(lab);
  const started = performance.now();
  await trial.act();
  const elapsed = performance.now() - started;
  await trial.finish(false);
  return elapsed * 1.3 + 1;
}

async function witness(lab: Laboratory): Promise<{ id: string; pid: number }> {
  const id = await lab.run('trap "exit 3" TERM; while :; do sleep 0.1; done');
  return { id, pid: (await lab.tasks.get({ containerId: id })).process?.pid ?? 0 };
}

/** Everything of the laboratory that the machine and the service have, apart from the containers that are expected. */
async function nothingLeft(lab: Laboratory, expected: readonly string[]): Promise<void> {
  const content = join(lab.directory, 'root/io.containerd.content.v1.content');
  const state = join(lab.directory, 'state');
  const find = () => [
    ...idsIn(join(state, 'io.containerd.runtime.v2.task', NAMESPACE), 'bundle'),
    ...idsIn(join(state, 'runtime', NAMESPACE), 'runtime state'),
    ...cgroupsOf(lab),
    ...shimTitles(lab).map((id) => `shim of ${id}`),
    ...mountsOf(lab.directory),
    ...entries(join(state, 'deleting')).map((name) => `deleting/${name}`),
    ...entries(join(state, 's'))
      .slice(expected.length)
      .map((name) => `socket ${name}`),
    ...entries(join(content, 'ingest')).map((name) => `ingest ${name}`),
    ...entries(join(content, 'blobs/sha256')).map((name) => `blob ${name}`),
    ...entries(join(lab.directory, 'root/io.containerd.snapshotter.v1.overlayfs/snapshots')).map((name) => `snapshot ${name}`),
  ];
  const strays = () => find().filter((line) => !expected.some((id) => line.endsWith(` ${id}`)));
  await eventually(() => strays().length === 0, 'the end of what is left').catch(() => {});
  const { leases } = await lab.connection.client(Leases).list({});
  assert.deepEqual([...strays(), ...leases.map(({ id }) => `lease ${id}`)], []);
}

function entries(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function idsIn(directory: string, what: string): string[] {
  return entries(directory)
    .filter((name) => !name.startsWith('.'))
    .map((id) => `${what} ${id}`);
}

/** In every hierarchy, with whatever processes are in them. */
function cgroupsOf(lab: Laboratory): string[] {
  const root = '/sys/fs/cgroup';
  return [root, ...readdirSync(root).map((name) => join(root, name))]
    .filter((directory) => existsSync(join(directory, 'cgroup.procs')))
    .flatMap((directory) => readdirSync(directory))
    .filter((name) => name.startsWith(basename(lab.directory)))
    .map((name) => `cgroup ${name}`);
}

function shimTitles(lab: Laboratory): string[] {
  return titles()
    .map(({ title }) => /^berth-shim (?:\w+)\/(\S+)/.exec(title)?.[1] ?? '')
    .filter((id) => id.startsWith(basename(lab.directory)));
}

function shimOf(id: string): number | undefined {
  return titles().find(({ title }) => title === `berth-shim ${NAMESPACE}/${id}`)?.pid;
}

function zygoteOf(lab: Laboratory): number | undefined {
  return titles().find(({ title, parent }) => title.startsWith('berth-zygote') && parent === lab.process.pid)?.pid;
}

function titles(): { pid: number; parent: number; title: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const title = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      if (!title.startsWith('berth-')) return [];
      const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]);
      return [{ pid: Number(name), parent, title }];
    } catch {
      return [];
    }
  });
}

/** Half of it random, so that it does not compress to nothing. */
function filesOf(layer: number) {
  const random = seededRandom(layer);
  return Array.from({ length: FILES }, (_, file) => ({
    name: `layer-${layer}/file-${file}`,
    body: Buffer.from(Uint8Array.from({ length: 20_000 }, (_value, at) => (at % 2 ? random() * 256 : file))),
  }));
}
