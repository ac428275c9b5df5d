// Debian's dockerd beside Berth: its own roots and socket, in network and mount namespaces of its own. Undefined where it is not there.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inNetworkNamespace } from '@berth/sys/network-namespace';
import { isolatedNetwork } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import { dockerClient, program } from '../harness/programs.ts';

export interface Dockerd extends AsyncDisposable {
  environment: NodeJS.ProcessEnv;
  version: string;
}

/** `flags`: more of them; with them it lives in the machine's own network. */
export async function startDockerd(options: { flags?: readonly string[]; dataRoot?: string } = {}): Promise<Dockerd | string> {
  const dockerd = program('dockerd');
  const version = spawnSync(dockerd, ['--version'], { encoding: 'utf8' });
  if (version.status !== 0)
    return `dockerd cannot run here: ${(version.error?.message ?? version.stderr).trim().split('\n')[0]} (apt-get install docker.io)`;
  const directory = mkdtempSync(join(tmpdir(), 'berth-bench-dockerd-'));
  const socket = join(directory, 'd.sock');
  // In memory, as Berth's is here and as /run is on most machines.
  const execRoot = join('/dev/shm', basename(directory));
  mkdirSync(join(directory, 'config'));
  const namespace = options.flags ? undefined : isolatedNetwork();
  const log = openSync(join(directory, 'log'), 'a');
  const path = [
    program('dockerd').replace(/\/[^/]*$/, ''),
    program('containerd').replace(/\/[^/]*$/, ''),
    program('runc').replace(/\/[^/]*$/, ''),
    process.env.PATH,
  ].join(':');
  const args = [
    '-H',
    `unix://${socket}`,
    '--data-root',
    options.dataRoot ?? join(directory, 'data'),
    '--exec-root',
    join(directory, 'exec'),
    '-p',
    join(directory, 'pid'),
    ...(options.flags ?? []),
  ];
  // A private mount namespace, so that what dockerd mounts ends with it.
  const start = () =>
    spawn('unshare', ['--mount', '--propagation', 'private', dockerd, ...args], {
      stdio: ['ignore', log, log],
      env: { ...process.env, PATH: path },
    });
  const child = namespace === undefined ? start() : inNetworkNamespace(namespace, start);
  closeSync(log);
  const environment = { ...process.env, DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: join(directory, 'config') };
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('close', resolve));
    if (child.exitCode === null && child.kill('SIGTERM')) await ended;
    if (namespace !== undefined) closeSync(namespace);
    for (const root of [directory, execRoot]) rmSync(root, { recursive: true, force: true });
  };
  for (let waited = 0; waited < 30_000; waited += 100) {
    if (child.exitCode !== null) break;
    if (spawnSync(dockerClient(), ['version'], { env: environment, stdio: 'ignore' }).status === 0) {
      const imported = spawnSync(dockerClient(), ['import', '-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin', '-', 'busybox'], {
        env: environment,
        input: busyboxRootfs(),
      });
      if (imported.status !== 0) throw new Error(`dockerd could not import an image: ${imported.stderr}`);
      return { environment, version: version.stdout.trim(), [Symbol.asyncDispose]: stop };
    }
    await sleep(100);
  }
  const text = readFileSync(join(directory, 'log'), 'utf8').split('\n').slice(-4).join(' ');
  await stop();
  return `dockerd did not start here: ${text}`;
}
