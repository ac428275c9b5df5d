// What a user does wrong, in the words and with the exit codes of the originals: each command with docker's client on Debian's dockerd, with
// docker's client on Berth and with Berth's own client, and afterwards what is left of it. What dockerd 20.10 says otherwise than its
// successors is named.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import type { Result } from '../harness/programs.ts';
import { tar } from '../harness/tar-archive.ts';
import { Dockerd, unless } from '../seams/peers.ts';

interface Case {
  what: string;
  words: string[];
  input?: Buffer;
  /** Done before, and after, without being compared. */
  before?: string[];
  after?: string[];
  alsoAfter?: string[];
}

const CASES: Case[] = [
  { what: 'a missing image', words: ['run', '--rm', '127.0.0.1:1/no/such:image', 'true'] },
  { what: 'a missing image, not to be pulled', words: ['run', '--rm', '--pull', 'never', 'nosuch', 'true'] },
  { what: 'an image that is none', words: ['run', '--rm', 'BAD', 'true'] },
  { what: 'a missing image to inspect', words: ['image', 'inspect', 'nosuch'] },
  { what: 'a missing image to remove', words: ['rmi', 'nosuch'] },
  { what: 'a missing image to push', words: ['push', '127.0.0.1:1/nosuch'] },
  {
    what: 'a name taken',
    words: ['run', '--name', 'taken', 'busybox', 'true'],
    before: ['create', '--name', 'taken', 'busybox'],
    after: ['rm', 'taken'],
  },
  { what: 'a name that is none', words: ['create', '--name', 'a/b', 'busybox'] },
  { what: 'an unknown flag', words: ['run', '--no-such-flag', 'busybox'] },
  { what: 'an unknown command', words: ['nosuch'] },
  { what: 'too few arguments', words: ['rm'] },
  {
    what: 'a port in use',
    words: ['run', '-d', '--name', 'second', '-p', '127.0.0.1:18077:80', 'busybox', 'sleep', '100'],
    before: ['run', '-d', '--name', 'first', '-p', '127.0.0.1:18077:80', 'busybox', 'sleep', '100'],
    after: ['rm', '-f', 'first', 'second'],
  },
  ...'start stop kill rm logs pause unpause wait top restart port diff attach inspect export'
    .split(' ')
    .map((verb) => ({ what: `an unknown container to ${verb}`, words: [verb, 'nosuch'] })),
  { what: 'an unknown container to exec in', words: ['exec', 'nosuch', 'true'] },
  { what: 'an unknown container to copy from', words: ['cp', 'nosuch:/x', '-'] },
  { what: 'an unknown container to rename', words: ['rename', 'nosuch', 'x'] },
  { what: 'an unknown volume', words: ['volume', 'inspect', 'nosuch'] },
  { what: 'an unknown network', words: ['network', 'inspect', 'nosuch'] },
  {
    what: 'an unknown network to run on',
    words: ['run', '--rm', '--network', 'nosuch', 'busybox', 'true'],
    after: ['container', 'prune', '-f'],
  },
  { what: 'an archive that is none', words: ['import', '-', 'garbage'], input: Buffer.alloc(4096, 'x') },
  { what: 'an image archive without an image', words: ['load'], input: tar([{ name: 'file', body: 'x' }]) },
  { what: 'a rootfs without the command', words: ['run', '--rm', 'busybox', 'nosuchprogram'] },
  { what: 'a rootfs without the command, by its path', words: ['run', '--rm', 'busybox', '/no/such/program'] },
  { what: 'a command that cannot be executed', words: ['run', '--rm', 'busybox', '/etc/passwd'] },
  { what: 'a command that is a directory', words: ['run', '--rm', 'busybox', '/etc'] },
  {
    what: 'a command that is not there, in a running container',
    words: ['exec', 'runs', 'nosuchprogram'],
    before: ['run', '-d', '--name', 'runs', 'busybox', 'sleep', '100'],
    after: ['rm', '-f', 'runs'],
  },
  { what: 'a user that is not there', words: ['run', '--rm', '--user', 'nosuchuser', 'busybox', 'true'] },
  { what: 'a source that is not there', words: ['run', '--rm', '--mount', 'type=bind,source=/no/such/path,target=/x', 'busybox', 'true'] },
  { what: 'too little memory', words: ['run', '--rm', '-m', '1m', 'busybox', 'true'] },
  {
    what: 'a volume in use',
    words: ['volume', 'rm', 'held'],
    before: ['create', '--name', 'holds', '-v', 'held:/x', 'busybox'],
    after: ['rm', 'holds'],
    alsoAfter: ['volume', 'rm', 'held'],
  },
  {
    what: 'a running container to remove',
    words: ['rm', 'runs'],
    before: ['run', '-d', '--name', 'runs', 'busybox', 'sleep', '100'],
    after: ['rm', '-f', 'runs'],
  },
  { what: 'no daemon', words: ['-H', 'unix:///nonexistent/engine.sock', 'ps'] },
];

