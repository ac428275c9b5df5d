// `berth context ls`
import { toEngineError } from '@berth/errdefs/engine-error';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { renderListing } from '../format/listing.ts';
import { DEFAULT, DEFAULT_DESCRIPTION, defaultRecord } from './named.ts';

/** Characters of a row. */
const LONGEST_ERROR = 45;
const STANDARD = 'table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}';

export const command: Command = {
  usage: 'context ls [OPTIONS]',
  description: 'List contexts',
  flags: {
    format: { type: 'string', description: "Format output: 'table', 'table TEMPLATE', 'json' or a Go template" },
    quiet: { type: 'boolean', alias: 'q', description: 'Only show context names' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const headings = { Name: 'NAME', Description: 'DESCRIPTION', DockerEndpoint: 'DOCKER ENDPOINT', Error: 'ERROR' };
    const format = args.string('format');
    const listing = { standard: STANDARD, headings, identity: 'Name' as const, rows: rowsOf(context) };
    const text = renderListing(listing, { quiet: args.boolean('quiet'), ...(format ? { format } : {}) });
    if (text) context.print(text);
    if (context.environment.DOCKER_HOST) {
      context.warn(
        'Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the global --context flag, or unset DOCKER_HOST environment variable.',
      );
    }
  },
};

interface Row {
  Name: string;
  Description: string;
  DockerEndpoint: string;
  Current: boolean;
  Error: string;
}

function rowsOf(context: Context): Row[] {
  const current = context.contextName;
  const standard = { ...defaultRecord(context), Metadata: { Description: DEFAULT_DESCRIPTION } };
  const rows = [...context.contexts.list(), standard].map(({ Name, Metadata, Endpoints }) => ({
    Name,
    Description: Metadata.Description ?? '',
    DockerEndpoint: Endpoints.docker?.Host ?? '',
    Current: Name === current,
    Error: '',
  }));
  return [...rows, ...missing(context, current)].sort((one, other) => (one.Name < other.Name ? -1 : 1));
}

/** The one in force may be none that is kept. */
function missing(context: Context, current: string): Row[] {
  if (current === DEFAULT || context.contexts.has(current)) return [];
  try {
    context.contexts.read(current);
    return [];
  } catch (error) {
    const { message } = toEngineError(error);
    const told = message.length > LONGEST_ERROR ? `${message.slice(0, LONGEST_ERROR - 1)}…` : message;
    return [{ Name: current, Description: '', DockerEndpoint: '', Current: true, Error: told }];
  }
}
