// What a user does wrong is told in Docker's words, with Docker's codes, and leaves nothing behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { join } from 'node:path';
import { busyboxRootfs } from '../harness/busybox.ts';
import { dockerClient, ROOT, run } from '../harness/programs.ts';
import { FaultyRegistry } from '../registry/faulty-registry.ts';
import { startRegistry } from '../registry/registry-process.ts';
import { storeArchives, storeImage } from '../registry/test-image.ts';
import { type Bench, withBothClients } from './both-clients.ts';

/** Everything a failed command could leave: containers, volumes, networks. */
async function objects({ client }: Bench): Promise<string> {
  const lists = await Promise.all([
    client(['ps', '-aq', '--no-trunc']),
    client(['volume', 'ls', '-q']),
    client(['network', 'ls', '-q']),
    client(['images', '-aq']),
  ]);
  return lists.map((list) => list.stdout).join('|');
}

async function leavesNothing(bench: Bench, body: () => Promise<void>): Promise<void> {
  const before = await objects(bench);
  await body();
  assert.equal(await objects(bench), before);
}

function post(
  socket: string,
  path: string,
  body: string,
  headers: Record<string, string> = { 'Content-Type': 'application/json' },
): Promise<{ status: number; message: string; layer?: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socket, path, method: 'POST', headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, ...JSON.parse(text || '{}') }));
    });
    call.on('error', reject);
    call.end(body);
  });
}

