// Every flag that docker's client lists for a command is one of Berth's. Those that are not are named, with the reason.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { dockerClient, ROOT, run } from '../harness/programs.ts';

const COMMANDS = [
  ...'attach build commit cp create diff events exec export history images import info inspect kill load login logout logs'.split(' '),
  ...'pause port ps pull push rename restart rm rmi run save search start stats stop tag top unpause update version wait'.split(' '),
  ...['container inspect', 'container ls', 'container prune', 'image inspect', 'image ls', 'image prune', 'system df', 'system events'],
  ...[
    'volume create',
    'volume inspect',
    'volume ls',
    'volume prune',
    'volume rm',
    'manifest annotate',
    'manifest create',
    'manifest inspect',
  ],
  ...['manifest push', 'checkpoint create', 'checkpoint ls', 'checkpoint rm', 'system prune', 'builder prune'],
  ...['context create', 'context inspect', 'context ls', 'context rm', 'context show', 'context update', 'context use'],
];

/** By command, or by flag for all of them. */
const MISSING: Record<string, string> = {
  '--isolation': 'for Windows',
  '--security-opt of build': 'for Windows',
  '--squash': "dockerd's experiment, which the builder here has no use for",
  '--use-api-socket': "docker 28.2's experiment",
  '--cluster': 'for a swarm',
  ...Object.fromEntries(
    'availability group limit-bytes required-bytes scope secret sharing topology-preferred topology-required type'
      .split(' ')
      .map((name) => [`--${name} of volume create`, 'for a swarm']),
  ),
};

test("no flag of docker's is unknown", async (t) => {
  const unknown: string[] = [];
  const named = new Set(Object.keys(MISSING));
  for (const command of COMMANDS) {
    const words = command.split(' ');
    const docker = await run(dockerClient(), [...words, '--help'], { env: { ...process.env, DOCKER_BUILDKIT: '0' } });
    for (const [, flag = ''] of docker.stdout.matchAll(/^ +(?:-\w, +)?(--[a-z0-9-]+)/gm)) {
      // Refused before the daemon is asked, or not: there is none.
      const { stderr } = await run(join(ROOT, 'bin', 'berth'), ['-H', 'unix:///nonexistent.sock', ...words, flag]);
      if (!stderr.startsWith(`unknown flag: ${flag}\n`)) continue;
      const name = [flag, `${flag} of ${command}`].find((one) => one in MISSING);
      if (name) named.delete(name);
      else unknown.push(`${command} ${flag}`);
    }
  }
  assert.deepEqual(unknown, []);
  if (named.size > 0) t.diagnostic(`named as missing, and not of this docker's: ${[...named].join(', ')}`);
});
