// Host and domain name (config.md "Hostname", "Domainname").
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import type { Spec } from '@berth/oci/runtime-spec';
import { conformance } from './suite.ts';

const without = (type: string) => (spec: Spec) => {
  if (spec.linux) spec.linux.namespaces = spec.linux.namespaces?.filter((namespace) => namespace.type !== type);
};

conformance("the container's host name, and nobody else's", (laboratory) => {
  const before = hostname();
  const result = laboratory.run('hostname; cat /proc/sys/kernel/hostname', (spec) => {
    spec.hostname = 'harbour';
  });
  assert.equal(result.stdout, 'harbour\nharbour\n');
  assert.equal(hostname(), before);
});

conformance('without a UTS namespace it is refused', (laboratory) => {
  const result = laboratory.run('true', (spec) => {
    spec.hostname = 'harbour';
    without('uts')(spec);
  });
  assert.notEqual(result.code, 0);
});

conformance(
  'the domain name',
  (laboratory) => {
    const result = laboratory.run('cat /proc/sys/kernel/domainname', (spec) => {
      spec.domainname = 'north.example';
    });
    assert.equal(result.stdout, 'north.example\n', result.stderr);
  },
  { runc: 'runc 1.1 does not know the field, which is of runtime-spec 1.1', crun: 'crun before 1.9 does not know the field' },
);
