// `npm start`: Berth at work, where a person can see it. A daemon with throw-away roots builds a busybox image, runs containers from
// it, and is gone without a trace at the end. Needs no registry and no internet.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BERTH = join(ROOT, 'bin', 'berth');
const home = mkdtempSync(join(tmpdir(), 'berth-demo-'));
const socket = join(home, 'berth.sock');
const environment = { ...process.env, DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: join(home, 'config') };

const before = footprint();
const daemon = await startDaemon();
let failed = false;
try {
  await show();
} catch (error) {
  failed = true;
  console.error(`\n${error instanceof Error ? error.message : String(error)}`);
} finally {
  await cleanUp(daemon);
}
const left = footprint().filter((line) => !before.includes(line));
if (left.length > 0) {
  failed = true;
  console.error(`\nLeft behind:\n${left.join('\n')}`);
} else say('Nothing is left behind: no process, mount, network, cgroup or file.');
process.exitCode = failed ? 1 : 0;

async function show(): Promise<void> {
  say('An image, built from a Dockerfile');
  const context = join(home, 'context');
  mkdirSync(context);
  copyFileSync(join(ROOT, 'scripts/demo/Dockerfile'), join(context, 'Dockerfile'));
  copyFileSync(join(ROOT, '.cache/debian/usr/bin/busybox'), join(context, 'busybox'));
  berth('build', '-t', 'busybox', context);
  berth('images');

  say('A container from it');
  berth('run', '--rm', 'busybox', 'echo', 'Hello from a container');

  say('A second one serves a page; its port is published');
  berth('run', '-d', '--name', 'web', '-p', '127.0.0.1::8080', 'busybox', 'sh', '-c', 'echo serving; exec httpd -f -p 8080 -h /www');
  const address = berth('port', 'web', '8080').trim();
  const page = await fetchPage(`http://${address}/`);
  console.log(`$ curl http://${address}/\n${page.trim()}`);
  if (!page.includes('Berth')) throw new Error('the page did not come from the container');

  say('What is going on inside');
  berth('ps');
  berth('logs', 'web');
  berth('exec', 'web', 'ps');

  say('A memory limit at work: 16 MiB, and a process that wants more');
  const hungry = berthFails(
    137,
    'run',
    '--name',
    'hungry',
    '-m',
    '16m',
    'busybox',
    'sh',
    '-c',
    'x=$(yes | head -c 200000000); echo unreachable',
  );
  console.log(`exit code ${hungry}`);
  const killed = berth('inspect', '-f', 'killed for its memory: {{.State.OOMKilled}}, limit {{.HostConfig.Memory}} bytes', 'hungry');
  if (!killed.includes('true')) throw new Error('the memory limit did not end the process');

  say('Where the milliseconds of the last start went, layer by layer');
  berth('trace', 'web');
}

/** Runs the client as a person would, showing the command and what it prints. */
function berth(...args: string[]): string {
  console.log(`$ berth ${args.map(quoted).join(' ')}`);
  const result = spawnSync(BERTH, args, { env: environment, encoding: 'utf8' });
  process.stdout.write(result.stdout);
  process.stderr.write(result.stderr);
  if (result.status !== 0) throw new Error(`berth ${args[0]} ended with exit code ${result.status}\n${daemonLog()}`);
  return result.stdout;
}

function berthFails(code: number, ...args: string[]): number {
  console.log(`$ berth ${args.map(quoted).join(' ')}`);
  const result = spawnSync(BERTH, args, { env: environment, encoding: 'utf8' });
  process.stdout.write(result.stdout);
  if (result.status !== code)
    throw new Error(`berth ${args[0]} ended with exit code ${result.status}, expected ${code}\n${result.stderr}${daemonLog()}`);
  return result.status;
}

async function startDaemon(): Promise<ChildProcess> {
  say('A daemon with roots of its own');
  const args = [
    '-H',
    `unix://${socket}`,
    '--data-root',
    join(home, 'data'),
    '--exec-root',
    join(home, 'exec'),
    '--pidfile',
    join(home, 'berthd.pid'),
  ];
  // The demo's own bridge; nothing of the machine's is switched.
  const network = ['--bridge', `berthdemo${process.pid % 10_000}`, '--ip-forward=false'];
  console.log(`$ berthd ${args.slice(0, 2).join(' ')} …`);
  const child = spawn(join(ROOT, 'bin', 'berthd'), [...args, ...network], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  Object.assign(child, { log: () => log });
  for (let waited = 0; waited < 20_000 && child.exitCode === null; waited += 10) {
    const line = log.split('\n').find((text) => text.includes('API listen on'));
    if (line) {
      console.log(`API listen on ${socket}`);
      return child;
    }
    await sleep(10);
  }
  rmSync(home, { recursive: true, force: true });
  console.error(`berthd did not start:\n${log}`);
  process.exit(1);
}

function daemonLog(): string {
  const log = (daemon as ChildProcess & { log(): string }).log();
  return `--- berthd ---\n${log.split('\n').slice(-20).join('\n')}`;
}

async function cleanUp(child: ChildProcess): Promise<void> {
  const ids = spawnSync(BERTH, ['ps', '-aq'], { env: environment, encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
  if (ids.length > 0) spawnSync(BERTH, ['rm', '-f', '-v', ...ids], { env: environment });
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  await ended;
  for (let waited = 0; waited < 3000 && footprint().some((line) => line.includes(home)); waited += 20) await sleep(20);
  rmSync(home, { recursive: true, force: true });
}

/** What containers could leave on a machine. */
function footprint(): string[] {
  const list = (command: string, args: string[]) => spawnSync(command, args, { encoding: 'utf8' }).stdout?.split('\n') ?? [];
  return [
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => `mount ${line.split(' ').slice(4, 5)} ${line.includes(home) ? home : ''}`),
    ...list('sh', ['-c', 'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done 2>/dev/null']).filter(
      (line) => line.includes('berth-demo-') && !line.includes('demo.ts'),
    ),
    ...list('find', [
      '/sys/fs/cgroup',
      '-mindepth',
      '2',
      '-maxdepth',
      '3',
      '-type',
      'd',
      '(',
      '-name',
      'berth',
      '-o',
      '-path',
      '*/berth/*',
      ')',
    ]),
    ...list('sh', ['-c', 'ls /sys/class/net']),
  ];
}

function fetchPage(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

function quoted(word: string): string {
  return /^[\w./:=@,-]+$/.test(word) ? word : `'${word}'`;
}

function say(title: string): void {
  console.log(`\n\x1b[1m${title}\x1b[0m`);
}