withBothClients('bad input', {
  'an image that is nowhere': (bench) =>
    leavesNothing(bench, async () => {
      const result = await bench.client(['run', '--rm', '127.0.0.1:1/no/such:image', 'true']);
      assert.equal(result.code, 125);
      assert.match(result.stderr, /Unable to find image '127\.0\.0\.1:1\/no\/such:image' locally/);
      assert.match(result.stderr, /connection refused|ECONNREFUSED/i);
      assert.equal(
        (await post(bench.daemon.socket, '/containers/create', '{"Image":"no-such-image"}')).message,
        'No such image: no-such-image:latest',
      );
    }),
  'a name that is taken': async (bench) => {
    const name = bench.unique();
    await bench.client(['create', '--name', name, 'busybox']);
    await leavesNothing(bench, async () => {
      const result = await bench.client(['run', '--name', name, 'busybox', 'true']);
      assert.equal(result.code, 125);
      assert.match(
        result.stderr,
        new RegExp(
          `Conflict\\. The container name "/${name}" is already in use by container "[0-9a-f]{64}"\\. You have to remove \\(or rename\\)`,
        ),
      );
      assert.equal((await post(bench.daemon.socket, `/containers/create?name=${name}`, '{"Image":"busybox"}')).status, 409);
    });
    await bench.client(['rm', name]);
  },
  'an unknown flag': async ({ client }) => {
    const result = await client(['run', '--no-such-flag', 'busybox']);
    assert.equal(result.code, 125);
    assert.match(result.stderr, /unknown flag: --no-such-flag/);
  },
  'a port in use': async (bench) => {
    const first = bench.unique();
    const second = bench.unique();
    await bench.client(['run', '-d', '--name', first, '-p', '127.0.0.1:18080:80', 'busybox', 'sleep', '60']);
    const result = await bench.client(['run', '-d', '--name', second, '-p', '127.0.0.1:18080:80', 'busybox', 'sleep', '60']);
    assert.equal(result.code, 125);
    assert.match(result.stderr, /Bind for 127\.0\.0\.1:18080 failed: port is already allocated/);
    // As with Docker, the container was created, and is there to be started once the port is free.
    assert.equal((await bench.client(['inspect', '-f', '{{.State.Status}}', second])).stdout, 'created\n');
    await bench.client(['rm', '-f', first]);
    assert.equal((await bench.client(['start', second])).code, 0);
    await bench.client(['rm', '-f', second]);
  },
  'malformed JSON and wrong types': (bench) =>
    leavesNothing(bench, async () => {
      const { socket } = bench.daemon;
      const malformed = await post(socket, '/containers/create', '{"Image":');
      assert.equal(malformed.status, 400);
      assert.ok(malformed.message);
      const wrong = await post(socket, '/containers/create', '{"Image":"busybox","HostConfig":{"Memory":"lots"}}');
      assert.equal(wrong.status, 400);
      assert.match(wrong.message, /Memory/);
      const text = await post(socket, '/containers/create', 'Image=busybox', { 'Content-Type': 'text/plain' });
      assert.equal(text.status, 400);
    }),
  'a container that does not exist': async ({ client }) => {
    for (const verb of ['start', 'stop', 'kill', 'rm', 'logs', 'pause', 'wait', 'top', 'inspect']) {
      const result = await client([verb, 'nosuch']);
      assert.equal(result.code, 1, verb);
      assert.match(result.stderr, /no such (container|object): nosuch/i, verb);
    }
    assert.match((await client(['exec', 'nosuch', 'true'])).stderr, /No such container: nosuch/);
  },
  'a root filesystem without the command': async (bench) => {
    const name = bench.unique();
    const result = await bench.client(['run', '--name', name, 'busybox', 'nosuchprogram']);
    assert.equal(result.code, 127);
    assert.match(result.stderr, /exec: "nosuchprogram": executable file not found in \$PATH/);
    assert.equal((await bench.client(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name])).stdout, 'created 127\n');
    await bench.client(['rm', name]);
    const notExecutable = await bench.client(['run', '--rm', 'busybox', '/etc/passwd']);
    assert.equal(notExecutable.code, 126);
    assert.match(notExecutable.stderr, /permission denied/);
    const badDirectory = await bench.client(['run', '--rm', '-w', '/etc/passwd', 'busybox', 'true']);
    assert.notEqual(badDirectory.code, 0);
  },
  'options that contradict': async (bench) => {
    await leavesNothing(bench, async () => {
      const cases: [string[], RegExp][] = [
        [['-m', '1m', 'busybox'], /Minimum memory limit allowed is 6MB/],
        [['--cpus', '1000', 'busybox'], /range of CPUs is from 0\.01 to/i],
        [['--network', 'container:nosuch', 'busybox'], /No such container: nosuch/],
        [['--network', 'nosuch', 'busybox'], /network nosuch not found/],
        [['-v', '/a:/b:/c:/d', 'busybox'], /invalid (volume specification|mode|spec: .*: too many colons)/],
        [['--mount', 'type=bind,source=/no/such/path,target=/x', 'busybox'], /bind source path does not exist: \/no\/such\/path/],
        [['--cap-add', 'NOT_A_CAP', 'busybox'], /invalid CapAdd: unknown capability: "CAP_NOT_A_CAP"/],
        [['--restart', 'sometimes', 'busybox'], /invalid restart policy/],
        [['--user', 'nosuchuser', '--rm', 'busybox', 'true'], /unable to find user nosuchuser: no matching entries in passwd file/],
        [['--log-driver', 'nosuch', 'busybox'], /nosuch/],
        [['--runtime', 'nosuch', 'busybox'], /unknown or invalid runtime name: nosuch/],
      ];
      for (const [flags, wording] of cases) {
        const result = await bench.client(['run', ...flags]);
        assert.equal(result.code, 125, `${flags.join(' ')}: ${result.stderr}`);
        assert.match(result.stderr, wording, flags.join(' '));
        const created = (await bench.client(['ps', '-aq', '--filter', 'status=created'])).stdout.split('\n').filter(Boolean);
        if (created.length > 0) await bench.client(['rm', ...created]);
      }
    });
  },
  'no daemon, and no permission on its socket': async (bench) => {
    const nowhere = await bench.client(['-H', 'unix:///nonexistent/berth.sock', 'ps']);
    assert.equal(nowhere.code, 1);
    assert.match(
      nowhere.stderr,
      /Cannot connect to the (Docker|Berth) daemon at unix:\/\/\/nonexistent\/berth\.sock\. Is the \w+ daemon running\?/,
    );
    const program = bench.name === 'docker' ? dockerClient() : join(ROOT, 'dist', 'berth');
    const denied = await run('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', program, 'ps'], {
      env: { ...bench.daemon.environment, DOCKER_CONFIG: '/nonexistent' },
    });
    assert.equal(denied.code, 1);
    assert.match(
      denied.stderr,
      new RegExp(`^permission denied while trying to connect to the (Docker|Berth) daemon socket at unix://${bench.daemon.socket}: `),
    );
  },
  'an error names the layer that it comes from': async (bench) => {
    const name = bench.unique();
    await bench.client(['create', '--name', name, 'busybox', 'nosuchprogram']);
    const { status, layer } = await post(bench.daemon.socket, `/containers/${name}/start`, '');
    assert.deepEqual({ status, layer }, { status: 400, layer: 'runtime' });
    const debugged = await bench.client(['-D', 'run', '--name', name, 'busybox', 'true']);
    // Where, and where from, is for those who ask: the line itself is docker's.
    if (bench.name === 'berth') {
      assert.match(debugged.stderr, /^failed in: daemon$/m);
      assert.match(
        (await bench.client(['trace', name])).stdout,
        /^runtime +runtime\.create.*\n +error: .*executable file not found in \$PATH$/m,
      );
    }
    await bench.client(['rm', name]);
  },
  'an archive that is none, and one that is cut off': (bench) =>
    leavesNothing(bench, async () => {
      const garbage = await bench.client(['import', '-', 'garbage'], { input: Buffer.alloc(4096, 'x') });
      assert.notEqual(garbage.code, 0);
      const cut = await bench.client(['import', '-', 'cut'], { input: busyboxRootfs().subarray(0, 100_000) });
      assert.notEqual(cut.code, 0);
      assert.match(cut.stderr + cut.stdout, /unexpected EOF|truncated|unexpected end/i);
    }),
  'a client that goes away in the middle of an upload': (bench) =>
    leavesNothing(bench, async () => {
      const upload = request({ socketPath: bench.daemon.socket, path: '/images/create?fromSrc=-&repo=half', method: 'POST' });
      upload.on('error', () => {});
      upload.write(busyboxRootfs().subarray(0, 500_000));
      await new Promise((resolve) => setTimeout(resolve, 100));
      upload.destroy();
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal((await bench.client(['images', '-q', 'half'])).stdout, '');
    }),
  'a pipe that is closed ends the client quietly': async (bench) => {
    const command = `${bench.name === 'docker' ? 'docker' : join(ROOT, 'bin/berth')} run --rm busybox yes | head -n 1`;
    const child = spawn('sh', ['-c', command], { env: bench.daemon.environment, stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    await new Promise((resolve) => child.on('close', resolve));
    assert.equal(text, 'y\n');
  },
});

