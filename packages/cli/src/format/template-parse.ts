// Go's text/template as far as --format uses it: actions, pipelines, if/else, range, with, variables, comments, trimming.
// Text in, tree out; template.ts walks the tree.
import { EngineError } from '@berth/errdefs/engine-error';

export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'output'; pipeline: Pipeline }
  | { kind: 'assign'; name: string; pipeline: Pipeline }
  | { kind: 'if' | 'with'; pipeline: Pipeline; body: Node[]; otherwise: Node[] }
  | { kind: 'range'; key?: string; value?: string; pipeline: Pipeline; body: Node[]; otherwise: Node[] };

/** Commands joined by `|`: each gets the result of the one before as its last argument. */
export type Pipeline = Term[][];

export type Term =
  | { kind: 'literal'; value: string | number | boolean | null }
  | { kind: 'field'; path: string[] }
  | { kind: 'variable'; name: string; path: string[] }
  | { kind: 'function'; name: string }
  | { kind: 'group'; pipeline: Pipeline; path: string[] };

const TOKEN =
  /\s+|"(?:[^"\\\n]|\\.)*"|`[^`]*`|-?\d+(?:\.\d+)?|\$[A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*|(?:\.[A-Za-z_][A-Za-z0-9_]*)+|\.|[A-Za-z_][A-Za-z0-9_]*|:=|[|(),=]/y;

export function parseTemplate(source: string): Node[] {
  const parser = new TemplateParser(source);
  return parser.parse();
}

function fail(source: string, why: string): EngineError {
  return new EngineError('InvalidArgument', `template parsing error: template: ${why} (in ${JSON.stringify(source)})`, { layer: 'cli' });
}

interface Block {
  node: Extract<Node, { body: Node[] }>;
  /** How many `end`s this block closes with: an `else if` nests without an `end` of its own. */
  chained: boolean;
  inElse: boolean;
}

class TemplateParser {
  readonly #source: string;
  readonly #root: Node[] = [];
  readonly #open: Block[] = [];

  constructor(source: string) {
    this.#source = source;
  }

