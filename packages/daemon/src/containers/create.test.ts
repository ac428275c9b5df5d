import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configOf } from '../config/config.ts';
import { mergeConfig, normalizeHostConfig } from './create.ts';
import { portRequests } from './networking/connect-networks.ts';
import { signalNumber } from './signals.ts';
import { checkContainerConfig, checkHostConfig } from './validate.ts';

const id = 'f'.repeat(64);
const image = { Cmd: ['sh'], Entrypoint: ['/entry'], Env: ['A=1', 'B=1'], WorkingDir: '/w', Labels: { a: '1' }, User: 'ada' };
const config = configOf({});

test('the image fills in what the request leaves out', () => {
  const merged = mergeConfig({ Image: 'x', Env: ['B=2'], Labels: { b: '2' } }, image, id);
  assert.deepEqual(merged.Env, ['A=1', 'B=2']);
  assert.deepEqual([merged.Entrypoint, merged.Cmd, merged.WorkingDir, merged.User], [['/entry'], ['sh'], '/w', 'ada']);
  assert.deepEqual(merged.Labels, { a: '1', b: '2' });
  assert.equal(merged.Hostname, 'ffffffffffff');
});

test('an entrypoint of its own leaves the image’s command behind', () => {
  assert.deepEqual(mergeConfig({ Entrypoint: ['/mine'] }, image, id).Cmd, null);
  const cleared = mergeConfig({ Entrypoint: [''], Cmd: ['ls'] }, image, id);
  assert.deepEqual([cleared.Entrypoint, cleared.Cmd], [null, ['ls']]);
});

test('defaults of the host half', () => {
  const host = normalizeHostConfig({ Memory: 64 << 20 }, config);
  assert.deepEqual([host.NetworkMode, host.MemorySwap, host.IpcMode, host.ShmSize], ['bridge', 128 << 20, 'private', 64 << 20]);
  assert.deepEqual(host.LogConfig, { Type: 'json-file', Config: {} });
});

test('what is refused, and in which words', () => {
  const refused = (body: Parameters<typeof checkHostConfig>[0], message: string | RegExp) =>
    assert.throws(() => checkHostConfig(body), { kind: 'InvalidArgument', message });
  refused({ Memory: 1024 }, 'Minimum memory limit allowed is 6MB');
  refused({ Memory: 64 << 20, MemorySwap: 32 << 20 }, 'Minimum memoryswap limit should be larger than memory limit, see usage');
  refused({ NanoCpus: 1e9, CpuQuota: 5000 }, 'Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set.');
  refused({ CapAdd: ['NOPE'] }, /unknown capability: "CAP_NOPE"/);
  refused({ SecurityOpt: ['nope=1'] }, 'invalid --security-opt 2: "nope=1"');
  refused({ AutoRemove: true, RestartPolicy: { Name: 'always' } }, "can't create 'AutoRemove' container with restart policy");
  refused({ LogConfig: { Type: 'syslog' } }, "logger: no log driver named 'syslog' is registered");
  refused({ Sysctls: { 'kernel.panic': '1' } }, "sysctl 'kernel.panic' is not allowed");
  refused({ PidMode: 'nope' }, 'invalid PID mode: nope');
  assert.throws(() => checkContainerConfig({ WorkingDir: 'x' }), /the working directory 'x' is invalid/);
  assert.throws(() => checkContainerConfig({ Env: ['=x'] }), { message: 'invalid environment variable: =x' });
});

test('signals by name and number', () => {
  assert.deepEqual(['TERM', 'sigkill', '15', 'SIGRTMIN+3', 'RTMAX'].map(signalNumber), [15, 9, 15, 37, 64]);
  for (const bad of ['NOPE', '0', '65', '-1']) assert.throws(() => signalNumber(bad), { message: `invalid signal: ${bad}` });
});

test('published ports', () => {
  assert.deepEqual(
    portRequests({ '80/tcp': [{ HostPort: '8080' }, { HostIp: '127.0.0.1', HostPort: '8000-8010' }], '53/udp': null }, ['80/tcp', '443']),
    [
      { containerPort: 80, protocol: 'tcp', hostIp: '', hostPort: 8080 },
      { containerPort: 80, protocol: 'tcp', hostIp: '127.0.0.1', hostPort: 8000, hostPortEnd: 8010 },
      { containerPort: 53, protocol: 'udp', hostIp: '', hostPort: 0 },
      { containerPort: 443, protocol: 'tcp', hostIp: '', hostPort: 0 },
    ],
  );
});