// Where the registry is in reach.
withBothClients(
  'bad images',
  {
    'a layer with a flipped bit, and one that is no archive': async (bench) => {
      await using upstream = await startRegistry();
      await using registry = await FaultyRegistry.start(upstream.host);
      const flipped = await storeImage(`${upstream.host}/bad/flipped:1`, {
        family: 'oci',
        compression: 'none',
        layers: [[{ name: 'file', body: Buffer.alloc(10_000, 'x') }]],
      });
      await storeArchives(`${upstream.host}/bad/garbage:1`, { family: 'oci', layers: [] }, [Buffer.alloc(4096, 'x')]);
      const layer = flipped.layers[0]?.digest;
      registry.fault = ({ path }) => (path.endsWith(`/blobs/${layer}`) ? { kind: 'flip', at: 5000 } : undefined);
      const cases: [string, RegExp][] = [
        ['flipped', new RegExp(`filesystem layer verification failed for digest ${layer}`)],
        ['garbage', /invalid tar header/],
      ];
      for (const [name, wording] of cases) {
        await leavesNothing(bench, async () => {
          const pulled = await bench.client(['pull', '-q', `${registry.host}/bad/${name}:1`]);
          assert.equal(pulled.code, 1, name);
          assert.match(pulled.stderr, wording);
          const run = await bench.client(['run', '--rm', `${registry.host}/bad/${name}:1`, 'true']);
          assert.equal(run.code, 125, name);
          assert.match(run.stderr, wording);
        });
      }
    },
  },
  { hostNetwork: true, flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] },
);
