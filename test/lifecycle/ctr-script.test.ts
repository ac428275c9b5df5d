// Debian's ctr against this service and against containerd: one script of real calls; what it prints, and the events that ctr saw
// meanwhile, are compared line by line. What differs is named with its reason; anything else that differs fails.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { busyboxRootfs } from '../harness/busybox.ts';
import { CRIU, criuMissing } from '../harness/criu.ts';
import type { Result } from '../harness/programs.ts';
import { tar } from '../harness/tar-archive.ts';
import { startRegistry } from '../registry/registry-process.ts';
import { storeArchives } from '../registry/test-image.ts';
import { CONTAINERD_1_7, CONTAINERD_2, type LifecycleName, LifecyclePeer, unless, withoutRelease } from '../seams/peers.ts';
import { makeRootfs } from '../seams/rootfs.ts';
import { type ScriptPlaces, type Step, script } from './ctr-script.ts';

// The services under test find it as people's do.
process.env.PATH = `${dirname(CRIU)}:${process.env.PATH}`;

const RUNTIME: Record<LifecycleName, string> = { 'berth-lifecycle': 'io.containerd.berth.v1', containerd: 'io.containerd.runc.v2' };
const PATIENCE = 10_000;
/** A namespace whose creation is told, once somebody listens. */
const LISTENING = 'listening';

/** Steps that print something else here, and why that is right. */
const DIFFERENT: Record<string, string> = {
  'snapshots diff seen': "containerd's error has its internal key of the snapshot, default/8/seen",
  'snapshots --snapshotter none': 'the error says which snapshotters there are',
  'run missing': "the words before the reason are the runtime's own: runc 1.1 names itself, ours says as later ones that init failed",
  'tasks exec of nothing': 'as run missing',
  'containers info': "ctr sends runc's options to runc's shim only",
  'plugins ls': 'each lists what it is made of',
  version: 'two programs of two versions',
};

const UNTIL_2: Record<string, string> = {
  'tasks pause again': 'a task in the wrong state is a failed precondition; containerd passes it on as unknown',
};

const DIFFERENT_FROM_2: Record<string, string> = {
  'images pull of nothing': "the registry's own words are passed on, which docker prints",
  'containers label': 'labels that somebody gave an image outlast an import of the same name, as they did before transfers',
};

test(
  'a script of ctr commands prints the same here and on containerd',
  {
    skip: unless('ctr', 'containerd', 'runc'),
    timeout: 300_000,
  },
  (t) => compare(t),
);

for (const [name, release] of [
  ['1.7', CONTAINERD_1_7],
  ['2', CONTAINERD_2],
] as const)
  test(`the same with ctr and containerd ${name}`, { skip: withoutRelease(release) || unless('runc'), timeout: 300_000 }, (t) =>
    compare(t, release),
  );

