// The huge page sizes of this machine, as cgroup files name them (`2MB`, `1GB`).
//
// Read for stats. Facts: /sys/kernel/mm/hugepages has one directory a size, named in kilobytes.
import { readdirSync } from 'node:fs';

const UNITS = ['KB', 'MB', 'GB'];

export function hugePageSizes(): string[] {
  let names: string[];
  try {
    names = readdirSync('/sys/kernel/mm/hugepages');
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]);
    return Number.isNaN(kilobytes) ? [] : [sizeName(kilobytes)];
  });
}

function sizeName(kilobytes: number): string {
  let size = kilobytes;
  let unit = 0;
  for (; size >= 1024 && unit < UNITS.length - 1; unit++) size /= 1024;
  return `${size}${UNITS[unit]}`;
}
