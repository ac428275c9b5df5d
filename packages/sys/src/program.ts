// Starts programs with fork(2) and execve(2) from a process that reaps all of its children itself: node:child_process would wait
// for its own ones and find them gone.
import { exitNow, fork } from './fork.ts';
import { chdir, dup2, dupAbove } from './path.ts';
import { closeOnExecFrom, defaultSignals, execve, getRlimit, RLIMIT, setRlimit, unblockAllSignals } from './process.ts';

export interface Program {
  /** An absolute path: nothing is looked up. */
  path: string;
  /** With the program's own name first. */
  args: readonly string[];
  /** `NAME=value`. */
  env: readonly string[];
  /** What becomes descriptor 0, 1, 2, …; everything else is closed. */
  fds: readonly number[];
  cwd: string;
}

/** Node raises the soft limit to the hard one, which is not for others to inherit. */
const SOFT_NOFILE = 1024n;
/** SIGPIPE, which Node ignores. */
const IGNORED = [13];
/** As a shell says it: the program could not be executed. */
const NOT_EXECUTED = 127;

/** Returns the child's pid. A program that cannot be executed ends with 127. */
export function startProgram(program: Program): number {
  const pid = fork();
  if (pid !== 0) return pid;
  try {
    // Sources may be in the way of targets: first all above, then all down.
    const above = program.fds.map((fd) => dupAbove(fd, program.fds.length + 16));
    for (const [target, fd] of above.entries()) dup2(fd, target);
    closeOnExecFrom(program.fds.length);
    const { hard } = getRlimit(RLIMIT.NOFILE);
    setRlimit(RLIMIT.NOFILE, hard < SOFT_NOFILE ? hard : SOFT_NOFILE, hard);
    chdir(program.cwd);
    defaultSignals(IGNORED);
    unblockAllSignals();
    execve(program.path, program.args, program.env);
  } finally {
    exitNow(NOT_EXECUTED);
  }
}
