// `berth trace`: the waterfall of a container's last start. Each line is a span: its layer, its name, when it ran and how long.
import { containerTrace } from '@berth/client/containers/trace';
import { exportRequest, monotonicToUnix } from '@berth/trace/otlp';
import type { SpanRecord } from '@berth/trace/tracer';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { goJson } from '../format/template.ts';

export const command: Command = {
  usage: 'trace [OPTIONS] CONTAINER',
  description: "Draw which layer spent which milliseconds of a container's last start",
  flags: { format: { type: 'string', description: "Format output: 'json' for the spans themselves, 'otlp' for OpenTelemetry's form" } },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const { Spans: spans } = await containerTrace(context.engine, args.at(0));
    const format = args.string('format');
    if (format === 'json') context.print(goJson(spans));
    else if (format === 'otlp') context.print(JSON.stringify(exportRequest(spans, monotonicToUnix())));
    else if (format) throw new ExitError(1, `unknown format ${format}: use json or otlp`);
    else if (spans.length === 0)
      throw new ExitError(1, `no trace of container ${args.at(0)}: it was never started, or its trace was dropped`);
    else context.print(waterfall(spans, Math.min(context.stdout.columns || 100, 140)));
  },
};

const LAYER = 10;
const NAME = 34;
const TIME = 9;

/** Spans as a tree in order of start, each with a bar on the common time line. */
export function waterfall(spans: readonly SpanRecord[], width: number): string {
  const start = Math.min(...spans.map((span) => span.startNs));
  const end = Math.max(...spans.map((span) => span.endNs));
  const room = Math.max(20, width - LAYER - NAME - TIME - 3);
  const scale = room / Math.max(1, end - start);
  const header = `${'LAYER'.padEnd(LAYER)}${'SPAN'.padEnd(NAME)}${'MS'.padStart(TIME)}  0 ms${`${milliseconds(end - start)} ms`.padStart(room - 4)}`;
  const lines = ordered(spans).map(({ span, depth }) => {
    const from = Math.floor((span.startNs - start) * scale);
    const length = Math.max(1, Math.round((span.endNs - span.startNs) * scale));
    const name = `${'  '.repeat(depth)}${span.name}`.slice(0, NAME - 1);
    const bar = `${' '.repeat(from)}${'█'.repeat(Math.min(length, room - from))}`;
    const error = span.error ? `\n${' '.repeat(LAYER)}${'  '.repeat(depth)}error: ${span.error}` : '';
    return `${span.layer.padEnd(LAYER)}${name.padEnd(NAME)}${milliseconds(span.endNs - span.startNs).padStart(TIME)}  ${bar.trimEnd()}${error}`;
  });
  return [header, ...lines].join('\n');
}

function ordered(spans: readonly SpanRecord[]): { span: SpanRecord; depth: number }[] {
  const known = new Set(spans.map((span) => span.spanId));
  const children = new Map<string, SpanRecord[]>();
  for (const span of [...spans].sort((a, b) => a.startNs - b.startNs)) {
    const parent = span.parentSpanId && known.has(span.parentSpanId) ? span.parentSpanId : '';
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const out: { span: SpanRecord; depth: number }[] = [];
  const visit = (parent: string, depth: number) => {
    for (const span of children.get(parent) ?? []) {
      out.push({ span, depth });
      visit(span.spanId, depth + 1);
    }
  };
  visit('', 0);
  return out;
}

function milliseconds(nanoseconds: number): string {
  return (nanoseconds / 1e6).toFixed(2);
}
