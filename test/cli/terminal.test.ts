import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dockerClient, ROOT } from '../harness/programs.ts';
import { Terminal } from '../harness/terminal.ts';
import { startRegistry } from '../registry/registry-process.ts';
import { storeImage } from '../registry/test-image.ts';
import { type Bench, withBothClients } from './both-clients.ts';

const commandOf = ({ name }: Bench) => (name === 'docker' ? dockerClient() : join(ROOT, 'bin', 'berth'));
const terminal = (bench: Bench, args: string[]) => new Terminal(commandOf(bench), args, bench.daemon.environment);

withBothClients('terminals and signals', {
  'a shell with -it: echo, size, exit code': async (bench) => {
    using tty = terminal(bench, ['run', '--rm', '-it', 'busybox', 'sh']);
    await tty.see(/# /);
    tty.type('tty; stty size; exit 3\n');
    assert.equal(await tty.exit(), 3);
    assert.match(tty.screen, /\/dev\/(pts\/\d+|console)\r\n24 80\r\n/);
  },
  'a change of the window’s size reaches the program': async (bench) => {
    const name = bench.unique();
    const script = 'trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done';
    using tty = terminal(bench, ['run', '--rm', '-it', '--name', name, 'busybox', 'sh', '-c', script]);
    await tty.see(/ready/);
    // A change that comes before the client listens for changes is lost, and nothing tells when it does: so, several of them.
    for (let columns = 132; columns > 122 && !/50 1\d\d/.test(tty.screen); columns--) {
      tty.resize({ rows: 50, columns });
      await sleep(300);
    }
    await tty.see(/50 1\d\d/);
    await bench.client(['rm', '-f', name]);
    await tty.exit();
  },
  'the detach keys leave the container running, and attach comes back': async (bench) => {
    const name = bench.unique();
    {
      using tty = terminal(bench, ['run', '-it', '--name', name, 'busybox', 'sh']);
      await tty.see(/# /);
      tty.type('\x10\x11');
      assert.equal(await tty.exit(), 0);
    }
    assert.equal((await bench.client(['inspect', '-f', '{{.State.Running}}', name])).stdout, 'true\n');
    using again = terminal(bench, ['attach', name]);
    again.type('echo back-$((40+2))\n');
    await again.see(/back-42/);
    again.type('exit 5\n');
    assert.equal(await again.exit(), 5);
    await bench.client(['rm', '-f', name]);
  },
  'exec -it has a terminal of its own': async (bench) => {
    const name = bench.unique();
    await bench.client(['run', '-d', '--name', name, 'busybox', 'sleep', '60']);
    using tty = terminal(bench, ['exec', '-it', name, 'sh']);
    await tty.see(/# /);
    tty.type('stty size; exit 8\n');
    assert.equal(await tty.exit(), 8);
    assert.match(tty.screen, /24 80/);
    await bench.client(['rm', '-f', name]);
  },
  'ctrl-c in a terminal is the container’s': async (bench) => {
    using tty = terminal(bench, [
      'run',
      '--rm',
      '-it',
      'busybox',
      'sh',
      '-c',
      'trap "echo interrupted; exit 9" INT; echo ready; while :; do sleep 0.05; done',
    ]);
    await tty.see(/ready/);
    tty.type('\x03');
    assert.equal(await tty.exit(), 9);
    assert.match(tty.screen, /interrupted/);
  },
  'signals to the client go on to the container': async (bench) => {
    const script = 'trap "echo told; exit 4" TERM; echo ready; while :; do sleep 0.05; done';
    const child = spawn(commandOf(bench), ['run', '--rm', 'busybox', 'sh', '-c', script], {
      env: bench.daemon.environment,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    const code = await new Promise((resolve) => {
      child.stdout.on('data', (chunk) => {
        output += chunk;
        if (output === 'ready\n') child.kill('SIGTERM');
      });
      child.on('close', resolve);
    });
    assert.equal(output, 'ready\ntold\n');
    assert.equal(code, 4);
  },
  '-t without a terminal on standard input is refused': async (bench) => {
    const result = await bench.client(['run', '--rm', '-it', 'busybox', 'true']);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /the input device is not a TTY/i);
  },
});

// Where the registry is in reach.
withBothClients(
  'progress',
  {
    'a pull on a terminal draws a line a layer and comes back to it; off one it prints plain lines': async (bench) => {
      await using registry = await startRegistry();
      const image = `${registry.host}/drawn:1`;
      const layers = ['one', 'two'].map((name) => [{ name, body: Buffer.alloc(200_000, name) }]);
      await storeImage(image, { family: 'oci', compression: 'gzip', layers });
      {
        using tty = terminal(bench, ['pull', image]);
        assert.equal(await tty.exit(), 0);
        // Each layer's line was drawn over until it said this.
        const drawn = afterCursor(tty.screen);
        assert.equal(drawn.filter((line) => /^[0-9a-f]{12}: Pull complete *$/.test(line)).length, 2, JSON.stringify(tty.screen));
        assert.match(tty.screen, /\x1b\[\d+[AB]/);
        assert.match(drawn.join('\n'), /Digest: sha256:[0-9a-f]{64}\nStatus: Downloaded newer image for .*\/drawn:1\n/);
      }
      await bench.client(['rmi', image]);
      const plain = await bench.client(['pull', image]);
      assert.equal(plain.code, 0, plain.stderr);
      assert.doesNotMatch(plain.stdout, /\x1b|\r/);
      assert.equal(plain.stdout.match(/^[0-9a-f]{12}: Pull complete$/gm)?.length, 2);
      {
        using tty = terminal(bench, ['push', image]);
        assert.equal(await tty.exit(), 0);
        assert.match(afterCursor(tty.screen).join('\n'), /1: digest: sha256:[0-9a-f]{64} size: \d+/);
      }
      await bench.client(['rmi', image]);
    },
  },
  { hostNetwork: true, flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] },
);

/** What a screen shows in the end: lines, of which the cursor has gone up to some and written over them. */
function afterCursor(output: string): string[] {
  const lines: string[] = [];
  let row = 0;
  for (const [, move, direction, erase, end, text] of output.matchAll(/\x1b\[(\d+)([AB])|(\x1b\[2?K)|(\r?\n|\r)|([^\x1b\r\n]+)/g)) {
    if (move) row = Math.max(0, row + (direction === 'A' ? -1 : 1) * Number(move));
    else if (erase) lines[row] = '';
    else if (end?.endsWith('\n')) row++;
    else if (text) lines[row] = text;
  }
  return Array.from({ length: lines.length + 1 }, (_, at) => lines[at] ?? '');
}
