import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configOf } from '../../config/config.ts';
import { type ContainerRecord, initialState } from '../container.ts';
import { capabilitiesOf } from './capabilities.ts';
import { linuxResources } from './resources.ts';
import { mergeEnvironment, specOf } from './spec.ts';

function record(changes: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    id: 'a'.repeat(64),
    name: 'x',
    created: '2026-01-01T00:00:00Z',
    imageId: '',
    chainId: '',
    platform: 'linux',
    path: 'sh',
    args: ['-c', 'true'],
    config: { Hostname: 'host', Env: ['A=1'] },
    hostConfig: { NetworkMode: 'bridge', IpcMode: 'private' },
    networks: {},
    mounts: [],
    endpoints: [],
    logPath: '',
    state: initialState(),
    ...changes,
  };
}
const user = { uid: 0, gid: 0, additionalGids: [0], home: '/root' };
const inputs = (one: ContainerRecord) => ({
  record: one,
  config: configOf({}),
  user,
  sharedShm: undefined,
  pidOf: () => 42,
  files: { hostname: '/d/hostname', hosts: '/d/hosts', resolvConf: '/d/resolv.conf' },
});

test('an ordinary container', () => {
  const spec = specOf(inputs(record()));
  assert.deepEqual(spec.process?.args, ['sh', '-c', 'true']);
  assert.deepEqual(spec.process?.env, [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOSTNAME=host',
    'A=1',
    'HOME=/root',
  ]);
  assert.equal(spec.linux?.cgroupsPath, `/docker/${'a'.repeat(64)}`);
  assert.deepEqual(
    new Set(spec.linux?.namespaces?.map(({ type }) => type)).isSupersetOf(new Set(['mount', 'network', 'pid', 'ipc', 'uts'])),
    true,
  );
  assert.ok(spec.linux?.seccomp);
  assert.ok(spec.linux?.maskedPaths?.includes('/proc/kcore'));
  assert.equal(spec.mounts?.find(({ destination }) => destination === '/etc/hosts')?.source, '/d/hosts');
});

test('privileged: nothing masked, no filter, everything writable', () => {
  const spec = specOf(inputs(record({ hostConfig: { NetworkMode: 'bridge', Privileged: true } })));
  assert.equal(spec.linux?.seccomp, undefined);
  assert.deepEqual(spec.linux?.maskedPaths, []);
  assert.deepEqual(spec.linux?.resources?.devices, [{ allow: true, access: 'rwm' }]);
  assert.ok(!spec.mounts?.find(({ destination }) => destination === '/sys')?.options?.includes('ro'));
});

test('namespaces of another container and of the host', () => {
  const spec = specOf(inputs(record({ hostConfig: { NetworkMode: 'container:x', PidMode: 'host' } })));
  const types = spec.linux?.namespaces?.map(({ type, path }) => `${type}${path ? ` ${path}` : ''}`);
  assert.ok(types?.includes('network /proc/42/ns/net'));
  assert.ok(!types?.includes('pid'));
});

test('mounts: deeper after shallower, the user’s in place of ours', () => {
  const mounts = [
    { Type: 'bind', Source: '/b', Destination: '/x/y', Mode: '', RW: false, Propagation: 'rprivate' as const },
    { Type: 'bind', Source: '/a', Destination: '/x', Mode: '', RW: true, Propagation: 'rslave' as const },
    { Type: 'tmpfs', Source: '', Destination: '/dev/shm', Mode: '', RW: true, Propagation: '' as const, options: ['size=1m', 'exec'] },
  ];
  const spec = specOf(inputs(record({ mounts })));
  const destinations = spec.mounts?.map(({ destination }) => destination) ?? [];
  assert.ok(destinations.indexOf('/x') < destinations.indexOf('/x/y'));
  assert.deepEqual(
    spec.mounts?.filter(({ destination }) => destination === '/dev/shm').map(({ options }) => options),
    [['nosuid', 'nodev', 'size=1m', 'exec']],
  );
  assert.equal(spec.linux?.rootfsPropagation, 'rslave');
});

test('capabilities', () => {
  const sets = (add: string[], drop: string[]) => capabilitiesOf({ privileged: false, add, drop });
  assert.ok(sets(['net_admin'], ['CHOWN']).includes('CAP_NET_ADMIN'));
  assert.ok(!sets([], ['CHOWN']).includes('CAP_CHOWN'));
  assert.deepEqual(sets(['KILL'], ['ALL']), ['CAP_KILL']);
});

test('resources', () => {
  assert.deepEqual(linuxResources({ NanoCpus: 1.5e9, Memory: 1, MemorySwap: -1, PidsLimit: -1, MemorySwappiness: -1 }), {
    memory: { limit: 1, swap: -1 },
    cpu: { period: 100_000, quota: 150_000 },
    pids: { limit: -1 },
  });
  assert.deepEqual(linuxResources({}), {});
});

test('environments: the last value counts, a bare name removes', () => {
  assert.deepEqual(mergeEnvironment(['A=1', 'B=2'], ['A=3', 'B', 'C=']), ['A=3', 'C=']);
});
