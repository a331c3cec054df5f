// Bundles the sources into dist/: the program and its launcher.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Script } from 'node:vm';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { minify } from 'terser';

import { oneChunk, sharedModules } from './chunks.mjs';
import { lazySources } from './lazy-requires.mjs';
import { oclifInABundle } from './oclif.mjs';

const require = createRequire(import.meta.url);
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const pjson = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/** Native code cannot be in a bundle. */
const EXTERNAL = ['better-sqlite3'];

const OPTIONS = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.17',
  external: EXTERNAL,
  // Compiled as a script, which knows no loader of modules.
  supported: { 'dynamic-import': false },
  // The launcher reads the bundle as one byte a character.
  charset: 'ascii',
  // Not names: see shortened().
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
};

const commandFiles = () =>
  readdirSync(path.join(root, 'src', 'commands'), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -'.ts'.length).split(path.sep).join('/'))
    .sort();

const idOf = (name) => name.replaceAll('/', ':');

/** The program: what `Program` in src/cli/program.ts describes. */
function entry(manifest) {
  const { name, version, description, oclif } = pjson;
  const commands = commandFiles().map(
    (file) => `${JSON.stringify(idOf(file))}: () => require('./src/commands/${file}.ts').default`,
  );
  return `
    const program = {
      pjson: ${JSON.stringify({ name, version, description, oclif })},
      commands: {${commands.join(',\n')}},
      names: ${JSON.stringify(namesOf(manifest))},
      manifest: () => $manifest(),
    };
    exports.run = (argv) => require('./src/cli/main.ts').main(argv, program);
    exports.internals = () => ({ program, ...require('./src/cli/program.ts'), ...require('./src/cli/exit-code-table.ts') });`;
}

const namesOf = ({ commands }) =>
  Object.fromEntries(Object.values(commands).flatMap(({ id, aliases }) => [id, ...aliases].map((name) => [name, id])));

/** One file of JavaScript, the last of these plugins being the first to be asked. */
async function bundleText(contents, plugins = []) {
  const { outputFiles, metafile } = await build({
    ...OPTIONS,
    stdin: { contents, resolveDir: root, loader: 'js', sourcefile: 'program.js' },
    write: false,
    metafile: true,
    plugins: [...plugins, oclifInABundle(plugins.length === 0), lazySources()],
  });
  // esbuild escapes strings; what is left stands in regular expressions, where the escape means the same.
  const text = outputFiles[0].text.replaceAll(/[^\p{ASCII}]/gu, (char) =>
    char
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
  return { text, metafile };
}

/**
 * With short names for variables, which saves a fifth of what is read at each
 * start. Functions and classes keep theirs: a stack trace is read by people,
 * and oclif tells its errors apart by them. esbuild cannot do one without the
 * other.
 */
async function shortened(text) {
  // Of a class expression the variable is the name.
  const classes = [...text.matchAll(/\b(\w+)\s*=\s*class\b/g)].map(([, name]) => name);
  const { code } = await minify(text, {
    compress: false,
    mangle: { reserved: [...new Set(classes)] },
    keep_fnames: true,
    keep_classnames: true,
    ecma: 2020,
    format: { ascii_only: true },
  });
  return code.replace(/;$/, '');
}

/** As a module is wrapped, so that it can be compiled as one script, with its cache. */
const wrap = (text) => `(function(exports,require,module,__filename,__dirname,$chunk,$manifest){${text}\n})`;

/** What oclif would write as its manifest: all that help says of the commands. */
async function manifestOf(text) {
  const { cacheCommand } = require(path.join(path.dirname(require.resolve('@oclif/core')), 'util', 'cache-command.js'));
  const module = { exports: {} };
  new Script(wrap(text), { filename: path.join(root, 'dist', 'whole.js') }).runInThisContext()(
    module.exports,
    require,
    module,
  );
  const { program } = module.exports.internals();
  const plugin = { name: pjson.name, alias: pjson.name, type: 'core' };
  const commands = {};
  for (const [id, command] of Object.entries(program.commands)) {
    commands[id] = { ...(await cacheCommand(Object.assign(command(), { id }), plugin, true)), id };
  }
  return JSON.parse(JSON.stringify({ commands, version: pjson.version }));
}

/** The packages whose code is in a bundle. */
function packagesIn(metafile) {
  const names = Object.keys(metafile.inputs)
    .map((input) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1])
    .filter((name) => name !== undefined);
  return [...new Set(names)].sort();
}

/**
 * Bundles everything into a directory.
 *
 * @returns the manifest, and the packages whose code is in the bundle.
 */
export async function bundle(outdir) {
  // Twice: what the program's entry says of the commands, only the commands can tell.
  const whole = await bundleText(entry({ commands: {} }));
  const manifest = await manifestOf(whole.text);
  const shared = sharedModules(whole.metafile);
  const texts = new Map();
  for (const [chunk, modules] of shared) {
    // A function that is only compiled where another part asks: of a table each entry would be made at every start.
    const cases = [...modules].sort().map((name) => `case ${JSON.stringify(name)}: return require('./${name}');`);
    const table = [`exports.take = (name) => { switch (name) { ${cases.join('\n')} } };`];
    const contents = [...table, ...(chunk === 'main' ? [entry(manifest)] : [])].join('\n');
    const { text } = await bundleText(contents, [oneChunk(chunk, root)]);
    texts.set(chunk, await shortened(wrap(text)));
  }

  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  for (const [chunk, text] of texts) writeFileSync(path.join(outdir, `${chunk}.js`), text);
  writeFileSync(path.join(outdir, 'manifest.json'), JSON.stringify(manifest));
  const hash = createHash('sha256')
    .update([...texts.values()].join(''))
    .digest('hex')
    .slice(0, 16);
  const define = {
    BUNDLE_HASH: JSON.stringify(hash),
    NAME: JSON.stringify(pjson.name),
    VERSION: JSON.stringify(pjson.version),
    COMMAND_NAMES: JSON.stringify(Object.keys(namesOf(manifest)).sort()),
  };
  for (const name of ['launch', 'keep-code']) {
    const entryPoints = [path.join(root, 'src', 'launcher', `${name}.ts`)];
    const external = [...EXTERNAL, './keep-code'];
    const { outputFiles } = await build({ ...OPTIONS, entryPoints, external, define, write: false });
    writeFileSync(path.join(outdir, `${name}.js`), await shortened(outputFiles[0].text));
  }
  return { manifest, packages: packagesIn(whole.metafile), metafile: whole.metafile };
}
