// Every route, asked of Berth and of Debian's dockerd at the version that both speak: the same status, the same content type, the
// same words where it is an error, the same fields of the same types where it is not. What differs is named with its reason.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import { tar } from '../harness/tar-archive.ts';
import { Dockerd, unless } from '../seams/peers.ts';
import { type Call, routeScript } from './route-script.ts';

/** What Debian's dockerd speaks. */
const VERSION = '1.41';

/**
 * How newer dockerds say what 20.10 says, with the release where that is known: an answer's text, `STATUS TYPE`, a line end, and words or
 * fields, one a line.
 */
const SINCE_THEN: readonly (readonly [RegExp, string])[] = [
  // 23.0: a request that is no JSON is the client's mistake.
  [/^500 (.*)\n(EOF)$/, '400 $1\ninvalid JSON: got EOF while reading request body'],
  [/^\d+ (.*)\n(invalid character .*|unexpected EOF)$/, '400 $1\ninvalid JSON: $2'],
  // 23.0 to 27.0: words that begin small.
  [/\nInvalid filter/, '\ninvalid filter'],
  [/\nContainer (\S+ is not running)/, '\ncontainer $1'],
  [/Cannot kill container: (.*): Container/, 'cannot kill container: $1: container'],
  [/Cannot kill container/, 'cannot kill container'],
  [/\nInvalid signal/, '\ninvalid signal'],
  [/\nError: Exec command/, '\nexec command'],
  [/\nLimit 1000/, '\nlimit 1000'],
  [/\nConfig cannot be empty/, '\nconfig cannot be empty'],
  // Other words.
  [/Content-Type specified \((.*)\) must be/, 'unsupported Content-Type header ($1): must be'],
  [
    /invalid restart policy '(.*)'/,
    "invalid restart policy: unknown policy '$1'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  ],
  [
    /maximum retry count cannot be used with restart policy 'no'/,
    "invalid restart policy: maximum retry count can only be used with 'on-failure'",
  ],
  [/Unknown runtime specified/, 'unknown or invalid runtime name:'],
  [/error looking up logging plugin (\S+): .*/, "logger: no log driver named '$1' is registered"],
  [/repository name must be lowercase/, 'repository name (library/BAD) must be lowercase'],
  [/\nno such image: \S+: /, '\n'],
  [
    /\nfailed to create shim task: (.*runc create failed: unable to start container process): /,
    '\nfailed to create task for container: failed to create shim task: $1: error during container init: ',
  ],
  [/\nYou cannot remove a paused container .*/, '\ncannot remove container "one": container is paused and must be unpaused first'],
  [
    /\nYou cannot remove a running container .*/,
    '\ncannot remove container "one": container is running: stop the container before removing or force remove',
  ],
  [/network net id ID64 has active endpoints/, 'network net has active endpoints (name:"user" id:"ID12")'],
  [/\nInvalid subnet nonsense : .*/, '\ninvalid network config:\ninvalid subnet nonsense: invalid CIDR block notation'],
  [/500 (.*)\ninvalid name: $/, '400 $1\ninvalid name: name is empty'],
];
/** Mistakes of the client's that 20.10 took for its own. */
const WITH_STATUS_400 =
  /^500 (.*\n(invalid (volume specification|reference format)|extraction point|network config|strconv\.|[Ii]nvalid subnet|Cannot locate specified|the Dockerfile).*)/;

/** Fields that are not compared. */
const FIELDS: readonly (readonly [field: RegExp, why: string])[] = [
  [/\.(DNSNames|GwPriority|EnableIPv4|CDISpecDirs)\b/, 'newer dockerds have them in answers to any version'],
  [/\.(KernelMemory|KernelMemoryTCP)\b/, 'newer dockerds leave them out where they are not set'],
  [/^\.Error: nothing/, 'newer dockerds leave it out of what a wait answers'],
  [/\.Runtimes\./, 'other runtimes'],
  [/\.IPAM\.Config\[\]\.Gateway/, "newer dockerds tell the default bridge's"],
  [/\.HostConfig\.PortBindings: /, 'an empty object here, null there'],
  [/\.Labels(: |\.com\.docker\.volume\.anonymous)/, 'newer dockerds mark anonymous volumes'],
  [/\.(Container|ContainerConfig|GraphDriver\.Data)\b/, "an image's have no meaning where images are kept in a content store"],
];

const LENIENT = 'a mistake of the client is told here, where dockerd goes on';
const CLIENTS_FAULT = 'a mistake of the client is 400 or 409 here, 500 there';
const GO_TYPES = "Go's message names types of dockerd's source";
const UNNAMED_TYPE = 'newer dockerds say what a stream is';
const FIRST_REQUEST = 'the address that was asked is named; dockerd asks whether a registry is there first';
const BAD_ARCHIVE = "a broken archive is told in the words of Berth's reader";

/** Calls that are answered differently here, and why that is right. */
const DIFFERENT: Record<string, string> = {
  'GET /events?until=1&filters={"nonsense":["x"]}': LENIENT,
  'GET /events?since=nonsense&until=1': 'ours says what may be written',
  'GET //containers/json': 'dockerd sends the client to the path without the second slash',
  'GET /distribution/127.0.0.1:1/nosuch/json': FIRST_REQUEST,
  'POST /images/create?fromImage=127.0.0.1:1/x&tag=1': FIRST_REQUEST,
  'GET /containers/json?all=nonsense&limit=x': 'ours says what may be written',
  'POST /containers/one/stop?t=x': 'ours says what may be written',
  'POST /containers/one/resize?h=x&w=10': 'newer dockerds say which of the two',
  'GET /containers/json?filters={': CLIENTS_FAULT,
  'GET /containers/json?filters=["a"]': CLIENTS_FAULT,
  'POST /containers/create {"Image":"nosuch"} extra': 'newer dockerds refuse what comes after the body',
  'POST /containers/create []': GO_TYPES,
  'POST /containers/create "text"': GO_TYPES,
  'POST /containers/create {"Image":"busybox","HostConfig":{"Memory":"lots"}}': GO_TYPES,
  'POST /containers/create {"Image":"busybox","Cmd":5}': GO_TYPES,
  'GET /containers/one/logs?stdout=1': UNNAMED_TYPE,
  'GET /containers/one/logs?stdout=1&stderr=1': UNNAMED_TYPE,
  'POST /containers/one/unpause': CLIENTS_FAULT,
  'POST /containers/one/wait?condition=nonsense': 'newer dockerds refuse it',
  'GET /containers/one/top?ps_args=--nonsense': 'there is no ps here whose words could be told',
  'POST /containers/one/kill?signal=NOSUCH': 'newer dockerds say of which container',
  'POST /containers/one/kill?signal=99': 'newer dockerds know it to be no signal',
  'GET /containers/one/archive': 'a slip of dockerd: pathcannot',
  'PUT /containers/one/archive?path=/tmp no archive': BAD_ARCHIVE,
  'PUT /containers/one/archive?path=/data': 'the documented 403, not 500',
  'POST /containers/one/attach?stream=1&detachKeys=nonsense': 'an ordinary error: dockerd has left HTTP by then',
  'POST /containers/nosuch/attach': 'an ordinary error: dockerd has left HTTP by then',
  'POST /exec/{stranger}/start {"Detach":true}': CLIENTS_FAULT,
  'GET /images/nosuch/get': 'the whole name is told',
  'GET /images/get?names=nosuch': 'the whole name is told',
  'POST /images/create': 'ours says what is missing',
  'POST /images/create?fromImage=busybox&platform=a/b/c/d': 'ours says what may be written',
  'POST /build?platform=a/b/c/d': 'ours looks at the platform first',
  'POST /images/load nonsense': 'dockerd tells it within the stream',
  'POST /build nonsense': BAD_ARCHIVE,
  'POST /build {}': BAD_ARCHIVE,
  'GET /images/search': 'nothing is asked of an index without a term',
  'POST /networks/host/connect {"Container":"user"}': 'newer dockerds say what to do',
  'POST /networks/net/disconnect {"Container":"user"}': CLIENTS_FAULT,
};

test('each route answers as dockerd does', { skip: unless('dockerd', 'containerd', 'runc'), timeout: 240_000 }, async (t) => {
  await using berthd = await Berthd.start();
  await using dockerd = await Dockerd.start();
  await berthd.importBusybox();
  const imported = await dockerd.client('docker', ['import', '-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin', '-', 'busybox'], {
    input: busyboxRootfs(),
  });
  assert.equal(imported.code, 0, imported.stderr);
  const script = routeScript(tar([{ name: 'file', body: 'content' }]));
  const [ours, theirs] = await Promise.all([play(berthd.socket, script), play(join(dockerd.directory, 'd.sock'), script)]);
  const newer = theirs.map(asOfToday);
  const differences: string[] = [];
  const same = new Set(Object.keys(DIFFERENT));
  for (const [at, step] of script.entries()) {
    const call = nameOf(step);
    const [left = [], right = []] = [comparable(ours[at]), comparable(newer[at])];
    if (left.join('\n') === right.join('\n')) continue;
    same.delete(call);
    if (call in DIFFERENT) t.diagnostic(`${call}: ${DIFFERENT[call]}`);
    else
      differences.push(`## ${decodeURIComponent(call)} ${JSON.stringify(script[at]?.body ?? '').slice(0, 100)}\n${compared(left, right)}`);
  }
  t.diagnostic(`${script.length} calls`);
  assert.equal(differences.length, 0, `\n${differences.join('\n\n')}`);
  assert.deepEqual([...same], [], 'named as different, and the same');
});

async function play(socket: string, script: readonly Call[]): Promise<string[][]> {
  const kept = new Map<string, string>();
  const outcomes: string[][] = [];
  for (const step of script) {
    const answer = await send(socket, step, (text) => text.replace(/\{(\w+)\}/g, (_, name) => kept.get(name) ?? name));
    const body = parsed(answer.text);
    if (step.keep && body !== null && typeof body === 'object')
      kept.set(step.keep.as, String((body as Record<string, unknown>)[step.keep.field]));
    outcomes.push(describe(step, answer, body));
  }
  return outcomes;
}

interface Answer {
  status: number;
  type: string | undefined;
  text: string;
}

function send(socketPath: string, { call, body, headers }: Call, fill: (text: string) => string): Promise<Answer> {
  const [method = '', path = ''] = call.split(' ');
  const payload = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const type = payload === undefined ? {} : { 'content-type': 'application/json' };
    const options = {
      socketPath,
      method,
      path: `/v${VERSION}${fill(path)}`,
      headers: { ...type, ...headers },
      agent: false,
      timeout: 20_000,
    };
    const outgoing = request(options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk) => chunks.push(chunk));
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, type: incoming.headers['content-type'], text: Buffer.concat(chunks).toString() }),
      );
      incoming.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${call}: no answer within 20 s`)));
    outgoing.on('error', (cause) => reject(new Error(`${socketPath}: ${call}: ${cause.message}`, { cause })));
    outgoing.end(payload as string | Buffer | undefined);
  });
}

function describe({ opaque }: Call, { status, type, text }: Answer, body: unknown): string[] {
  const head = `${status} ${type ?? ''}`;
  if (opaque) return [head];
  const message = (body as { message?: unknown } | null)?.message;
  return [head, ...(typeof message === 'string' ? [normal(message)] : body === undefined ? [normal(text)] : shape(body))];
}

function asOfToday(answer: readonly string[]): string[] {
  let text = answer.join('\n').replace(WITH_STATUS_400, '400 $1');
  for (const [then, now] of SINCE_THEN) text = text.replace(then, now);
  return text.split('\n');
}

function comparable(answer: readonly string[] = []): string[] {
  return answer.filter((line) => !FIELDS.some(([field]) => field.test(line)));
}

/** A call as differences name it: with its body, unless that is an archive. */
function nameOf({ call, body }: Call): string {
  const text = body === undefined || Buffer.isBuffer(body) ? '' : ` ${typeof body === 'string' ? body : JSON.stringify(body)}`;
  return `${decodeURIComponent(call)}${text}`.trimEnd();
}

/** The fields and their types, one a line; a list's elements are described together. */
function shape(value: unknown, path = ''): string[] {
  // Go writes a list that was never begun as null.
  if (value === null || (Array.isArray(value) && value.length === 0)) return [`${path}: nothing`];
  if (Array.isArray(value)) return [`${path}: list`, ...[...new Set(value.flatMap((element) => shape(element, `${path}[]`)))].sort()];
  if (typeof value !== 'object') return [`${path}: ${typeof value}`];
  return [
    `${path}: object`,
    ...Object.entries(value)
      .sort()
      .flatMap(([key, element]) => shape(element, `${path}.${normal(key)}`)),
  ];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What cannot be alike is named instead. */
function normal(text: string): string {
  return text
    .replace(/\b[\da-f]{64}\b/g, 'ID64')
    .replace(/\b[\da-f]{12}\b/g, 'ID12')
    .replace(/\bsha256:[\da-f]+/g, 'sha256:ID');
}

function compared(ours: readonly string[], theirs: readonly string[]): string {
  const lines = [
    ...ours.filter((line) => !theirs.includes(line)).map((line) => `+ ${line}`),
    ...theirs.filter((line) => !ours.includes(line)).map((line) => `- ${line}`),
  ];
  return lines.length > 0 ? lines.join('\n') : 'in another order';
}