  parse(): Node[] {
    let at = 0;
    while (at < this.#source.length) {
      const start = this.#source.indexOf('{{', at);
      if (start < 0) {
        this.#text(this.#source.slice(at));
        break;
      }
      const end = this.#source.indexOf('}}', start);
      if (end < 0) throw fail(this.#source, 'unclosed action');
      let text = this.#source.slice(at, start);
      let action = this.#source.slice(start + 2, end);
      if (/^-\s/.test(action)) {
        text = text.trimEnd();
        action = action.slice(1);
      }
      this.#text(text);
      at = end + 2;
      if (/\s-$/.test(action)) {
        action = action.slice(0, -1);
        while (/\s/.test(this.#source[at] ?? '')) at++;
      }
      if (!action.trim().startsWith('/*')) this.#action(tokens(action, this.#source));
    }
    if (this.#open.length > 0) throw fail(this.#source, 'unexpected EOF: an {{end}} is missing');
    return this.#root;
  }

  get #target(): Node[] {
    const block = this.#open.at(-1);
    if (!block) return this.#root;
    return block.inElse ? block.node.otherwise : block.node.body;
  }

  #text(text: string): void {
    if (text) this.#target.push({ kind: 'text', text });
  }

  #action(words: string[]): void {
    const [first] = words;
    switch (first) {
      case undefined:
        throw fail(this.#source, 'missing value for command');
      case 'if':
      case 'with':
        this.#block({ kind: first, pipeline: this.#pipeline(words.slice(1)), body: [], otherwise: [] });
        return;
      case 'range':
        this.#block(this.#range(words.slice(1)));
        return;
      case 'else':
        this.#else(words.slice(1));
        return;
      case 'end':
        if (this.#open.length === 0) throw fail(this.#source, 'unexpected {{end}}');
        while (this.#open.pop()?.chained) {
          // An else-if chain ends as one.
        }
        return;
    }
    if (first.startsWith('$') && (words[1] === ':=' || words[1] === '=')) {
      this.#target.push({ kind: 'assign', name: first, pipeline: this.#pipeline(words.slice(2)) });
      return;
    }
    this.#target.push({ kind: 'output', pipeline: this.#pipeline(words) });
  }

  #block(node: Block['node'], chained = false): void {
    this.#target.push(node);
    this.#open.push({ node, chained, inElse: false });
  }

  #else(words: string[]): void {
    const block = this.#open.at(-1);
    if (!block || block.inElse) throw fail(this.#source, 'unexpected {{else}}');
    block.inElse = true;
    const [kind] = words;
    if (kind === 'if' || kind === 'with') this.#block({ kind, pipeline: this.#pipeline(words.slice(1)), body: [], otherwise: [] }, true);
  }

  #range(words: string[]): Extract<Node, { kind: 'range' }> {
    const node: Extract<Node, { kind: 'range' }> = { kind: 'range', pipeline: [], body: [], otherwise: [] };
    const assign = words.indexOf(':=');
    if (assign > 0) {
      const names = words.slice(0, assign).filter((word) => word !== ',');
      if (names.length === 2) node.key = names[0] as string;
      node.value = names.at(-1) as string;
    }
    node.pipeline = this.#pipeline(words.slice(assign + 1));
    return node;
  }

  #pipeline(words: string[]): Pipeline {
    const commands: Pipeline = [[]];
    for (let at = 0; at < words.length; at++) {
      const word = words[at] as string;
      const command = commands.at(-1) as Term[];
      if (word === '|') {
        if (command.length === 0) throw fail(this.#source, 'missing value for command');
        commands.push([]);
      } else if (word === '(') {
        const close = closing(words, at);
        if (close < 0) throw fail(this.#source, 'unclosed left paren');
        const next = words[close + 1];
        const path = next?.startsWith('.') && next.length > 1 ? next.slice(1).split('.') : [];
        command.push({ kind: 'group', pipeline: this.#pipeline(words.slice(at + 1, close)), path });
        at = close + (path.length > 0 ? 1 : 0);
      } else command.push(this.#term(word));
    }
    if (commands.some((command) => command.length === 0)) throw fail(this.#source, 'missing value for command');
    return commands;
  }

  #term(word: string): Term {
    if (word.startsWith('"')) return { kind: 'literal', value: unquote(word) };
    if (word.startsWith('`')) return { kind: 'literal', value: word.slice(1, -1) };
    if (/^-?\d/.test(word)) return { kind: 'literal', value: Number(word) };
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' };
    if (word === 'nil') return { kind: 'literal', value: null };
    if (word === '.') return { kind: 'field', path: [] };
    if (word.startsWith('.')) return { kind: 'field', path: word.slice(1).split('.') };
    if (word.startsWith('$')) {
      const [name, ...path] = word.split('.');
      return { kind: 'variable', name: name as string, path };
    }
    if (/^[A-Za-z_]/.test(word)) return { kind: 'function', name: word };
    throw fail(this.#source, `unexpected ${JSON.stringify(word)} in operand`);
  }
}

function tokens(action: string, source: string): string[] {
  const found: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < action.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(action);
    if (!match) throw fail(source, `unexpected ${JSON.stringify(action[at])} in command`);
    if (match[0].trim()) found.push(match[0]);
  }
  return found;
}

function closing(words: string[], open: number): number {
  let depth = 0;
  for (let at = open; at < words.length; at++) {
    if (words[at] === '(') depth++;
    if (words[at] === ')' && --depth === 0) return at;
  }
  return -1;
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\', '"': '"', a: '\x07', b: '\b', f: '\f', v: '\v' };

export function unquote(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)/g, (_, code: string) =>
      /^[xu]./.test(code) ? String.fromCodePoint(Number.parseInt(code.slice(1), 16)) : (ESCAPES[code] ?? code),
    );
}
