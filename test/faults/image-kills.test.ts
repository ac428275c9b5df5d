// A process of the engine dies by SIGKILL at a random moment of a pull, a load, a commit or the creation of a volume. What is visible
// afterwards is whole or not there, the same command repeated finishes, and nothing is left of the broken one. BERTH_FAULT_ROUNDS=100 is
// the long form, BERTH_FAULT_COMMAND chooses one of the four; moments come from a seed, and BERTH_FAULT_SEED repeats them.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Content } from '@berth/rpc/gen/containerd/services/content/v1/content';
import { Leases } from '@berth/rpc/gen/containerd/services/leases/v1/leases';
import { GrpcConnection } from '@berth/rpc/grpc/client';
import { Berthd, processesOf } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import type { Result } from '../harness/programs.ts';
import { seededRandom } from '../harness/seeded-random.ts';
import { type RegistryProcess, startRegistry } from '../registry/registry-process.ts';

const ROUNDS = Number(process.env.BERTH_FAULT_ROUNDS ?? 3);
const SEED = Number(process.env.BERTH_FAULT_SEED ?? randomInt(2 ** 31));
const random = seededRandom(SEED);
const NETWORK = ['--bridge', 'none', '--iptables=false', '--ip-forward=false'];
const VICTIMS = ['berthd', 'berth-lifecycle'] as const;
type Victim = (typeof VICTIMS)[number];

