// A process that puts itself under the supervision of whoever listens at the socket of its first argument, for the system calls of its
// second (names, comma-separated), and then becomes the program of the rest. All that the program starts is supervised too.
import { compile } from '@berth/runtime/seccomp/compile';
import { rulesFor } from '@berth/runtime/seccomp/rules';
import { architecture, NATIVE } from '@berth/sys/architecture';
import { connectUnix, sendWithFds } from '@berth/sys/fd-passing';
import { setCloseOnExec } from '@berth/sys/path';
import { execve } from '@berth/sys/process';
import { installFilter } from '@berth/sys/seccomp';

const NEW_LISTENER = 8;

const [, , socketPath = '', names = '', ...command] = process.argv;
const socket = connectUnix(socketPath);
const profile = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: names.split(','), action: 'SCMP_ACT_NOTIFY' }],
} as const;
const rules = rulesFor({ ...profile, syscalls: [...profile.syscalls] }, architecture(NATIVE));
const listener = installFilter(compile([rules]), NEW_LISTENER);
sendWithFds(socket, Buffer.from('listener'), [listener]);
const environment = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
// Node closes them at execve otherwise.
for (const fd of [0, 1, 2]) setCloseOnExec(fd, false);
execve(command[0] ?? '', command, environment);
