import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileTemplate } from './template.ts';

const value = {
  ID: 'abc123',
  Names: ['/web', '/alias'],
  State: { Running: true, Pid: 42, Health: null },
  Labels: { b: '2', a: '1' },
  'dash-key': 'x',
};

const cases: [template: string, output: string][] = [
  ['{{.ID}}', 'abc123'],
  ['{{ .State.Pid }}|{{.State.Running}}', '42|true'],
  ['{{json .Labels}}', '{"b":"2","a":"1"}'],
  ['{{range .Names}}<{{.}}>{{end}}', '</web></alias>'],
  ['{{range $i, $n := .Names}}{{if $i}},{{end}}{{$n}}{{end}}', '/web,/alias'],
  ['{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}', 'a=1 b=2 '],
  ['{{if .State.Health}}sick{{else if .State.Running}}up{{else}}down{{end}}!', 'up!'],
  ['{{with .State}}{{.Pid}}{{$.ID}}{{end}}', '42abc123'],
  ['{{index .Names 0}} {{index .Labels "a"}} {{index . "dash-key"}}', '/web 1 x'],
  ['{{join .Names ", "}}', '/web, /alias'],
  ['{{upper (index .Names 0)}}', '/WEB'],
  ['{{truncate .ID 3}}', 'abc'],
  ['{{len .Names}}{{printf "%05d|%-4s|%q" .State.Pid "a" "b"}}', '200042|a   |"b"'],
  ['{{eq .ID "abc123"}}{{ne 1 2}}{{not true}}{{and 1 0}}{{or "" "z"}}{{gt 3 2}}', 'truetruefalse0ztrue'],
  ['{{print 1 2 "x" 3}}', '1 2x3'],
  ['a {{- /* no */ -}} b{{/* comment */}}', 'ab'],
  ['{{.ID}}\\t{{println .State.Pid}}', 'abc123\t42\n'],
  ['{{$x := .ID}}{{$x}}{{"q\\"uote"}}', 'abc123q"uote'],
  ['{{.Names}} {{.Labels}} {{.Missing}}', '[/web /alias] map[a:1 b:2] <no value>'],
];

for (const [template, output] of cases) {
  test(`template ${template}`, () => {
    assert.equal(compileTemplate(template)(value), output);
  });
}

test('what is wrong with a template is said', () => {
  const message = (text: string) => ({ message: text });
  assert.throws(() => compileTemplate('{{.ID'), message('template: :1: unclosed action'));
  assert.throws(() => compileTemplate('a\n{{if .ID}}x'), message('template: :2: unexpected EOF'));
  assert.throws(() => compileTemplate('{{nosuch .}}'), message('template: :1: function "nosuch" not defined'));
  assert.throws(
    () => compileTemplate('{{.State.Nope}}', { strict: true })(value),
    message('template: :1:8: executing "" at <.State.Nope>: map has no entry for key "Nope"'),
  );
  assert.throws(() => compileTemplate('{{$.Nope}}', { strict: true })(value), /:1:3: executing "" at <\$\.Nope>/);
});

test('a method of the value is called with its arguments', () => {
  const row = { Label: (name: string) => `<${name}>` };
  assert.equal(compileTemplate('{{.Label "a"}}{{"b" | .Label}}')(row), '<a><b>');
});

test('keys that people choose are never missing', () => {
  assert.equal(compileTemplate('{{.Labels.none}}', { strict: true })(value), '<no value>');
});
