// Checkpoints as a user of Docker has them: created, listed, started from, moved to another container, removed.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CRIU, criuMissing } from '../harness/criu.ts';
import { type Bench, withBothClients } from './both-clients.ts';

// The daemon under test finds it as people's do.
process.env.PATH = `${dirname(CRIU)}:${process.env.PATH}`;

const COUNT = 'i=0; while true; do i=$((i+1)); echo $i; sleep 0.1; done';

const ok = async (client: Bench['client'], ...args: string[]) => {
  const result = await client(args);
  assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
  return result.stdout.trim();
};

const numbers = async (client: Bench['client'], name: string) => (await ok(client, 'logs', name)).split('\n').filter(Boolean).map(Number);

async function atLeast(client: Bench['client'], name: string, count: number): Promise<number[]> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const found = await numbers(client, name);
    if (found.length >= count) return found;
    await sleep(50);
  }
  throw new Error(`${name} does not count: ${await ok(client, 'logs', name)}`);
}

describe('checkpoints', { skip: criuMissing() }, () => {
  withBothClients(
    'checkpoints',
    {
      'a container goes on where it stood, with its log and its network': async ({ client, unique }) => {
        const name = unique();
        await ok(client, 'run', '-d', '--restart', 'always', '--name', name, '-p', '127.0.0.1::80', 'busybox', 'sh', '-c', COUNT);
        await atLeast(client, name, 5);
        assert.equal(await ok(client, 'checkpoint', 'create', name, 'first'), 'first');
        // Its end is wanted: it is not restarted.
        assert.equal(await ok(client, 'inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name), 'exited 137');
        assert.equal(await ok(client, 'checkpoint', 'ls', name), 'CHECKPOINT NAME\nfirst');
        const stood = await numbers(client, name);
        await ok(client, 'start', '--checkpoint', 'first', name);
        const all = await atLeast(client, name, stood.length + 5);
        assert.deepEqual(
          all,
          all.map((_, index) => index + 1),
        );
        assert.equal(await ok(client, 'inspect', '-f', '{{.State.Status}}', name), 'running');
        const address = await ok(client, 'inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', name);
        assert.match(await ok(client, 'exec', name, 'ip', 'addr', 'show', 'eth0'), new RegExp(`inet ${address}/`));
        assert.match(await ok(client, 'exec', name, 'ip', 'route'), /default via/);
        await ok(client, 'checkpoint', 'rm', name, 'first');
        assert.equal(await ok(client, 'checkpoint', 'ls', name), 'CHECKPOINT NAME');
        // From now on it begins anew.
        await ok(client, 'restart', '-t', '0', name);
        assert.equal((await atLeast(client, name, all.length + 1)).includes(1), true);
        await ok(client, 'rm', '-f', name);
      },
      'the container goes on, and another one begins at its checkpoint': async ({ daemon, client, unique }) => {
        const [first, second] = [unique(), unique()];
        const directory = join(daemon.directory, unique());
        await ok(client, 'run', '-d', '--name', first, 'busybox', 'sh', '-c', COUNT);
        await atLeast(client, first, 5);
        await ok(client, 'checkpoint', 'create', '--leave-running', '--checkpoint-dir', directory, first, 'moved');
        assert.ok(existsSync(join(directory, 'moved/inventory.img')));
        assert.equal(await ok(client, 'inspect', '-f', '{{.State.Status}}', first), 'running');
        const stood = (await numbers(client, first)).length;
        await ok(client, 'create', '--name', second, 'busybox', 'sh', '-c', COUNT);
        await ok(client, 'start', '--checkpoint', 'moved', '--checkpoint-dir', directory, second);
        const [begun = 0] = await atLeast(client, second, 3);
        assert.ok(begun > 3 && begun <= stood + 1, `it began at ${begun}, saved at ${stood}`);
        const addresses = [];
        for (const name of [first, second])
          addresses.push(await ok(client, 'exec', name, 'sh', '-c', "ip addr show eth0 | grep -o 'inet [0-9.]*'"));
        assert.notEqual(addresses[0], addresses[1]);
        await ok(client, 'rm', '-f', first, second);
      },
      'what cannot be is refused, and nothing changes': async ({ client, unique }) => {
        const name = unique();
        await ok(client, 'run', '-d', '--name', name, 'busybox', 'sh', '-c', COUNT);
        const refused = async (...args: string[]) => {
          const result = await client(args);
          assert.equal(result.code, 1, args.join(' '));
          return result.stderr;
        };
        assert.match(await refused('checkpoint', 'create', name, 'a/b'), /Invalid checkpoint ID \(a\/b\)/);
        assert.match(await refused('checkpoint', 'rm', name, 'nothing'), /checkpoint nothing does not exist for container/);
        await ok(client, 'checkpoint', 'create', '--leave-running', name, 'once');
        assert.match(await refused('checkpoint', 'create', name, 'once'), /checkpoint with name once already exists for container/);
        await ok(client, 'stop', '-t', '0', name);
        assert.match(await refused('checkpoint', 'create', name, 'twice'), /is not running/);
        assert.match(await refused('start', '--checkpoint', 'nothing', name), /checkpoint nothing does not exist/);
        await ok(client, 'rm', '-f', name);
      },
    },
    { flags: ['--experimental'] },
  );
});
