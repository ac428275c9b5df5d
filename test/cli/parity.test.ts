// Berth's client beside docker's: one script of real commands with each, each against a daemon of its own, and what they print and how
// they end compared line by line. What differs is named with its reason; anything else that differs fails.
//
// `npm test` leaves out two of three commands that no other depends on; all of them: BERTH_PARITY=all npm test parity
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Berthd, type BerthdOptions } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import type { Result } from '../harness/programs.ts';
import { startRegistry } from '../registry/registry-process.ts';
import { containerScript, contextScript, imageScript, type Step } from './parity-script.ts';

type ClientName = 'berth' | 'docker';

const PATIENCE = 10_000;
const NO_NETWORK = ['--bridge', 'none', '--iptables=false', '--ip-forward=false'];

/** Steps that print something else here, and why that is right. */
const DIFFERENT: Record<string, string> = {
  'container nosuch': "docker's usage of this one group leaves COMMAND out",
  'builder nosuch': 'as container nosuch',
  image: 'search is one of its verbs here',
  '-H nonsense://x ps': 'ours says what may be written',
  'run --rm --label-file DIRECTORY/bad-env busybox true': 'docker calls any file of this format an env file',
  "inspect --format '{{.HostConfig.PortBindings}} {{.Config.ExposedPorts}} {{.Config.Cmd}} {{.Config.OnBuild}}' one":
    "Go prints the structures of docker's client, ours the objects of the answer",
  'inspect --type nonsense one': 'ours has no objects of a swarm',
  'attach --detach-keys nonsense one': 'docker says nothing but the status that the daemon answered with',
  'images --format json': 'containers are counted from API 1.51 on, which docker 28.2 does not speak yet',
  'build -q DIRECTORY/context': 'quiet is quiet here: docker tells the size of the context all the same',
  'build --compress -q DIRECTORY/context': 'as build -q',
  'images -a a b': "a slip of docker 28.2: SRun 'docker images --help'",
  'volume create a b': 'as images -a a b',
  "version --format '{{.Client.APIVersion}} {{.Server.APIVersion}} {{.Server.Os}}'": 'two clients of two versions',
};

test('a script of commands prints and ends the same with both clients', { timeout: 300_000 }, async (t) => {
  const [ours, theirs] = await Promise.all([playAll('berth'), playAll('docker')]);
  const differences: string[] = [];
  const same = new Set(Object.keys(DIFFERENT));
  for (const [at, { line, lines }] of ours.entries()) {
    const others = theirs[at]?.lines ?? [];
    if (lines.join('\n') === others.join('\n')) continue;
    same.delete(line);
    if (line in DIFFERENT) t.diagnostic(`${line}: ${DIFFERENT[line]}`);
    else differences.push(`## ${line}\n${compared(lines, others)}`);
  }
  t.diagnostic(`${ours.length} commands`);
  assert.equal(differences.length, 0, `\n${differences.join('\n\n')}`);
  const played = new Set(ours.map(({ line }) => line));
  assert.deepEqual(
    [...same].filter((line) => played.has(line)),
    [],
    'named as different, and the same',
  );
});

interface Outcome {
  line: string;
  lines: string[];
}

async function playAll(client: ClientName): Promise<Outcome[]> {
  await using registry = await startRegistry();
  return [
    ...(await play(client, {}, (directory, socket) => [...containerScript(directory), ...contextScript(directory, socket)], registry.host)),
    // Where the registry is in reach.
    ...(await play(client, { hostNetwork: true, flags: NO_NETWORK }, (directory) => imageScript(directory, registry.host), registry.host)),
  ];
}

