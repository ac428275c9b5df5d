// Kernel parameters of a container's namespaces (config-linux.md "Sysctl").
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { conformance } from './suite.ts';

conformance("sysctls of the container's namespaces are set", (laboratory) => {
  const result = laboratory.run('cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni', (spec) => {
    if (spec.linux) spec.linux.sysctl = { 'net.ipv4.ip_unprivileged_port_start': '77', 'kernel.shmmni': '99' };
  });
  assert.equal(result.stdout, '77\n99\n');
});

conformance("what would change the host's is refused", (laboratory) => {
  for (const key of ['vm.swappiness', 'kernel.core_pattern', 'net/../kernel/core_pattern']) {
    const value = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    const result = laboratory.run('true', (spec) => {
      if (spec.linux) spec.linux.sysctl = { [key]: key === 'vm.swappiness' ? '60' : value.trim() };
    });
    assert.notEqual(result.code, 0, key);
  }
});

conformance('without the namespace it is refused', (laboratory) => {
  const result = laboratory.run('true', (spec) => {
    if (!spec.linux) return;
    spec.linux.sysctl = { 'net.ipv4.ip_forward': '1' };
    spec.linux.namespaces = spec.linux.namespaces?.filter(({ type }) => type !== 'network');
  });
  assert.notEqual(result.code, 0);
});

conformance('one that does not exist is an error', (laboratory) => {
  const result = laboratory.run('true', (spec) => {
    if (spec.linux) spec.linux.sysctl = { 'net.luck': '1' };
  });
  assert.notEqual(result.code, 0);
});
