// What the documentation and the comments name is there: files, folders, sections of pages, npm's commands, test files, variables;
// and the index of the documentation has every page.
// Run by `pnpm check`; prints a line for each name that nothing answers to, and exits with 1.
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const INDEX = 'docs/README.md';
const FILE = /^[\w@.-]+(\/[\w@.-]+)*\.(ts|mjs|cjs|sh|proto|md)$/;
/** Below one of ours, a path needs no ending to be known as one. */
const OWN_PATH = /^(packages|test|scripts|docs|proto)\/[\w@./-]+$/;
/** In comments other endings belong to specifications. */
const SOURCE_FILE = /\.(ts|mjs|cjs|sh)$/;

const files = globSync(['*', '{packages,scripts,test,proto,docs,bin}/**/*'], {
  cwd: ROOT,
  exclude: (name) => ['node_modules', 'dist', 'gen'].includes(name),
}).filter((path) => !statSync(join(ROOT, path)).isDirectory());
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const tests = files.filter((path) => path.endsWith('.test.ts'));
const sources = new Map(files.filter((path) => /\.(ts|mjs|sh)$/.test(path)).map((path) => [path, read(path)]));
const allCode = [...sources.values()].join('\n');
const npmScripts = JSON.parse(read('package.json')).scripts as Record<string, string>;
/** Prose leaves out what goes without saying: the first folders of a path, and `src`. */
const known = new Set(files.flatMap((path) => [...endsOf(path), ...endsOf(path.replace('/src/', '/'))]));

const pages = files.filter((path) => path.endsWith('.md'));
const findings = [...pages.flatMap(inPage), ...[...sources].flatMap(inComments), ...pages.filter(isNotInIndex).map(notInIndex)];
for (const finding of findings) console.log(finding);
process.exitCode = findings.length === 0 ? 0 : 1;

function inPage(page: string): string[] {
  const text = read(page);
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target).filter((target) => !linkHolds(page, target));
  const code = [...text.matchAll(/```\w*\n(.*?)```|`([^`\n]+)`/gs)].map(([, block, span]) => block ?? span ?? '');
  return [...links, ...code.flatMap(missing)].map((name) => `${page}: ${name}`);
}

function inComments([path, text]: [string, string]): string[] {
  const comments = text.split('\n').filter((line) => /^\s*(\/\/|\/?\*)/.test(line));
  const words = comments.flatMap((line) => line.split(/[\s,;:()'"`]+/).map((word) => word.replace(/\.$/, '')));
  return words.filter((word) => FILE.test(word) && SOURCE_FILE.test(word) && !isThere(word)).map((word) => `${path}: ${word}`);
}

function isNotInIndex(page: string): boolean {
  return page.startsWith('docs/') && page !== INDEX && !read(INDEX).includes(`](${page.slice('docs/'.length)})`);
}

function notInIndex(page: string): string {
  return `${INDEX}: no line for ${page}`;
}

/** Names in a piece of code that nothing answers to. */
function missing(code: string): string[] {
  const words = code.split(/[\s,()[\]]+/).filter((word) => word !== '');
  const paths = words.filter((word) => (FILE.test(word) || OWN_PATH.test(word)) && !isThere(word));
  const variables = [...code.matchAll(/\bB(?:ERTH|ENCH)_[A-Z_]+/g)].map(([name]) => name).filter((name) => !allCode.includes(name));
  return [...paths, ...variables, ...code.split('\n').flatMap(missingInCommand)];
}

function missingInCommand(whole: string): string[] {
  const line = whole.replace(/\s+#.*/, '');
  const [, script] = /\bnpm run ([a-z]+)/.exec(line) ?? [];
  if (script !== undefined && !(script in npmScripts)) return [`npm run ${script}`];
  // Names in capitals stand for what the reader puts there.
  const words = (/(?:npm test|scripts\/test\.ts) (.+)/.exec(line)?.[1] ?? '').split(' ').filter((word) => /^[a-z][\w./-]*$/.test(word));
  const families = (/npm run bench -- (.+)/.exec(line)?.[1] ?? '').split(' ').filter((word) => /^[a-z][\w-]*$/.test(word));
  return [
    ...words.filter((word) => !tests.some((path) => path.includes(word))).map((word) => `npm test ${word}`),
    ...families.filter((family) => !files.includes(`test/bench/${family}.ts`)).map((family) => `npm run bench -- ${family}`),
  ];
}

function isThere(name: string): boolean {
  return known.has(name) || existsSync(join(ROOT, name));
}

function linkHolds(page: string, target: string): boolean {
  if (/^(https?|mailto):/.test(target)) return true;
  const [path = '', section] = target.split('#');
  const file = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(ROOT, file))) return false;
  return section === undefined || sectionsOf(read(file)).includes(section);
}

/** As GitHub makes them of headings. */
function sectionsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

function endsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(index).join('/'));
}
