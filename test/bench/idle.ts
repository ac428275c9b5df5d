// An engine with nothing to do: how long it takes to start on roots that it knows, how long until the first container has run, and what
// its daemons hold in memory then.
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Berthd, zygotesOf } from '../harness/berthd.ts';
import { dockerClient } from '../harness/programs.ts';
import { type Dockerd, startDockerd } from './dockerd.ts';
import { compareInTurn, timeOnce } from './measure.ts';
import { childrenOf, inAll, pidsOf } from './memory.ts';
import { comparisonRow, missingPeerRow, type Row } from './table.ts';

/** Milliseconds that a daemon is left alone before it is measured: what follows its start is over. */
const SETTLED = 3_000;

export async function rows(runs: number): Promise<Row[]> {
  await using berthd = await Berthd.start();
  await berthd.importBusybox();
  const peer = await startDockerd();
  if (typeof peer === 'string') return await rowsOf(berthd, undefined, runs, peer);
  await using dockerd = peer;
  return await rowsOf(berthd, dockerd, runs, `dockerd: ${dockerd.version}`);
}

async function rowsOf(berthd: Berthd, dockerd: Dockerd | undefined, runs: number, note: string): Promise<Row[]> {
  const found: Row[] = [];
  for (const [name, body] of [
    ['start until the API listens', start],
    ['start until a first container has run', firstRun],
  ] as const) {
    if (dockerd)
      found.push({
        ...comparisonRow(
          name,
          undefined,
          await compareInTurn(
            () => body(berthd),
            () => body(dockerd),
            runs,
          ),
        ),
        note,
      });
    else found.push(missingPeerRow(name, undefined, [await body(berthd)], note));
  }
  for (const engine of [berthd, dockerd]) await engine?.stop();
  await berthd.launch();
  await dockerd?.launch();
  await sleep(SETTLED);
  return [...found, memoryRow(berthd, dockerd, note)];
}

/** Milliseconds. */
async function start(engine: Berthd | Dockerd): Promise<number> {
  await engine.stop();
  const begin = performance.now();
  await engine.launch();
  return performance.now() - begin;
}

async function firstRun(engine: Berthd | Dockerd): Promise<number> {
  const started = await start(engine);
  return started + timeOnce({ command: dockerClient(), args: ['run', '--rm', 'busybox', 'true'], env: engine.environment });
}

function memoryRow(berthd: Berthd, dockerd: Dockerd | undefined, note: string): Row {
  const zygotes = zygotesOf(berthd.directory);
  const ours = inAll({
    berthd: pidsOf(berthd.directory, 'berthd.js'),
    'berth-lifecycle': pidsOf(berthd.directory, 'berth-lifecycle.js'),
    zygote: zygotes,
    spare: zygotes.flatMap(childrenOf).flatMap((spare) => [spare, ...childrenOf(spare)]),
  });
  const name = 'memory of the idle daemons (PSS)';
  const cell = ({ bytes, list }: typeof ours) => `${(bytes / 1e6).toFixed(0)} MB: ${list}`;
  if (!dockerd) return { name, unit: 'ratio', ours: cell(ours), theirs: 'missing', note };
  // containerd's command line has the exec root, dockerd's both.
  const root = basename(dockerd.directory);
  const theirs = inAll({ dockerd: pidsOf(dockerd.directory, 'dockerd '), containerd: pidsOf(root, 'containerd ') });
  return { name, unit: 'ratio', ours: cell(ours), theirs: cell(theirs), value: ours.bytes / theirs.bytes, note };
}
