// berthd's command line, parsed as Go's pflag parses dockerd's: --name value, --name=value, -x value, -xvalue, bare booleans.
import { EngineError } from '@berth/errdefs/engine-error';
import { isOption, OPTIONS, type OptionName, type OptionRule, type OptionValues } from './options.ts';

const BY_SHORT = new Map<string, OptionName>(
  Object.entries<OptionRule>(OPTIONS).flatMap(([name, rule]) => (rule.short ? [[rule.short, name as OptionName]] : [])),
);

/** Throws InvalidArgument with pflag's wording. */
export function parseCommandLine(argv: readonly string[]): OptionValues {
  const values: OptionValues = {};
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] as string;
    const flag = splitWord(word);
    const rule: OptionRule = OPTIONS[flag.name];
    let text = flag.value;
    if (text === undefined && rule.kind !== 'flag') {
      text = argv[++index];
      if (text === undefined) throw invalid(`flag needs an argument: ${word}`);
    }
    store(values, flag.name, rule, text ?? 'true');
  }
  return values;
}

function splitWord(word: string): { name: OptionName; value?: string } {
  if (word.startsWith('--') && word.length > 2) {
    const cut = word.indexOf('=');
    const name = cut < 0 ? word.slice(2) : word.slice(2, cut);
    if (!isOption(name)) throw invalid(`unknown flag: --${name}`);
    return cut < 0 ? { name } : { name, value: word.slice(cut + 1) };
  }
  if (/^-[A-Za-z]/.test(word)) {
    const name = BY_SHORT.get(word.charAt(1));
    if (!name) throw invalid(`unknown shorthand flag: '${word.charAt(1)}' in ${word}`);
    const rest = word.slice(2);
    return rest ? { name, value: rest.startsWith('=') ? rest.slice(1) : rest } : { name };
  }
  throw invalid(`unexpected argument "${word}": berthd takes flags only`);
}

function store(values: OptionValues, name: OptionName, rule: OptionRule, text: string): void {
  switch (rule.kind) {
    case 'flag':
      if (!/^(true|false|1|0|t|f)$/i.test(text)) throw invalid(`invalid argument "${text}" for "--${name}" flag: it must be true or false`);
      values[name] = /^(true|1|t)$/i.test(text);
      break;
    case 'text':
      values[name] = text;
      break;
    case 'number':
      if (!/^-?\d+$/.test(text)) throw invalid(`invalid argument "${text}" for "--${name}" flag: it must be a number`);
      values[name] = Number(text);
      break;
    case 'list':
      values[name] = [...((values[name] as string[] | undefined) ?? []), text];
      break;
    case 'pairs': {
      const cut = text.indexOf('=');
      if (cut <= 0) throw invalid(`invalid argument "${text}" for "--${name}" flag: it must be name=value`);
      values[name] = { ...(values[name] as Record<string, string> | undefined), [text.slice(0, cut)]: text.slice(cut + 1) };
    }
  }
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon' });
}
