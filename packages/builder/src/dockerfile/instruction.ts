// The instructions of a Dockerfile as types. Values are as written: variables are expanded when an instruction is carried out,
// because what they stand for depends on the instructions before it.
//
// Facts: the Dockerfile reference.
import type { Heredoc } from './lines.ts';

/** The shell form is one string for the stage's SHELL, the exec form is argv. */
export type Command = { form: 'shell'; text: string } | { form: 'exec'; args: string[] };

export interface FromInstruction {
  kind: 'FROM';
  image: string;
  /** Lower case. */
  stageName?: string;
  platform?: string;
}

export interface CopyInstruction {
  kind: 'COPY' | 'ADD';
  sources: string[];
  destination: string;
  heredocs: Heredoc[];
  /** A stage's name or number, or an image. COPY only. */
  from?: string;
  chown?: string;
  chmod?: string;
  /** Patterns below the sources that are left out. */
  exclude: string[];
  /** ADD only: what a download has to be. */
  checksum?: string;
}

export interface HealthcheckInstruction {
  kind: 'HEALTHCHECK';
  /** Docker's form: ['NONE'], ['CMD', …] or ['CMD-SHELL', text]. */
  test: string[];
  /** Nanoseconds; 0 is inherited. */
  interval: number;
  timeout: number;
  startPeriod: number;
  startInterval: number;
  retries: number;
}

export type InstructionBody =
  | FromInstruction
  | CopyInstruction
  | HealthcheckInstruction
  | { kind: 'ARG'; args: { name: string; value?: string }[] }
  | { kind: 'RUN'; command: Command }
  | { kind: 'CMD' | 'ENTRYPOINT'; command: Command }
  | { kind: 'ENV' | 'LABEL'; pairs: { name: string; value: string }[] }
  | { kind: 'EXPOSE'; ports: string[] }
  | { kind: 'VOLUME'; paths: string[] }
  | { kind: 'WORKDIR' | 'USER' | 'STOPSIGNAL' | 'MAINTAINER'; value: string }
  | { kind: 'SHELL'; args: string[] }
  | { kind: 'ONBUILD'; trigger: string };

export type InstructionKind = InstructionBody['kind'];
export type Instruction = InstructionBody & {
  line: number;
  /** The logical line, for `Step 2/5 : …`. */
  original: string;
};
export type InstructionOf<K extends InstructionKind> = Extract<Instruction, { kind: K }>;
