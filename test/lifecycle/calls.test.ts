// Every method of every service of containerd 1.7, called with good requests and bad ones here and at containerd: the answers, the kinds
// of errors and their messages are compared. What differs is named with its reason; anything else that differs fails.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toEngineError } from '@berth/errdefs/engine-error';
import { GrpcConnection } from '@berth/rpc/grpc/client';
import { CONTAINERD_1_7, type LifecycleName, LifecyclePeer, unless, withoutRelease } from '../seams/peers.ts';
import { makeRootfs } from '../seams/rootfs.ts';
import { type Api, apiOf, calls, SERVICES } from './calls.ts';

const RUNTIME: Record<LifecycleName, string> = { 'berth-lifecycle': 'io.containerd.berth.v1', containerd: 'io.containerd.runc.v2' };

/** Calls that are answered differently here, by the reason why that is right. */
const DIFFERENT: readonly (readonly [reason: string, ...calls: string[]])[] = [
  ['containerd forgets to say how the namespace is then', 'namespaces: update, one label', 'namespaces: update, all'],
  ['a digest is looked at when it comes', 'content: write, no digest'],
  [
    'the offset of an answer is one of the blob, as the API has it, not of what was asked for',
    'content: read, a part',
    'content: read, too much',
  ],
  ['there is nothing before the beginning', 'content: read, less than nothing'],
  ['containerd 1.7 forgets the date of the last change', 'content: list'],
  [
    'a filter that cannot be read is an error of the client',
    'images: list, bad filter',
    'snapshots: list, bad filter',
    'tasks: metrics, bad filter',
    'events: subscribe, bad filter',
  ],
  ['an image is deleted only with the target that is named, as in containerd 2', 'images: delete another target', 'images: delete'],
  ['what a client did wrong has its kind', 'diff: apply what is no layer', 'diff: apply what is no tar', 'transfer: nothing'],
  ['the snapshotters here can clean up', 'snapshots: cleanup'],
  ['the process says whose it is', 'tasks: get', 'tasks: list', 'tasks: get the exec', 'tasks: delete'],
  [
    'a task in the wrong state is a failed precondition',
    'tasks: pause what has not started',
    'tasks: start again',
    'tasks: delete while it runs',
    'tasks: delete the exec while it runs',
    'tasks: start what is dead',
  ],
  ['the snapshotters remap ids, as those of containerd 2', 'introspection: a snapshotter', 'introspection: native'],
  ['what a part is built on is another here', 'introspection: restart'],
  ['capabilities can be asked for', 'introspection: by capability'],
  ['containerd has it since 2', 'introspection: plugin', 'introspection: plugin of nothing'],
  ['what is not there is not found', 'sandboxes: delete again', 'controller: start of nothing', 'controller: platform of nothing'],
  ['dates that are none are left out', 'controller: status of nothing'],
];

/** Calls whose errors are of the same kind and say the same in other words: whose grammar, store or snapshot it was, and what there is. */
const OTHER_WORDS =
  /bad filter|bad operator|image == none |bad id|no digest|target to nothing|^sandboxes: |^controller: |health of nothing|write, wrong size|status|another snapshotter|list, no snapshotter|cleanup of nothing|above what is active|committed|commit a view|apply nothing|containers: (update nothing|delete nothing|delete again)|exec, no id|transfer: what nobody knows|a stream that is not there/;

/** Requests that end containerd 1.7 by a panic: here they are errors of the client. */
const PANICS = new Set(['images: create, no target', 'events: forward, no time']);

interface Outcome {
  /** An error's kind, or `ok`. */
  kind: string;
  /** The answer, or the error's message. */
  text: string;
}

test('every method of every service answers as containerd 1.7 does', {
  skip: withoutRelease(CONTAINERD_1_7) || unless('runc'),
  timeout: 120_000,
}, async (t) => {
  const directory = mkdtempSync('/tmp/berth-calls-');
  try {
    const rootfs = await makeRootfs(join(directory, 'rootfs'));
    const [ours, theirs] = await Promise.all([answersOf('berth-lifecycle', rootfs), answersOf('containerd', rootfs)]);
    const differences: string[] = [];
    const reasons = new Map(DIFFERENT.flatMap(([reason, ...names]) => names.map((name) => [name, reason])));
    const same = new Set(reasons.keys());
    for (const [name, own] of ours) {
      const other = theirs.get(name) ?? { kind: 'InvalidArgument', text: own.text };
      if (own.kind === other.kind && (own.text === other.text || (own.kind !== 'ok' && OTHER_WORDS.test(name)))) continue;
      same.delete(name);
      if (reasons.has(name)) t.diagnostic(`${name}: ${reasons.get(name)}`);
      else differences.push(`## ${name}\n+ ${own.kind}: ${own.text}\n- ${other.kind}: ${other.text}`);
    }
    assert.equal(differences.length, 0, `\n${differences.join('\n\n')}`);
    assert.deepEqual([...same], [], 'named as different, and the same');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

async function answersOf(name: LifecycleName, rootfs: string): Promise<Map<string, Outcome>> {
  await using peer = await LifecyclePeer.start(name, [], { logLevel: 'info', release: CONTAINERD_1_7 });
  using connection = new GrpcConnection(peer.address, { namespace: 'default', timeout: 10_000 });
  const used = new Set<string>();
  const api = recorded(apiOf(connection), used);
  const id = `calls-${randomBytes(4).toString('hex')}`;
  const outcomes = new Map<string, Outcome>();
  for (const [step, call] of calls({ id, rootfs, runtime: RUNTIME[name] })) {
    if (name === 'containerd' && PANICS.has(step)) continue;
    const { kind, text } = await outcomeOf(call(api));
    assert.notEqual(kind, 'Unavailable', `${name} at "${step}": ${text}\n${peer.log.split('\n').slice(-30).join('\n')}`);
    const places: [string, string][] = [
      [id, 'ID'],
      [join(peer.directory, 'root'), 'ROOT'],
      [peer.state, 'STATE'],
      [RUNTIME[name], 'RUNTIME'],
    ];
    outcomes.set(step, { kind, text: places.reduce((all, [from, to]) => all.replaceAll(from, to), text) });
  }
  const methods = Object.entries(SERVICES).flatMap(([noun, { methods: all }]) => Object.keys(all).map((method) => `${noun}.${method}`));
  assert.deepEqual(
    methods.filter((method) => !used.has(method)),
    [],
    'methods that nobody called',
  );
  return outcomes;
}

/** The same services; `used` gets the names of the methods that are called. */
function recorded(api: Api, used: Set<string>): Api {
  const services = Object.entries(api).map(([noun, methods]) => {
    const handler: ProxyHandler<object> = {
      get(target, method) {
        used.add(`${noun}.${String(method)}`);
        return Reflect.get(target, method);
      },
    };
    return [noun, new Proxy(methods, handler)];
  });
  return Object.fromEntries(services);
}

async function outcomeOf(call: Promise<unknown>): Promise<Outcome> {
  try {
    return { kind: 'ok', text: JSON.stringify(await call, readable) ?? '' };
  } catch (error) {
    const { kind, message } = toEngineError(error);
    return { kind, text: message };
  }
}

/** Bytes as text, moments and numbers of processes as what they are. */
function readable(key: string, value: unknown): unknown {
  if (key === 'pid' && value !== 0) return 'PID';
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array || (value as { type?: string } | null)?.type === 'Buffer')
    return Buffer.from(value as Uint8Array).toString();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  // Go's maps come in any order.
  return 'seconds' in value ? 'DATE' : Object.fromEntries(Object.entries(value).sort());
}
