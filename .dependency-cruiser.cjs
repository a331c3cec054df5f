/** The import laws of docs/ARCHITECTURE.md. */

// A room of the core may import the rooms before it, and none behind it.
const ROOMS = [
  'json',
  'files',
  'location',
  'session',
  'projects',
  'sidecar',
  'index',
  'agent-db',
  'listing',
  'search',
  'stats',
  'export',
  'changes',
  'memory',
  'server',
  'audit',
];

const downwards = ROOMS.slice(0, -1).map((room, i) => ({
  name: `core-${room}-only-downwards`,
  comment: `src/core/${room} builds on the rooms before it, not on those that build on it.`,
  severity: 'error',
  from: { path: `^src/core/${room}/` },
  to: { path: `^src/core/(${ROOMS.slice(i + 1).join('|')})/` },
}));

// Bundled, so that an installation does not need them: their code is in dist.
const BUNDLED = [
  '@oclif/core',
  'cli-table3',
  'date-fns',
  'highlight.js',
  'json-stream-stringify',
  'markdown-it',
  'ms',
  'picocolors',
  'string-width',
  'write-file-atomic',
];

module.exports = {
  forbidden: [
    ...downwards,
    {
      name: 'core-knows-no-cli',
      comment: 'The core neither parses a command line nor prints.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { path: '^src/(cli|commands)/|node_modules/@oclif/|node_modules/(cli-table3|picocolors|string-width)/' },
    },
    {
      name: 'core-uses-the-file-system-port',
      comment: 'node:fs comes in as an argument, so that faults can be put at each call.',
      severity: 'error',
      from: { path: '^src/core/', pathNot: '^src/core/files/file-system\\.ts$' },
      to: {
        path: '^(node:)?(fs|fs/promises|child_process|os|process|net|http|https)$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'the-launcher-knows-nothing',
      comment: 'It is there before anything else is, and what it loads is the bundle.',
      severity: 'error',
      from: { path: '^src/launcher/' },
      to: { pathNot: '^src/launcher/|^(node:)?[a-z_]+$' },
    },
    {
      name: 'nothing-imports-commands',
      severity: 'error',
      from: { pathNot: '^src/commands/' },
      to: { path: '^src/commands/' },
    },
    {
      name: 'commands-stand-alone',
      comment: 'What two commands share is in src/cli.',
      severity: 'error',
      from: { path: '^src/commands/' },
      to: { path: '^src/commands/' },
    },
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: '^src/commands/|^bin/|\\.d\\.ts$' },
      to: {},
    },
    { name: 'nothing-unresolvable', severity: 'error', from: { pathNot: '^bin/' }, to: { couldNotResolve: true } },
    {
      name: 'no-dev-packages-in-the-product',
      comment: 'A package that comes into the bundle is named above; native code is a dependency.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], pathNot: `@types/|node_modules/(${BUNDLED.join('|')})/` },
    },
  ],
  options: {
    exclude: { path: '^dist/' },
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.d.ts'],
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'default', 'types'],
    },
  },
};
