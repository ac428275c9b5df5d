// Runs in a process of its own, as the zygote does: rehearses init's part with a bundle, and prints where it is before and after.
import { readFileSync, readlinkSync } from 'node:fs';
import { rehearse } from '@berth/runtime/rehearsal';

const [bundle = '', root = ''] = process.argv.slice(2);

function place(): string {
  const names = ['mnt', 'uts', 'ipc', 'cgroup', 'net', 'pid'].map((name) => readlinkSync(`/proc/self/ns/${name}`));
  const status = readFileSync('/proc/self/status', 'utf8').match(/^(Umask|Cap\w+|NoNewPrivs):.*$/gm);
  return JSON.stringify([
    names,
    status,
    process.cwd(),
    readlinkSync('/proc/self/root'),
    readFileSync('/proc/self/mountinfo', 'utf8'),
    process.umask(),
  ]);
}

const before = place();
rehearse({ id: 'rehearsal', bundle, root, stdio: { stdin: 0, stdout: 1, stderr: 2 } }, 3);
console.log(place() === before ? 'home' : `${before}\n${place()}`);
