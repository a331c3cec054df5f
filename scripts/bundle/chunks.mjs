// Which file of the bundle a module goes into. A command reads the first, and of the others those that it uses.
import path from 'node:path';

/**
 * What `sessions list` (from its cache), `show --metadata` and `status` use of
 * the command line's and the core's modules: what starts most often reads least.
 */
const MAIN = [
  /^node_modules\/@oclif\/core\/lib\/(args|command|constraints|flags|logger|settings|symbols)\.js/,
  /^node_modules\/@oclif\/core\/lib\/(parser|util)\//,
  /^src\/(core|cli)\/[\w-]+\.ts/,
  /^src\/cli\/output\/(document|sink|terminal|time|visible)\.ts/,
  /^src\/commands\/sessions\/(list|show|status)\.ts/,
  /^src\/core\/(json|listing|location)\//,
  /^src\/core\/files\/(file-system|open-file|own-directory|stamp)\.ts/,
  /^src\/core\/session\/(fields|id|row|status|transcript|writer)\.ts/,
  /^src\/core\/sidecar\/(read|directory|whole)\.ts/,
  /^src\/launcher\//,
];

/** What of those directories other work of reading commands uses: lists that are made anew, transcripts that are shown. */
const READING = [
  /^src\/cli\/(bounded|exit-code-table|show-agent-session|transcript|usage-result)\.ts/,
  /^src\/commands\/(paths|version|sessions\/usage)\.ts/,
  /^src\/core\/index\/(read|scan)\.ts/,
  /^src\/core\/json\/(append|format|hazards|kernel-code|member|plain|splice|well-formed)\.ts/,
  /^src\/core\/listing\/(content-fingerprint|running|usage)\.ts/,
  /^src\/core\/location\/(describe|last-workspace)\.ts/,
  /^src\/core\/projects\/read\.ts/,
  /^src\/core\/session\/(parts|text)\.ts/,
  /^src\/core\/sidecar\/(damage|messages)\.ts/,
];

/** What only a command line that is wrong needs, and what only help does. */
const FAILURE = /^node_modules\/@oclif\/core\/lib\/(errors\/|parser\/errors\.)/;
const OF_HELP =
  /^node_modules\/@oclif\/core\/lib\/util\/(cache-command|cache-default-value|determine-priority|find-root|fs|os|read-pjson|read-tsconfig)\./;

/** What of them only other commands use. */
const ELSEWHERE = [
  /^src\/cli\/(cache-parts|change|charts|confirm|delete|gc-tmp|http|import|input-if-any|lineage|metadata|mutation|new-session|programs|reindex|repair|search|server|stats|truncate|undelete)/,
  /^src\/core\/listing\/cache-parts\.ts/,
];

/** The first that matches says it: what most commands use is in `main`, the rest is grouped by what is used together. */
const RULES = [
  [/^node_modules\/(string-width|strip-ansi|ansi-regex|emoji-regex|is-fullwidth-code-point)\//, 'width'],
  [/^node_modules\/(ansis|ansi-styles|color-convert|color-name|ejs|indent-string|widest-line|wrap-ansi)\//, 'help'],
  [/^node_modules\/@oclif\/core\/lib\/(help|config|ux)\//, 'help'],
  [/^node_modules\/(markdown-it|highlight\.js|linkify-it|mdurl|entities|uc\.micro|punycode\.js)\//, 'page'],
  [/^src\/cli\/help\.ts/, 'help'],
  [/^src\/cli\/export\/html/, 'page'],
  [
    /^src\/(core|cli)\/export\/|^src\/core\/(json\/(compact|lay-out|non-finite)|files\/output-file)\.|^src\/(cli\/import-file|commands\/sessions\/(export|import))\./,
    'export',
  ],
  [
    /^src\/core\/listing\/(watch|row-changes)\.|^src\/cli\/(watch-list|live-list|wake-up|keyboard|output\/screen)\./,
    'watch',
  ],
  [/^src\/core\/agent-db\/|^src\/core\/listing\/agent-/, 'agent'],
  [/^src\/(core|commands|cli)\/memory/, 'memory'],
  [/^src\/core\/audit\/|^src\/commands\/doctor|^src\/cli\/doctor/, 'doctor'],
  [/^src\/cli\/completion\/(?!ids)/, 'completion'],
  [/^src\/(core|commands|cli)\/(sessions\/)?(search|stats)/, 'search'],
  [FAILURE, 'failure'],
  [OF_HELP, 'help'],
  ...READING.map((pattern) => [pattern, 'reading']),
  ...ELSEWHERE.map((pattern) => [pattern, 'rest']),
  ...MAIN.map((pattern) => [pattern, 'main']),
  [/^src\//, 'rest'],
  [/^node_modules\/@oclif\//, 'help'],
  [/^node_modules\//, 'packages'],
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
        contents: `module.exports = $chunk(${JSON.stringify(chunkOf(name))})(${JSON.stringify(name)});`,
        loader: 'js',
      }));
    },
  };
}

const SEEN = Symbol('resolved by the others');