/** Files of the image, one a layer: name to SHA-256. */
const expected = new Map<string, string>();
let daemon: Berthd;
let registry: RegistryProcess;
let image: string;
let archive: string;
/** SHA-256 of the file that the commits keep. */
let changed: string;

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.docker(args, { timeout: 60_000 });
  assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}\n${daemon.log.slice(-3000)}`);
  return stdout.trim();
}

/** An image of busybox and five layers with a file each, made by commits. */
async function makeImage(): Promise<void> {
  await daemon.docker(['import', '-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin', '-', 'base:0'], { input: busyboxRootfs() });
  for (let layer = 0; layer < 5; layer++) {
    // One is too large for a message: a load hands it over as a file.
    const data = randomBytes(layer === 2 ? 6_000_000 : 2_000_000);
    expected.set(`data-${layer}`, createHash('sha256').update(data).digest('hex'));
    const script = `cat > /data-${layer}; mkdir -p /many-${layer}; for n in $(seq 200); do echo $n > /many-${layer}/$n; done`;
    const args = ['run', '-i', '--name', `make-${layer}`, '--network', 'none', `base:${layer}`, 'sh', '-c', script];
    const run = await daemon.docker(args, { input: data });
    assert.equal(run.code, 0, run.stderr);
    await docker('commit', `make-${layer}`, `base:${layer + 1}`);
    await docker('rm', '-f', `make-${layer}`);
  }
}

before(async () => {
  registry = await startRegistry();
  daemon = await Berthd.start({ hostNetwork: true, flags: NETWORK });
  await makeImage();
  image = `${registry.host}/killed:1`;
  archive = join(daemon.directory, 'image.tar');
  await docker('tag', 'base:5', image);
  await docker('push', '-q', image);
  await docker('save', '-o', archive, image);
  await docker('rmi', '-f', image, ...Array.from({ length: 6 }, (_, layer) => `base:${layer}`));
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
});

async function checkImage(name: string): Promise<void> {
  const sums = await docker('run', '--rm', '--network', 'none', name, 'sh', '-c', 'sha256sum /data-*; ls /many-* | grep -cx "[0-9]*[0-9]"');
  const found = new Map([...sums.matchAll(/^([0-9a-f]{64}) {2}\/(\S+)$/gm)].map(([, sum, file]) => [file, sum]));
  assert.deepEqual(found, expected);
  assert.match(sums, /^1000$/m);
}

interface Broken {
  /** Runs the command once. */
  run(): Promise<Result>;
  /** What the client sees of the result; '' for nothing. */
  visible(): Promise<string>;
  check(): Promise<void>;
  undo(): Promise<unknown>;
}

const COMMANDS: Record<string, Broken> = {
  pull: {
    run: () => daemon.docker(['pull', '-q', image]),
    visible: () => docker('images', '-q', image),
    check: () => checkImage(image),
    undo: () => docker('rmi', '-f', image),
  },
  load: {
    run: () => daemon.docker(['load', '-q', '-i', archive]),
    visible: () => docker('images', '-q', image),
    check: () => checkImage(image),
    undo: () => docker('rmi', '-f', image),
  },
  commit: {
    run: () => daemon.docker(['commit', 'changed', 'committed:1']),
    visible: () => docker('images', '-q', 'committed:1'),
    async check() {
      const read = await docker('run', '--rm', '--network', 'none', 'committed:1', 'sh', '-c', 'sha256sum /new; ls /dir | wc -l');
      assert.match(read, new RegExp(`^${changed} {2}/new\n300$`));
    },
    undo: () => docker('rmi', '-f', 'committed:1'),
  },
  'volume create': {
    run: () => daemon.docker(['volume', 'create', '--label', 'a=b', 'killed']),
    visible: () => docker('volume', 'ls', '-q', '-f', 'name=killed'),
    async check() {
      assert.equal(await docker('volume', 'inspect', '-f', '{{.Name}} {{.Labels.a}}', 'killed'), 'killed b');
      await docker('run', '--rm', '--network', 'none', '-v', 'killed:/v', 'probe', 'sh', '-c', 'echo x > /v/x');
    },
    undo: () => docker('volume', 'rm', 'killed'),
  },
};

const only = process.env.BERTH_FAULT_COMMAND;
describe('SIGKILL at any moment of', () => {
  for (const [name, command] of Object.entries(COMMANDS).filter(([name]) => only === undefined || only === name)) {
    test(`${name}: ${ROUNDS} moments`, async () => {
      await prepare(name);
      let length = await wholeRun(command);
      const seen = { done: 0, nothing: 0 };
      for (let round = 0; round < ROUNDS; round++) {
        const victims = name === 'volume create' ? VICTIMS.slice(0, 1) : VICTIMS;
        const victim = victims[round % victims.length] as Victim;
        const moment = random() * length;
        try {
          seen[await killed(command, victim, moment)]++;
          length = await wholeRun(command);
        } catch (error) {
          const title = `seed ${SEED}, round ${round}: ${victim} after ${moment.toFixed(0)} ms of ${length.toFixed(0)}`;
          throw new Error(`${title}: ${(error as Error).message}\n${daemon.log.slice(-3000)}`, { cause: error });
        }
      }
      console.log(`${name}, seed ${SEED}: ${seen.done} were complete after the kill, ${seen.nothing} had left nothing`);
      await docker('rm', '-f', 'changed').catch(() => {});
    });
  }

  test('nothing is left of any of it but what a broken pull would go on with', async () => {
    await docker('system', 'prune', '-a', '-f', '--volumes');
    // The daemon gives back what it holds when it starts.
    await daemon.stop();
    await daemon.launch();
    using connection = new GrpcConnection(join(daemon.execRoot, 'lifecycle.sock'), { namespace: 'moby' });
    const [leases, content] = [connection.client(Leases), connection.client(Content)];
    for (const { id } of (await leases.list({ filters: [] })).leases) {
      assert.doesNotMatch(id, /^berthd-/);
      await leases.delete({ id, sync: true });
    }
    for (const { ref } of (await content.listStatuses({ filters: [] })).statuses) assert.match(ref, /^(layer|config|manifest)-sha256:/);
    const root = join(daemon.dataRoot, 'lifecycle');
    const left = () => ({
      blobs: readdirSync(join(root, 'io.containerd.content.v1.content/blobs/sha256')),
      snapshots: readdirSync(join(root, 'io.containerd.snapshotter.v1.overlayfs/snapshots')),
    });
    const nothing = { blobs: [], snapshots: [] };
    for (let waited = 0; waited < 5000 && JSON.stringify(left()) !== JSON.stringify(nothing); waited += 50) await sleep(50);
    assert.deepEqual(left(), nothing);
  });
});

/** Kills in the midst of the command. Tells what that left. */
async function killed(command: Broken, victim: Victim, moment: number): Promise<'done' | 'nothing'> {
  const running = command.run();
  await sleep(moment);
  await kill(victim);
  const { code, stderr } = await running;
  if (code !== 0) assert.notEqual(stderr.trim(), '', 'a command that failed says why');
  await answers();
  // Visible means whole, whether the client heard of it or not.
  const left = (await command.visible()) === '' ? 'nothing' : 'done';
  if (left === 'done') await command.check();
  return left;
}

/** The command once more, to its end. Tells how long it took, in milliseconds: by processes as young as the next kill will meet. */
async function wholeRun(command: Broken): Promise<number> {
  const started = performance.now();
  const { code, stderr } = await command.run();
  const length = performance.now() - started;
  assert.equal(code, 0, stderr);
  await command.check();
  await command.undo();
  return length;
}

async function prepare(name: string): Promise<void> {
  if (name === 'pull' || name === 'load') return;
  await daemon.docker(['import', '-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin', '-', 'probe'], { input: busyboxRootfs() });
  if (name !== 'commit') return;
  const data = randomBytes(5_000_000);
  changed = createHash('sha256').update(data).digest('hex');
  const script = 'cat > /new; mkdir /dir; for n in $(seq 300); do echo $n > /dir/$n; done';
  const run = await daemon.docker(['run', '-i', '--name', 'changed', '--network', 'none', 'probe', 'sh', '-c', script], { input: data });
  assert.equal(run.code, 0, run.stderr);
}

async function kill(victim: Victim): Promise<void> {
  if (victim === 'berthd') {
    await daemon.kill();
    await daemon.launch();
    return;
  }
  for (const line of processesOf(daemon.directory).filter((one) => one.includes('berth-lifecycle.js')))
    process.kill(Number(line.split(' ')[1]), 'SIGKILL');
}

/** The daemon supervises the lifecycle service; a moment after a kill it may still be on its way back. */
async function answers(): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 50) {
    if ((await daemon.docker(['images', '-q'])).code === 0 && (await daemon.docker(['volume', 'ls', '-q'])).code === 0) return;
    await sleep(50);
  }
  throw new Error(`the daemon does not answer:\n${daemon.log.slice(-3000)}`);
}