/** How newer dockerds say what 20.10 says. */
const SINCE_THEN: readonly (readonly [RegExp, string])[] = [
  [
    /failed to create shim task: (.*): exec:/,
    'failed to create task for container: failed to create shim task: $1: error during container init: exec:',
  ],
  [/Cannot kill container/, 'cannot kill container'],
  [/no such image: nosuch: No such image/, 'No such image'],
  [/exec: "\/etc": permission denied/, 'exec: "/etc": is a directory'],
  [
    /You cannot remove a running container .*/,
    'cannot remove container "runs": container is running: stop the container before removing or force remove',
  ],
  // The exit code of an exec, too.
  [/^exit 126: (OCI runtime exec failed: .*executable file not found)/, 'exit 127: $1'],
];

/** Cases in which Berth says something else, and why. */
const DIFFERENT: Record<string, string> = {
  'a missing image': 'the address that was asked is named; dockerd asks whether a registry is there first',
  'an archive that is none': 'the layer is named',
  'an image archive without an image': 'dockerd tells which file of its own it misses, and nothing of the archive',
};

interface Bench {
  client: (words: readonly string[], input?: Buffer) => Promise<Result>;
  socket: string;
}

test('what is wrong is said as the originals say it', { skip: unless('dockerd', 'containerd', 'runc'), timeout: 280_000 }, async (t) => {
  await using berthd = await Berthd.start();
  await using dockerd = await Dockerd.start();
  const options = (input: Buffer | undefined) => ({ timeout: 30_000, ...(input ? { input } : {}) });
  const original: Bench = {
    client: (words, input) => dockerd.client('docker', words, options(input)),
    socket: join(dockerd.directory, 'd.sock'),
  };
  const { socket } = berthd;
  const docker: Bench = { client: (words, input) => berthd.docker(words, options(input)), socket };
  const berth: Bench = { client: (words, input) => berthd.berth(words, options(input)), socket };
  for (const { client } of [original, docker])
    assert.equal((await client(['import', '-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin', '-', 'busybox'], busyboxRootfs())).code, 0);
  const differences: string[] = [];
  const same = new Set(Object.keys(DIFFERENT));
  for (const one of CASES) {
    const [theirs, [ours, own]] = await Promise.all([fail(original, one), inTurn(one, docker, berth)]);
    const then = SINCE_THEN.reduce((text, [old, now]) => text.replace(old, now), theirs);
    if (then === ours && ours === own) continue;
    same.delete(one.what);
    if (one.what in DIFFERENT) t.diagnostic(`${one.what}: ${DIFFERENT[one.what]}`);
    else differences.push(`## ${one.what}: ${one.words.join(' ')}\n- ${then}\n+ ${ours}\n+ ${own}`);
  }
  t.diagnostic(`${CASES.length} cases`);
  assert.equal(differences.length, 0, `\n${differences.join('\n')}`);
  assert.deepEqual([...same], [], 'named as different, and the same');
});

/** Two clients of one daemon. */
async function inTurn(one: Case, first: Bench, second: Bench): Promise<[string, string]> {
  return [await fail(first, one), await fail(second, one)];
}

/** What the case says and how it ends. It leaves what was there, or what dockerd leaves too: a container that was created. */
async function fail({ client, socket }: Bench, { words, input, before, after, alsoAfter }: Case): Promise<string> {
  const start = await objects(socket);
  if (before) assert.equal((await client(before)).code, 0, before.join(' '));
  const result = await client(words, input);
  for (const one of [after, alsoAfter]) if (one) await client(one);
  assert.deepEqual(await objects(socket), start, `${words.join(' ')} leaves something behind`);
  return normal(`exit ${result.code}: ${result.stdout}${result.stderr}`);
}

async function objects(socketPath: string): Promise<string[]> {
  const lists = ['/containers/json?all=1', '/volumes', '/networks', '/images/json?all=1'];
  return Promise.all(lists.map((path) => names(socketPath, path)));
}

function names(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: `/v1.41${path}` }, (response) => {
      text(response).then((body) => {
        const found = JSON.parse(body) as { Volumes: { Name: string }[] | null } | { Id: string }[];
        const list = Array.isArray(found) ? found.map(({ Id }) => Id) : (found.Volumes ?? []).map(({ Name }) => Name);
        resolve(list.sort().join(' '));
      }, reject);
    });
    call.on('error', reject).end();
  });
}

function normal(text: string): string {
  return text
    .replace(/\b(Docker|Berth)\b/g, 'Client')
    .replace(/\b(docker|berth)\b/g, 'client')
    .replace(/\b[\da-f]{64}\b/g, 'ID64')
    .replace(/\b[\da-f]{12}\b/g, 'ID12')
    .replace(' Start it with berthd.', '')
    .trim();
}
