// A process that puts itself under the filter of its first argument (JSON) and then executes the shell command of its second.
import { compileFilter, loadFilter } from '@berth/runtime/seccomp/filter';

const [, , profile = '{}', script = ''] = process.argv;
loadFilter(compileFilter(JSON.parse(profile)));
process.execve?.('/bin/sh', ['sh', '-c', script], process.env);
