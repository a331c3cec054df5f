// Which file of the bundle a module goes into. A command reads the first, and of the others those that it uses.
import path from 'node:path';

/** The first that matches says it. What most commands use is in `main`; the rest is grouped by what is used together. */
const RULES = [
  [/^node_modules\/(string-width|strip-ansi|ansi-regex|emoji-regex|is-fullwidth-code-point)\//, 'width'],
  [/^node_modules\/(ansis|ansi-styles|color-convert|color-name|ejs|indent-string|widest-line|wrap-ansi)\//, 'help'],
  [/^node_modules\/@oclif\/core\/lib\/(help|config|ux)\//, 'help'],
  [/^node_modules\/@oclif\/core\/lib\/(module-loader|screen|performance)\.js/, 'help'],
  [/^node_modules\/@oclif\//, 'main'],
  [/^node_modules\//, 'packages'],
  [/^src\/cli\/help\.ts/, 'help'],
  [
    /^src\/core\/listing\/(watch|row-changes)\.|^src\/cli\/(watch-list|live-list|wake-up|keyboard|output\/screen)\./,
    'watch',
  ],
  [/^src\/core\/agent-db\/|^src\/core\/listing\/agent-/, 'agent'],
  [/^src\/(core|commands|cli)\/memory/, 'memory'],
  [/^src\/core\/audit\/|^src\/commands\/doctor|^src\/cli\/doctor/, 'doctor'],
  [/^src\/core\/(changes|server)\/|^src\/core\/sidecar\/(?!read|damage|directory|messages)/, 'changes'],
  [/^src\/cli\/completion\/(?!ids)/, 'completion'],
  [/^src\//, 'main'],
];

/** @param file relative to the project's root. */
export function chunkOf(file) {
  const name = file.split(path.sep).join('/');
  return RULES.find(([pattern]) => pattern.test(name))[1];
}

/** Of a full bundle's graph: by chunk, the modules that another chunk or the program's entry needs. */
export function sharedModules({ inputs }) {
  const shared = new Map();
  for (const [from, { imports }] of Object.entries(inputs)) {
    for (const { path: to, external } of imports) {
      if (external || !isFile(to) || (isFile(from) && chunkOf(from) === chunkOf(to))) continue;
      const chunk = chunkOf(to);
      shared.set(chunk, (shared.get(chunk) ?? new Set()).add(to));
    }
  }
  return shared;
}

/** Not one of the modules that the build makes up. */
const isFile = (name) => /^(src|node_modules)\//.test(name);

/**
 * The esbuild plugin that builds one chunk: a module of another one is taken
 * from there when it is evaluated. `$chunk` is the launcher's.
 */
export function oneChunk(chunk, root) {
  return {
    name: 'one-chunk',
    setup(build) {
      build.onResolve({ filter: /^[^:]+$/ }, async ({ path: id, pluginData, ...how }) => {
        if (pluginData === SEEN || how.kind === 'entry-point') return undefined;
        const { importer, namespace: from, resolveDir, kind } = how;
        const asked = { importer, namespace: from, resolveDir, kind, pluginData: SEEN };
        const { path: file, external, namespace, errors } = await build.resolve(id, asked);
        if (errors.length > 0 || external || namespace !== 'file') return undefined;
        const name = path.relative(root, file);
        return chunkOf(name) === chunk ? undefined : { path: name, namespace: 'other-chunk' };
      });
      build.onLoad({ filter: /.*/, namespace: 'other-chunk' }, ({ path: name }) => ({
        contents: `module.exports = $chunk(${JSON.stringify(chunkOf(name))})[${JSON.stringify(name)}]();`,
        loader: 'js',
      }));
    },
  };
}

const SEEN = Symbol('resolved by the others');
