// The order of the packages (docs/architecture.md): imports point down it, never up, and never in a circle.
const ORDER = [
  ['errdefs'],
  ['trace', 'api'],
  ['sys'],
  ['rpc', 'oci'],
  ['runtime'],
  ['shim'],
  ['lifecycle'],
  ['network', 'builder', 'registry', 'client'],
  ['daemon', 'cli'],
];

const upward = ORDER.flatMap((layer, level) => {
  const above = ORDER.slice(level + 1).flat();
  if (above.length === 0) return [];
  return [
    {
      name: `${layer.join('-and-')}-imports-upward`,
      comment: 'A package may import only packages below it.',
      severity: 'error',
      from: { path: `^packages/(${layer.join('|')})/` },
      to: { path: `^packages/(${above.join('|')})/` },
    },
  ];
});

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    {
      name: 'koffi-in-sys-only',
      comment: 'Foreign functions are declared in one package, so that the rest can be read without knowing C.',
      severity: 'error',
      from: { pathNot: '^packages/sys/' },
      to: { path: 'node_modules/koffi' },
    },
    {
      name: 'cli-knows-the-client-only',
      comment: 'And what names images and speaks to registries, which `manifest` does without a daemon.',
      severity: 'error',
      from: { path: '^packages/(cli|client)/' },
      to: { path: '^packages/(sys|rpc|runtime|shim|lifecycle|network|builder|registry|daemon)/' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...upward,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(\\.test\\.ts$|/gen/)' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