async function play(
  client: ClientName,
  options: BerthdOptions,
  script: (directory: string, socket: string) => Step[],
  registry: string,
): Promise<Outcome[]> {
  await using daemon = await Berthd.start(options);
  await daemon.importBusybox();
  const directory = mkdtempSync('/tmp/berth-parity-');
  try {
    makeFiles(directory);
    const named = (text: string) => text.replaceAll(directory, 'DIRECTORY').replaceAll(registry, 'REGISTRY');
    const outcomes: Outcome[] = [];
    for (const step of script(directory, daemon.socket)) {
      const result = await perform(daemon, client, step);
      const part = (text: string) => normal(named(text), [daemon.directory, daemon.execRoot]);
      const parts = [[`exit ${result.code}`], part(result.stdout), ['stderr:'], part(result.stderr)];
      outcomes.push({ line: named(step.line), lines: step.unordered ? parts.flat().sort() : parts.flat() });
    }
    return outcomes;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function makeFiles(directory: string): void {
  mkdirSync(join(directory, 'bound'));
  mkdirSync(join(directory, 'context'));
  const files: Record<string, string | Buffer> = {
    env: '# remark\nONE=1\nTWO=two words\n\nPATH\n',
    'bad-env': 'WITH SPACE=1\n',
    'bound/file': 'bound\n',
    'rootfs.tar': busyboxRootfs(),
    'context/Dockerfile':
      'FROM busybox AS base\nARG V=1\nENV VALUE=$V\nCOPY file /file\nRUN cat /file && echo built\nCMD ["sh", "-c", "cat /file; echo $VALUE"]\n',
    'context/Broken': 'FROM busybox\nRUNN x\n',
    'context/Failing': 'FROM busybox\nRUN exit 9\n',
    'context/file': 'content\n',
  };
  for (const [name, body] of Object.entries(files)) writeFileSync(join(directory, name), body);
}

async function perform(daemon: Berthd, client: ClientName, { line, input, until, env }: Step): Promise<Result> {
  for (const end = Date.now() + PATIENCE; ; ) {
    const result = await daemon[client](words(line), {
      timeout: 20_000,
      ...(input === undefined ? {} : { input }),
      ...(env ? { env } : {}),
    });
    if (!until || until.test(result.stdout + result.stderr) || Date.now() > end) return result;
  }
}

/** `a 'b c' d` is three words. */
function words(line: string): string[] {
  return [...line.matchAll(/((?:'[^']*'|[^\s'])+)/g)].map(([word]) => word.replaceAll("'", ''));
}

/** What cannot be alike is named instead: each rule says of what it takes the place. */
function normal(text: string, roots: readonly string[]): string[] {
  let named = text;
  for (const root of roots) named = named.replaceAll(root, 'ROOT');
  return (
    named
      .replace(/\b(Docker|Berth)\b/g, 'Client')
      .replace(/\b(docker|berth)\b/g, 'client')
      .replace(/\b[\da-f]{64}\b/g, 'ID64')
      .replace(/\b[\da-f]{12}\b/g, 'ID12')
      .replace(/\d{4}-\d\d-\d\d[ T][\d:.]+( [+-]\d{4} \w+|Z|[+-]\d\d:\d\d)?/g, 'DATE')
      .replace(/(Less than a second|About an? \w+|\d+ (seconds?|minutes?))( ago)?/g, 'AGE')
      // A hint of ours.
      .replaceAll(' Start it with berthd.', '')
      .replace(/^(DEPRECATED: The legacy builder| {12}(BuildKit is currently|environment-variable)).*$/gm, '')
      .replace(/in type \S+/g, 'in type T')
      .replace(/\b[\da-f]{14}…/g, 'ID14…')
      .replace(/"Pid": \d+/g, '"Pid": N')
      .replace(/proc\/\d+\/ns/g, 'proc/N/ns')
      .replace(/snapshots\/\d+\//g, 'snapshots/N/')
      // The loop's own short commands come and go.
      .replace(/^.* sleep( 0\.05)?$/gm, '')
      .replace(/^\d+ +(?=sh)/gm, 'N ')
      .replace(/^(root +)\d+ +\d+ +\d+ +\S+/gm, '$1N N N TIME')
      .replace(/"time":\d+/g, '"time":N')
      .replace(/"timeNano":\d+/g, '"timeNano":N')
      .split('\n')
      // JSON's fields come in any order.
      .map((line) => line.replace(/[\s,]+$/, ''))
      // Columns are as wide as the ages in them.
      .map((line) => (/AGE|CREATED /.test(line) ? line.replace(/\s+/g, ' ') : line))
      .filter((line) => line !== '')
  );
}

function compared(ours: readonly string[], theirs: readonly string[]): string {
  const lines = [
    ...ours.filter((line) => !theirs.includes(line)).map((line) => `+ ${line}`),
    ...theirs.filter((line) => !ours.includes(line)).map((line) => `- ${line}`),
  ];
  return lines.length > 0 ? lines.join('\n') : `in another order:\n+ ${ours.join('\n+ ')}\n- ${theirs.join('\n- ')}`;
}
