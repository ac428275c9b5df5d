// Where a container's processes run and from where their memory comes: CPU affinity, NUMA policy, personality. What runc's cpu_affinity,
// memorypolicy and personality suites ask.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Spec } from '@berth/oci/runtime-spec';
import { Laboratory, RUNTIME } from './laboratory.ts';

const CPUS = 'grep Cpus_allowed_list: /proc/self/status';
const POLICY = 'head -n 1 /proc/self/numa_maps';
const ALL = /Cpus_allowed_list:\t(\S+)/.exec(
  spawnSync('grep', ['Cpus_allowed_list:', '/proc/self/status'], { encoding: 'utf8' }).stdout,
)?.[1];
const oneCpu = availableParallelism() < 2 && 'this machine has one CPU';

/** The log's text form escapes quotes. */
const unquoted = (text: string) => text.replaceAll('\\"', '"');

const withPolicy = (policy: object) => (spec: Spec) => {
  if (spec.linux) Object.assign(spec.linux, { memoryPolicy: policy });
};

test('a container runs on every CPU of its cgroup, whatever the runtime was bound to', { skip: oneCpu }, (t) => {
  const laboratory = Laboratory.open(t);
  const bound = laboratory.shell(`taskset -c 0 "$0" --root ${laboratory.root} run --bundle ${laboratory.bundle(CPUS)} ${laboratory.id()}`);
  assert.equal(bound.stdout.trim(), `Cpus_allowed_list:\t${ALL}`, bound.stderr);
  const id = laboratory.background((spec) => {
    if (spec.linux) spec.linux.resources = { ...spec.linux.resources, cpu: { cpus: '1', mems: '0' } };
  });
  const exec = laboratory.shell(`taskset -c 0 "$0" --root ${laboratory.root} exec ${id} ${CPUS}`);
  assert.equal(exec.stdout.trim(), 'Cpus_allowed_list:\t1', exec.stderr);
});

test('an exec runs where execCPUAffinity says, from process.json and from config.json', { skip: oneCpu }, (t) => {
  const laboratory = Laboratory.open(t);
  const id = laboratory.background();
  const onCpu = (affinity: object) => {
    const process = { terminal: false, cwd: '/', args: ['/bin/sh', '-c', CPUS], env: ['PATH=/bin'], execCPUAffinity: affinity };
    const file = join(laboratory.directory, 'process.json');
    writeFileSync(file, JSON.stringify(process));
    return laboratory.runtime(['exec', '--process', file, id]);
  };
  for (const [affinity, allowed] of [
    [{ initial: '1' }, '1'],
    [{ initial: '0', final: '1' }, '1'],
    [{ final: '0,1' }, '0-1'],
    [{}, ALL],
  ] as const) {
    const { stdout, stderr } = onCpu(affinity);
    assert.equal(stdout.trim(), `Cpus_allowed_list:\t${allowed}`, stderr);
  }
  const wrong = onCpu({ final: '3-1' });
  assert.equal(wrong.code, 255);
  assert.match(unquoted(wrong.stderr), /invalid process\.execCPUAffinity\.final "3-1": the range 3-1 runs backwards/);
  const configured = laboratory.background((spec) => Object.assign(spec.process ?? {}, { execCPUAffinity: { initial: '0', final: '1' } }));
  assert.equal(laboratory.runtime(['exec', configured, 'sh', '-c', CPUS]).stdout.trim(), 'Cpus_allowed_list:\t1');
});

test('memory comes from the nodes that memoryPolicy names, for init and for an exec', (t) => {
  const laboratory = Laboratory.open(t);
  const policyOf = (policy: object) => laboratory.run(POLICY, withPolicy(policy)).stdout.split(' ')[1];
  assert.equal(policyOf({ mode: 'MPOL_INTERLEAVE', nodes: '0' }), 'interleave:0');
  assert.equal(policyOf({ mode: 'MPOL_BIND', nodes: '0', flags: ['MPOL_F_STATIC_NODES'] }), 'bind=static:0');
  assert.equal(policyOf({ mode: 'MPOL_DEFAULT' }), 'default');
  const id = laboratory.background(withPolicy({ mode: 'MPOL_PREFERRED', nodes: '0', flags: ['MPOL_F_RELATIVE_NODES'] }));
  assert.match(laboratory.runtime(['exec', id, 'sh', '-c', POLICY]).stdout, / prefer[^ ]*=relative:0 /);
});

for (const [policy, error] of [
  [{}, 'invalid memory policy mode ""'],
  [{ mode: 'INTERLEAVE', nodes: '0' }, 'invalid memory policy mode "INTERLEAVE"'],
  [{ mode: 'MPOL_PREFERRED', nodes: '0', flags: ['badflag'] }, 'invalid memory policy flag "badflag"'],
  [{ mode: 'MPOL_DEFAULT', nodes: '0-7' }, 'memory policy mode requires 0 nodes but got 8'],
  [{ mode: 'MPOL_BIND' }, 'memory policy mode requires at least one node but got 0'],
  [{ mode: 'MPOL_BIND', nodes: '0-9876543210' }, 'invalid memory policy nodes "0-9876543210"'],
] as const) {
  test(`the memory policy ${JSON.stringify(policy)} is refused`, (t) => {
    const { code, stderr } = Laboratory.open(t).run('true', withPolicy(policy));
    assert.equal(code, 1);
    assert.ok(unquoted(stderr).includes(error), stderr);
    assert.equal(stderr.trim().split('\n').length, 1);
  });
}

test('a class of the resource director is refused where the kernel has none', (t) => {
  const laboratory = Laboratory.open(t);
  const refused = (intelRdt: object) => {
    const change = (spec: Spec) => Object.assign(spec.linux ?? {}, { intelRdt });
    return unquoted(laboratory.run('true', change).stderr);
  };
  assert.match(refused({ closID: '../up', l3CacheSchema: 'L3:0=f' }), /linux\.intelRdt: invalid intelRdt\.ClosID "\.\.\/up"/);
  const mounted = spawnSync('grep', ['-q', ' - resctrl ', '/proc/self/mountinfo']).status === 0;
  if (mounted) return t.skip('resctrl is mounted here');
  assert.match(refused({ l3CacheSchema: 'L3:0=f' }), /intelRdt is specified in config, but Intel RDT is not enabled: mount -t resctrl/);
});

test(`${RUNTIME.split('/').pop()} says what it can of this`, (t) => {
  const { linux } = JSON.parse(Laboratory.open(t).runtime(['features']).stdout);
  assert.ok(linux.memoryPolicy.modes.includes('MPOL_WEIGHTED_INTERLEAVE'));
  assert.deepEqual([linux.netDevices.enabled, linux.intelRdt.enabled], [true, true]);
});
