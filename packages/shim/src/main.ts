// `containerd-shim-berth-v1`: the shim as containerd starts it, one program a container, without a zygote. containerd's
// contract (runtime/v2/README.md of containerd): `start` prints where the shim serves, `delete` cleans up after one that was killed.
import { parseCommandLine } from './command/command-line.ts';
import { deleteShim } from './command/delete.ts';
import { printInfo, printVersion } from './command/info.ts';
import { serve } from './command/serve.ts';
import { startShim } from './command/start.ts';

try {
  const command = parseCommandLine(process.argv.slice(2), process.env, process.cwd());
  if (command.action === 'start') await startShim(command);
  else if (command.action === 'delete') deleteShim(command);
  else if (command.action === 'serve') serve();
  else if (command.action === 'info') printInfo();
  else printVersion();
} catch (error) {
  process.stderr.write(`containerd-shim-berth-v1: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