async function compare(t: TestContext, release?: string): Promise<void> {
  const criu = criuMissing();
  if (criu) t.diagnostic(`without checkpoints: ${criu}`);
  await using registry = await startRegistry();
  const image = `${registry.host}/script/image:1`;
  const { manifest, layers } = await storeArchives(image, { family: 'oci', layers: [] }, [
    busyboxRootfs(),
    tar([{ name: 'second', body: 'layer' }]),
  ]);
  const directory = mkdtempSync('/tmp/berth-ctr-');
  try {
    const rootfs = await makeRootfs(join(directory, 'rootfs'));
    const common = { image, registry: registry.host, manifest: manifest.digest, layer: layers[0]?.digest ?? '', rootfs, criu: !criu };
    const [ours, theirs] = await Promise.all([
      play('berth-lifecycle', release, directory, common),
      play('containerd', release, directory, common),
    ]);
    const differences: string[] = [];
    const reasons = { ...DIFFERENT, ...(release === CONTAINERD_2 ? DIFFERENT_FROM_2 : UNTIL_2) };
    const same = new Set(Object.keys(reasons));
    for (const [at, { name, lines }] of ours.entries()) {
      const others = theirs[at]?.lines ?? [];
      if (lines.join('\n') === others.join('\n')) continue;
      same.delete(name);
      if (name in reasons) t.diagnostic(`${name}: ${reasons[name]}`);
      else differences.push(`## ${name}\n${compared(lines, others)}`);
    }
    assert.equal(differences.length, 0, `\n${differences.join('\n\n')}`);
    assert.deepEqual([...same], [], 'named as different, and the same');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Names {
  directory: string;
  prefix: string;
  roots: string[];
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
  const names = { directory, prefix, roots: [join(peer.directory, 'root'), peer.state, peer.directory] };
  const outcomes: Outcome[] = [];
  using events = peer.background(['events']);
  while (!events.printed) for (const verb of ['create', 'rm']) await peer.ctr(['namespaces', verb, LISTENING]);
  let printed = '';
  for (const step of script({ ...common, directory, runtime: RUNTIME[name], prefix })) {
    const args = typeof step.args === 'function' ? step.args(printed) : step.args;
    const result = await perform(peer, { ...step, args });
    printed = result.stdout;
    const lines = normal(`exit ${result.code}\n${result.stdout}\n${result.stderr}`, names);
    outcomes.push({ name: step.name, lines: step.only ? lines.filter((line) => /^exit/.test(line) || step.only?.test(line)) : lines });
  }
  outcomes.push({ name: 'events', lines: eventLines(await events.end(), names, release) });
  return outcomes;
}

async function perform(peer: LifecyclePeer, { args, input, until, terminal }: Step & { args: readonly string[] }): Promise<Result> {
  if (terminal) {
    using screen = peer.terminal(args);
    return { code: await screen.exit(), stdout: screen.screen, stderr: '' };
  }
  for (const end = Date.now() + PATIENCE; ; ) {
    const result = await peer.ctr(args, input === undefined ? {} : { input });
    if (!until || until.test(result.stdout) || Date.now() > end) return result;
  }
}

/** What cannot be alike is named instead: each rule says of what it takes the place. */
function normal(text: string, { directory, prefix, roots }: Names): string[] {
  let named = text.replaceAll(directory, 'DIRECTORY').replaceAll(prefix, 'ID');
  for (const root of roots) named = named.replaceAll(root, 'ROOT');
  return (
    named
      .replace(/^(ID-\S+\s+)\d+(\s+[A-Z]+)/gm, '$1PID$2')
      .replace(/^\d+(\s+-)/gm, 'PID$1')
      .replace(/"pid": ?\d+/g, '"pid": PID')
      // What ctr 1.7 prints as a protobuf message has its date so.
      .replace(/seconds:\d+ nanos:\d+/g, 'DATE')
      .replace(/\d{4}-\d\d-\d\d [\d:.]+ \+0000 UTC/g, 'DATE')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)/g, 'DATE')
      .replace(/\{"seconds":\d+,"nanos":\d+\}/g, 'DATE')
      .replace(/containerd\.io\/checkpoint\/ID-long:[\d:-]+/g, 'containerd.io/checkpoint/ID-long:DATE')
      // Names that are made up: a client's FIFOs, a view for a moment, where a checkpoint is gathered.
      .replace(/fifo\/\d+\//g, 'fifo/N/')
      .replace(/(extract|view)-\d+-[\w-]{4}/g, '$1-N')
      // Where a push went is remembered as a place to mount the blob from, as docker does it.
      .replace(/(distribution\.source\.[^=]+=)copy,/g, '$1')
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
      .map((line) => line.replace(/(?<=\s|^)[^\s{]+=[^\s{]*,[^\s{]+/g, (labels) => labels.split(',').sort().join(',')))
  );
}

/**
 * Of content only clients' own deletions are told everywhere: containerd 2 tells of its creation as well, and here one hears what the
 * garbage collector does. Nobody but Berth's shim tells of checkpoints.
 */
const UNCOMPARED = /^\/content\/|^\/tasks\/checkpointed$/;
/**
 * A transfer unpacks layers side by side here; for labels of images see above. A shim of containerd 2 may end before it has told of its
 * task's deletion.
 */
const UNCOMPARED_2 = /^\/(snapshot|images)\/|^\/tasks\/delete$|^\/containers\/update$/;

/**
 * What `ctr events` saw, a line for each event, those of one object together: only their order is certain, for a shim's events come when
 * its answers are there. What only one runtime has, or only one release, is left out.
 */
function eventLines(printed: string, names: Names, release: string | undefined): string[] {
  const events = printed.split('\n').flatMap((printedLine) => {
    const [, topic = '', text] = /UTC \S+ (\S+) (.*)$/.exec(printedLine) ?? [];
    if (text === undefined || UNCOMPARED.test(topic) || (release === CONTAINERD_2 && UNCOMPARED_2.test(topic))) return [];
    const event = JSON.parse(text, (key, value) => {
      // Releases have an overlay's options in different orders, and ctr sends runc's options to runc's shim only.
      if (key === 'options') return Array.isArray(value) ? value.toSorted() : undefined;
      return key === 'pid' ? 'PID' : value;
    });
    const object = `${topic.split('/')[1]} ${event.container_id ?? event.id ?? event.name ?? event.key}`;
    if (object === `namespaces ${LISTENING}`) return [];
    const [line = ''] = normal(`${topic} ${JSON.stringify(Object.fromEntries(Object.entries(event).sort()))}`, names);
    return [{ object: normal(object, names)[0] as string, line }];
  });
  const order = [...new Set(events.map(({ object }) => object))].sort();
  return order.flatMap((object) => events.filter((event) => event.object === object)).map(({ line }) => line);
}

function compared(ours: readonly string[], theirs: readonly string[]): string {
  const lines = [
    ...ours.filter((line) => !theirs.includes(line)).map((line) => `+ ${line}`),
    ...theirs.filter((line) => !ours.includes(line)).map((line) => `- ${line}`),
  ];
  if (lines.length > 0) return lines.join('\n');
  const from = ours.findIndex((line, at) => line !== theirs[at]);
  const part = (all: readonly string[], mark: string) => all.slice(from, from + 6).map((line) => `${mark} ${line}`);
  return ['in another order, or another number of times:', ...part(ours, '+'), ...part(theirs, '-')].join('\n');
}
