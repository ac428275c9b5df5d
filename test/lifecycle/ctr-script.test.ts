// Debian's ctr against this service and against containerd: one script of real calls, and what it prints compared line by line. What
// differs is named with its reason; anything else that differs fails.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { busyboxRootfs } from '../harness/busybox.ts';
import type { Result } from '../harness/programs.ts';
import { tar } from '../harness/tar-archive.ts';
import { startRegistry } from '../registry/registry-process.ts';
import { storeArchives } from '../registry/test-image.ts';
import { CONTAINERD_1_7, type LifecycleName, LifecyclePeer, unless, without17 } from '../seams/peers.ts';
import { makeRootfs } from '../seams/rootfs.ts';
import { type ScriptPlaces, type Step, script } from './ctr-script.ts';

const RUNTIME: Record<LifecycleName, string> = { 'berth-lifecycle': 'io.containerd.berth.v1', containerd: 'io.containerd.runc.v2' };
const PATIENCE = 10_000;

/** Steps that print something else here, and why that is right. */
const DIFFERENT: Record<string, string> = {
  'snapshots diff seen': "containerd's error has its internal key of the snapshot, default/8/seen",
  'snapshots --snapshotter none': 'the error says which snapshotters there are',
  'run missing': "the words before the reason are the runtime's own: runc 1.1 names itself, ours says as later ones that init failed",
  'tasks exec of nothing': 'as run missing',
  'containers info': "ctr sends runc's options to runc's shim only",
  'tasks pause again': 'a task in the wrong state is a failed precondition; containerd passes it on as unknown',
  'plugins ls': 'each lists what it is made of',
  version: 'two programs of two versions',
};

test(
  'a script of ctr commands prints the same here and on containerd',
  {
    skip: unless('ctr', 'containerd', 'runc'),
    timeout: 300_000,
  },
  (t) => compare(t),
);

test('the same with ctr and containerd 1.7', { skip: without17 || unless('runc'), timeout: 300_000 }, (t) => compare(t, CONTAINERD_1_7));

async function compare(t: TestContext, release?: string): Promise<void> {
  await using registry = await startRegistry();
  const image = `${registry.host}/script/image:1`;
  const { manifest, layers } = await storeArchives(image, { family: 'oci', layers: [] }, [
    busyboxRootfs(),
    tar([{ name: 'second', body: 'layer' }]),
  ]);
  const directory = mkdtempSync('/tmp/berth-ctr-');
  try {
    const rootfs = await makeRootfs(join(directory, 'rootfs'));
    const common = { image, registry: registry.host, manifest: manifest.digest, layer: layers[0]?.digest ?? '', rootfs };
    const [ours, theirs] = await Promise.all([
      play('berth-lifecycle', release, directory, common),
      play('containerd', release, directory, common),
    ]);
    const differences: string[] = [];
    const same = new Set(Object.keys(DIFFERENT));
    for (const [at, { name, lines }] of ours.entries()) {
      const others = theirs[at]?.lines ?? [];
      if (lines.join('\n') === others.join('\n')) continue;
      same.delete(name);
      if (name in DIFFERENT) t.diagnostic(`${name}: ${DIFFERENT[name]}`);
      else differences.push(`## ${name}\n${compared(lines, others)}`);
    }
    assert.equal(differences.length, 0, `\n${differences.join('\n\n')}`);
    assert.deepEqual([...same], [], 'named as different, and the same');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Outcome {
  name: string;
  lines: string[];
}

async function play(
  name: LifecycleName,
  release: string | undefined,
  root: string,
  common: Omit<ScriptPlaces, 'directory' | 'runtime' | 'prefix'>,
): Promise<Outcome[]> {
  await using peer = await LifecyclePeer.start(name, [], { logLevel: 'info', release });
  const directory = join(root, name);
  mkdirSync(join(directory, 'mounted'), { recursive: true });
  const prefix = `ctr-${randomBytes(4).toString('hex')}`;
  const outcomes: Outcome[] = [];
  for (const step of script({ ...common, directory, runtime: RUNTIME[name], prefix })) {
    const result = await perform(peer, step);
    const text = `exit ${result.code}\n${result.stdout}\n${result.stderr}`;
    const lines = normal(text, { directory, prefix, roots: [join(peer.directory, 'root'), peer.state, peer.directory] });
    outcomes.push({ name: step.name, lines: step.only ? lines.filter((line) => /^exit/.test(line) || step.only?.test(line)) : lines });
  }
  return outcomes;
}

async function perform(peer: LifecyclePeer, { args, input, until }: Step): Promise<Result> {
  for (const end = Date.now() + PATIENCE; ; ) {
    const result = await peer.ctr(args, input === undefined ? {} : { input });
    if (!until || until.test(result.stdout) || Date.now() > end) return result;
  }
}

/** What cannot be alike is named instead: each rule says of what it takes the place. */
function normal(text: string, { directory, prefix, roots }: { directory: string; prefix: string; roots: string[] }): string[] {
  let named = text.replaceAll(directory, 'DIRECTORY').replaceAll(prefix, 'ID');
  for (const root of roots) named = named.replaceAll(root, 'ROOT');
  return (
    named
      .replace(/^(ID-\S+\s+)\d+(\s+[A-Z]+)/gm, '$1PID$2')
      .replace(/^\d+(\s+-)/gm, 'PID$1')
      .replace(/"pid": \d+/g, '"pid": PID')
      // What ctr 1.7 prints as a protobuf message has its date so.
      .replace(/seconds:\d+ nanos:\d+/g, 'DATE')
      .replace(/\d{4}-\d\d-\d\d [\d:.]+ \+0000 UTC/g, 'DATE')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)/g, 'DATE')
      // ctr's own log lines begin with their time of day.
      .replace(/time="[^"]*"/g, 'time=DATE')
      .replace(/\b[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}\b/g, 'UUID')
      .replace(/(Less than a second|About a minute|\d+ (milli)?seconds?)( ago)?/g, 'AGE')
      .replace(/\b\d+(\.\d+)?(ms|µs|s)\b/g, 'TIME')
      // What a container used.
      .replace(/^(memory\.usage_in_bytes|memory\.stat\.cache|cpuacct\.usage|cpuacct\.usage_percpu)\s.*$/gm, '$1 N')
      // The number that a snapshotter gave a snapshot.
      .replace(/snapshots\/\d+\//g, 'snapshots/N/')
      .replace(/io\.containerd\.(berth\.v1|runc\.v2)/g, 'RUNTIME')
      .split('\n')
      .map((line) => line.trim().replace(/\s+/g, ' '))
      .filter((line) => line !== '')
      // Labels are printed as Go's maps come.
      .map((line) => line.replace(/\S+=\S*,\S+/g, (labels) => labels.split(',').sort().join(',')))
  );
}

function compared(ours: readonly string[], theirs: readonly string[]): string {
  const lines = [
    ...ours.filter((line) => !theirs.includes(line)).map((line) => `+ ${line}`),
    ...theirs.filter((line) => !ours.includes(line)).map((line) => `- ${line}`),
  ];
  return lines.length > 0 ? lines.join('\n') : `in another order:\n+ ${ours.join('\n+ ')}\n- ${theirs.join('\n- ')}`;
}
